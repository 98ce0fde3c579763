//! Pumping against honest traffic, on the statements that production runs: which share of either is refused, and what
//! that is worth. `docs/sending-limits.md` has the figures of a whole day; the tests here run a part of it.
//!
//! Everything is drawn from one seeded generator, so that a run can be repeated to the message.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use super::dice::Dice;
use super::person::Service;
use super::{Variables, block_on};
use crate::endpoints::message::{Asker, Recipient, compose};
use crate::http::request::Request;
use crate::mfa::enrollment::Standing;
use crate::mfa::factor::{AuthenticatorId, Kind};
use crate::mfa::language::Languages;
use crate::mfa::sending::{Origin, Purpose};
use crate::platform::{Platform, Statement};
use crate::storage::clients::{self, Client};
use crate::storage::enrollments::{self, Enrolled, NewEnrollment};
use crate::storage::{statements, sweep};
use crate::types::{ClientId, UnixSeconds, UserId};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Prices of a message in US dollars, as two providers publish them in the documentation of their pricing APIs: sendapi
/// (1, 44, 49, 33) and D7 Networks (994, 62, 880), both read in November 2026.
const PRICES: [(&str, f64); 7] =
    [("1", 0.008), ("44", 0.040), ("49", 0.075), ("33", 0.065), ("994", 0.22), ("62", 0.16), ("880", 0.184)];

/// One message that somebody asks for.
struct Event {
    at: i64,
    fraud: bool,
    user: u64,
    number: String,
    region: &'static str,
    origin: Origin,
    /// Seconds until the code comes back, if it does.
    answered_after: Option<i64>,
}

fn address(a: u8, b: u64, c: u64, d: u64) -> Option<IpAddr> {
    let part = |number: u64| u8::try_from(number % 256).unwrap();
    Some(IpAddr::V4(Ipv4Addr::new(a, part(b), part(c), part(d))))
}

/// Networks of households and phones, which honest people and botnets share.
fn household(dice: &mut Dice) -> Origin {
    let (host, network) = (dice.below(1 << 24), dice.below(30));
    Origin {
        address: address(u8::try_from(60 + network).unwrap(), host >> 16, host >> 8, host),
        network: Some(3000 + i64::try_from(network).unwrap()),
    }
}

/// A day of people: most from their own line, some behind a carrier's or an office's shared address. Nine of ten type
/// their code in; who does not, asks again in half of the cases.
fn honest(dice: &mut Dice, people: u64, seconds: i64) -> Vec<Event> {
    let mut events = Vec::new();
    for person in 0..people {
        // More by day than by night: the larger of two draws.
        let draw = |dice: &mut Dice| i64::try_from(dice.below(u64::try_from(seconds).unwrap())).unwrap();
        let at = draw(dice).max(draw(dice));
        let (region, digits) = match dice.below(100) {
            0..=49 => ("49", "49151"),
            50..=74 => ("1", "1202"),
            75..=89 => ("44", "447700"),
            _ => ("33", "3361"),
        };
        let number = format!("+{digits}{:07}", dice.below(10_000_000));
        let origin = match dice.below(100) {
            0..=69 => household(dice),
            70..=91 => {
                // Carriers put some hundred phones behind one address.
                let shared = dice.below(60);
                Origin {
                    address: address(100, 0, shared / 8, shared),
                    network: Some(3000 + i64::try_from(shared % 5).unwrap()),
                }
            }
            _ => {
                let office = dice.below(40);
                Origin { address: address(90, 10, office, 7), network: Some(3010) }
            }
        };
        let mut ask = |at: i64, answered_after: Option<i64>| {
            events.push(Event {
                at,
                fraud: false,
                user: person,
                number: number.clone(),
                region,
                origin,
                answered_after,
            });
        };
        if dice.chance(90) {
            ask(at, Some(15 + i64::try_from(dice.below(80)).unwrap()));
        } else {
            ask(at, None);
            if dice.chance(50) {
                ask(at + 120, Some(40));
            }
        }
    }
    events
}

/// The shapes that pumping is known to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// One host, one range of numbers, as fast as it goes.
    Burst,
    /// Rented proxies in a few prefixes of one data centre, several ranges.
    DataCentre,
    /// Thousands of infected households, a few messages each, ranges all over a country.
    Botnet,
    /// Slow, from households, to a country that honest people use, with every fourth code typed back by a SIM farm.
    SimFarm,
}

impl Shape {
    const ALL: [Self; 4] = [Self::Burst, Self::DataCentre, Self::Botnet, Self::SimFarm];

    const fn name(self) -> &'static str {
        match self {
            Self::Burst => "one host, one range of numbers, a burst",
            Self::DataCentre => "200 proxies in one data centre, 40 ranges",
            Self::Botnet => "households all over the world, 400 ranges",
            Self::SimFarm => "slow, and every fourth code typed back",
        }
    }

    fn events(self, dice: &mut Dice, messages: u64, seconds: i64) -> Vec<Event> {
        (0..messages)
            .map(|index| {
                let spread = i64::try_from(index).unwrap() * seconds / i64::try_from(messages).unwrap();
                let start = seconds / 4;
                let (at, region, digits, ranges, origin) = match self {
                    Self::Burst => {
                        let at = start + i64::try_from(index).unwrap() / 2;
                        (at, "994", "99470", 1, Origin { address: address(45, 1, 1, 1), network: Some(9001) })
                    }
                    Self::DataCentre => {
                        let proxy = dice.below(200);
                        let origin =
                            Origin { address: address(46, 2, proxy / 25, proxy), network: Some(9002) };
                        (start + spread / 3, "62", "62812", 40, origin)
                    }
                    Self::Botnet => (spread, "880", "88017", 400, household(dice)),
                    Self::SimFarm => (spread, "44", "447700", 300, household(dice)),
                };
                let range = dice.below(ranges);
                let answered = self == Self::SimFarm && dice.chance(25);
                Event {
                    at,
                    fraud: true,
                    user: 1_000_000 + index,
                    number: format!("+{digits}{range:03}{:04}", dice.below(10_000)),
                    region,
                    origin,
                    answered_after: answered.then_some(30),
                }
            })
            .collect()
    }
}

/// What became of the messages.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    honest: u64,
    honest_refused: u64,
    fraud: u64,
    fraud_refused: u64,
    saved_dollars: f64,
    lost_dollars: f64,
}

impl Tally {
    fn percent(part: u64, whole: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        let share = part as f64 * 100.0 / whole.max(1) as f64;
        share
    }
}

struct Simulation {
    service: Service,
    client: std::rc::Rc<Client>,
    started: UnixSeconds,
}

impl Simulation {
    fn new(limits: &str) -> Self {
        let variables = Service::variables()
            .with("FACTORS", r#"{"otp":{},"sms":{"calling_codes":"all"}}"#)
            .with("SENDING_LIMITS", limits);
        Self::configured(&variables)
    }

    fn configured(variables: &Variables) -> Self {
        let service = Service::configured(variables);
        let started = service.world.now();
        let client = block_on(clients::find(&service.app, started, &ClientId("app".to_owned())));
        Self { client: client.unwrap().unwrap(), service, started }
    }

    /// Any request of this moment.
    fn request(&self) -> Request {
        self.service.post("/mfa/associate", None, &serde_json::Value::Null)
    }

    /// Asks for a message; the delivery's id if it is sent.
    fn ask(&self, event: &Event) -> Option<String> {
        let app = &self.service.app;
        let now = app.platform.now();
        let user = UserId::new("idp", &event.user.to_string());
        let id = AuthenticatorId::generate(Kind::Sms, app.platform.random().unwrap());
        let recipient = Recipient::of(Kind::Sms, &event.number).unwrap();
        let asker = Asker {
            request: &self.request(),
            origin: event.origin,
            languages: Languages::default(),
            domain: String::new(),
        };
        let message = compose(app, &recipient, Purpose::Enrollment, &user, id.as_str(), &asker).unwrap();
        assert_eq!(message.region.as_deref(), Some(event.region));
        let delivery = message.delivery_id.clone();
        let new = NewEnrollment {
            id: &id,
            user: &user,
            client: &self.client,
            transaction: None,
            standing: Standing { proof_of_mfa: false, issued_at: now, used_factors: None },
            sealed: "s1.x".to_owned(),
            address_index: None,
            recovery: None,
            message: Some(message),
            answer: None,
            now,
            expires_at: now.plus(300),
        };
        match block_on(enrollments::add(app, &new)).unwrap() {
            Enrolled::Added { .. } => {
                // As if the consumer had been there: what nobody receives is not judged.
                self.service.world.query(
                    "UPDATE deliveries SET state = 'sent', sealed = NULL WHERE id = ?1",
                    &[delivery.as_str().into()],
                );
                Some(delivery)
            }
            Enrolled::Obstructed(_) => None,
            other => panic!("{other:?}"),
        }
    }

    /// The code comes back: what a redemption's batch does for the message.
    fn answer(&self, delivery: &str) {
        let world = &self.service.world;
        let now = world.now();
        let own = |parameters: Vec<crate::platform::Value>| {
            let mut all = vec![delivery.into(), "r".into(), delivery.into()];
            all.extend(parameters);
            all
        };
        world.query(
            "INSERT INTO redemptions (spent, redemption, expires_at) VALUES (?1, 'r', ?2)",
            &[delivery.into(), now.plus(600).into()],
        );
        let batch = vec![
            Statement { sql: statements::RETURN_CHARGES, parameters: own(Vec::new()) },
            Statement { sql: statements::VERIFY_DELIVERY, parameters: own(vec![now.into()]) },
        ];
        block_on(self.service.app.platform.batch(batch)).unwrap();
        world.query("DELETE FROM enrollments WHERE delivery_id = ?1", &[delivery.into()]);
    }

    fn run(&self, mut events: Vec<Event>) -> Tally {
        events.sort_by_key(|event| event.at);
        let mut tally = Tally::default();
        let mut answers: Vec<(i64, String)> = Vec::new();
        let mut next_sweep = 0;
        for event in &events {
            while next_sweep <= event.at {
                self.service.world.set_time(self.started.plus(next_sweep));
                block_on(sweep::run(&self.service.app, self.service.world.now())).unwrap();
                next_sweep += 300;
            }
            answers.retain(|(at, delivery)| {
                if *at <= event.at {
                    self.service.world.set_time(self.started.plus(*at));
                    self.answer(delivery);
                }
                *at > event.at
            });
            self.service.world.set_time(self.started.plus(event.at));
            let sent = self.ask(event);
            let price =
                PRICES.iter().find(|(region, _)| *region == event.region).map_or(0.0, |(_, price)| *price);
            match (event.fraud, &sent) {
                (true, None) => {
                    tally.fraud_refused += 1;
                    tally.saved_dollars += price;
                }
                (true, Some(_)) => tally.lost_dollars += price,
                (false, None) => tally.honest_refused += 1,
                (false, Some(_)) => {}
            }
            if event.fraud {
                tally.fraud += 1
            } else {
                tally.honest += 1
            }
            if let (Some(owner), Some(after)) = (sent, event.answered_after) {
                answers.push((event.at + after, owner));
            }
        }
        tally
    }
}

fn traffic(shape: Option<Shape>, people: u64, messages: u64, seconds: i64) -> Vec<Event> {
    let mut dice = Dice::new(20_261_127);
    let mut events = honest(&mut dice, people, seconds);
    if let Some(shape) = shape {
        events.extend(shape.events(&mut dice, messages, seconds));
    }
    events
}

fn simulate(limits: &str, shape: Option<Shape>, people: u64, messages: u64, seconds: i64) -> Tally {
    Simulation::new(limits).run(traffic(shape, people, messages, seconds))
}

#[test]
fn people_are_left_alone() {
    let tally = simulate("{}", None, 800, 0, 6 * HOUR);
    assert!(Tally::percent(tally.honest_refused, tally.honest) < 0.5, "{tally:?}");
}

#[test]
fn most_of_each_kind_of_pumping_is_stopped_and_hardly_anybody_is_hurt_by_it() {
    for (shape, least_stopped, most_hurt) in [
        (Shape::Burst, 98.0, 0.5),
        (Shape::DataCentre, 85.0, 0.5),
        (Shape::Botnet, 50.0, 0.5),
        (Shape::SimFarm, 20.0, 5.0),
    ] {
        let tally = simulate("{}", Some(shape), 400, 1500, 6 * HOUR);
        let stopped = Tally::percent(tally.fraud_refused, tally.fraud);
        let hurt = Tally::percent(tally.honest_refused, tally.honest);
        assert!(
            stopped >= least_stopped && hurt <= most_hurt,
            "{shape:?}: {stopped} % stopped, {hurt} % hurt"
        );
    }
}

/// Prints the tables of `docs/sending-limits.md`: `cargo test --release -- --ignored --nocapture the_figures`.
#[test]
#[ignore = "takes minutes; `npm run simulate` runs it"]
#[expect(clippy::print_stdout, reason = "its output is its purpose")]
fn the_figures_of_a_day() {
    let candidates = [
        ("none", r#"{"mode":"record_only"}"#),
        (
            "strict",
            r#"{"client_address":{"hour":12,"day":40},"address_prefix":{"hour":30,"day":100},"number_range":{"hour":9,"day":20},"judged_from":30,"verified_percent":40}"#,
        ),
        ("default", "{}"),
        (
            "lenient",
            r#"{"client_address":{"hour":100,"day":500},"address_prefix":{"hour":500,"day":2000},"number_range":{"hour":100,"day":400},"judged_from":300,"verified_percent":10}"#,
        ),
    ];
    let mut table = String::new();
    for (name, limits) in candidates {
        let calm = simulate(limits, None, 4000, 0, DAY);
        writeln!(
            table,
            "| {name} | nobody pumps | | {:.2} % | | |",
            Tally::percent(calm.honest_refused, calm.honest)
        )
        .unwrap();
        for shape in Shape::ALL {
            let tally = simulate(limits, Some(shape), 4000, 10_000, DAY);
            writeln!(
                table,
                "| {name} | {} | {:.1} % | {:.2} % | ${:.0} | ${:.0} |",
                shape.name(),
                Tally::percent(tally.fraud_refused, tally.fraud),
                Tally::percent(tally.honest_refused, tally.honest),
                tally.saved_dollars,
                tally.lost_dollars,
            )
            .unwrap();
        }
    }
    println!("{table}");
}
