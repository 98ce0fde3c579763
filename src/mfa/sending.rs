//! How many messages may be sent, and where that is counted.
//!
//! Codes by SMS and voice cost the operator money, and there are people who earn on numbers that codes are sent to. So
//! a message is charged not only to its user and its number but also to the range that the number is of, the address
//! that asked for it, that address' prefix, and the service as a whole, hourly and daily. A message whose code comes
//! back gets most of its charge back: what is never typed in weighs more.
//!
//! Whoever has a password of their own may name anybody's number when they enroll; that must not keep the number's owner
//! from their codes. So a number has room for enrollments and for challenges apart, and its range is not looked at where a
//! code goes to one that was confirmed. Notices, for which nobody asks, have room in it of their own, and much: no address and
//! no region is charged with them, and a few people with numbers of a range must not keep others of it from alarms.
//!
//! Whole regions and networks are not counted here, message by message, but looked at by the sweep, which closes them
//! for a while.

use std::net::{IpAddr, Ipv6Addr};

use super::budget::Refusal;
use super::factor::{Kind, MessageLimit};
use crate::json::{self, Json};
use crate::types::UnixSeconds;

const HOUR_MILLISECONDS: i64 = 3_600_000;
const DAY_MILLISECONDS: i64 = 24 * HOUR_MILLISECONDS;
/// Most messages in a window, so that sums of times stay far from their type's end.
const MAXIMUM_MESSAGES: i64 = 100_000_000;
const MAXIMUM_WEIGHT: i64 = 100;
/// So many times as many notices as enrollments go to a range.
const NOTICES_OF_RANGE: i64 = 10;

/// `SENDING_LIMITS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendingLimits {
    /// Nobody is refused for what stands here; the log says who would have been.
    pub record_only: bool,
    /// Messages that one client address may ask for.
    pub client_address: Window,
    /// Messages that one prefix may ask for: a /24 of IPv4, a /48 of IPv6.
    pub address_prefix: Window,
    /// Messages to the numbers that differ in their last four digits only: such ranges are rented together.
    pub number_range: Window,
    /// Messages of all.
    pub overall: Window,
    /// Messages to a region.
    pub region: Window,
    /// Messages that one network (ASN) may ask for.
    pub network: Window,
    /// What a message counts until its code has come back; 1 after that.
    pub unverified_weight: i64,
    /// A region or network closes when fewer than this share of its codes come back.
    pub verified_percent: i64,
    /// That share is looked at from this many messages an hour on.
    pub judged_from: i64,
    /// Seconds for which a region or network stays closed.
    pub closed_seconds: i64,
}

/// How many messages in an hour and in a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// In an hour.
    pub hour: i64,
    /// In a day.
    pub day: i64,
}

impl Default for SendingLimits {
    fn default() -> Self {
        Self {
            record_only: false,
            client_address: Window { hour: 30, day: 100 },
            address_prefix: Window { hour: 100, day: 400 },
            number_range: Window { hour: 30, day: 60 },
            overall: Window { hour: 5000, day: 50_000 },
            region: Window { hour: 1000, day: 10_000 },
            network: Window { hour: 1000, day: 10_000 },
            unverified_weight: 3,
            verified_percent: 20,
            judged_from: 100,
            closed_seconds: 3600,
        }
    }
}

impl SendingLimits {
    /// Reads the variable; what is left out has its default.
    ///
    /// # Errors
    /// A sentence of which the variable is the subject.
    pub fn parse(json: Option<&str>) -> Result<Self, String> {
        let mut limits = Self::default();
        let Some(json) = json else {
            return Ok(limits);
        };
        let members = json::settings(json, r#"{"overall":{"hour":1000,"day":5000}}"#)?;
        for (name, value) in &members {
            match &**name {
                "mode" => {
                    limits.record_only = match value.as_text() {
                        Some("enforce") => false,
                        Some("record_only") => true,
                        _ => return Err(r#"must have "enforce" or "record_only" as "mode"."#.to_owned()),
                    }
                }
                "client_address" => limits.client_address.set(name, value)?,
                "address_prefix" => limits.address_prefix.set(name, value)?,
                "number_range" => limits.number_range.set(name, value)?,
                "overall" => limits.overall.set(name, value)?,
                "region" => limits.region.set(name, value)?,
                "network" => limits.network.set(name, value)?,
                "unverified_weight" => limits.unverified_weight = number(name, value, 1, MAXIMUM_WEIGHT)?,
                "verified_percent" => limits.verified_percent = number(name, value, 0, 100)?,
                "judged_from" => limits.judged_from = number(name, value, 1, MAXIMUM_MESSAGES)?,
                "closed_seconds" => limits.closed_seconds = number(name, value, 60, 7 * 86_400)?,
                unknown => {
                    return Err(format!(
                        "has the unknown member {unknown:?}; known are mode, client_address, address_prefix, number_range, \
                         overall, region, network, unverified_weight, verified_percent, judged_from and closed_seconds."
                    ));
                }
            }
        }
        let smallest = [limits.client_address, limits.address_prefix, limits.number_range, limits.overall]
            .into_iter()
            .map(|window| window.hour.min(window.day))
            .min();
        if smallest.is_some_and(|smallest| smallest < limits.unverified_weight) {
            return Err(
                "has a limit below \"unverified_weight\", which no message would ever pass.".to_owned()
            );
        }
        Ok(limits)
    }

    /// What a message is charged to. `key` makes the key of a row of budgets out of what it counts by.
    #[must_use]
    pub fn charges(&self, message: &MessageRequest<'_>, key: &dyn Fn(Rule, &str) -> String) -> Vec<Charge> {
        let mut charges = Vec::new();
        let own = Rate {
            messages: message.limit.burst,
            interval: interval(HOUR_MILLISECONDS, message.limit.per_hour),
        };
        let purpose = message.purpose;
        let (user, recipient) = (purpose.own_of_user(message.user), purpose.own(message.recipient));
        let bucket = own.bucket(1, message.now);
        for (rule, whose) in [(Rule::User, user), (Rule::Recipient, recipient)] {
            charges.push(Charge { rule, key: key(rule, &whose), bucket, day: None });
        }
        let weight = if purpose == Purpose::Notice { 1 } else { self.unverified_weight };
        // Where a number has been confirmed, whoever has another of its range must not keep it from codes.
        let range = range(message.recipient).filter(|_| purpose != Purpose::Challenge);
        let range = range.map(|range| purpose.own(range));
        let number_range = if purpose == Purpose::Notice {
            self.number_range.times(NOTICES_OF_RANGE)
        } else {
            self.number_range
        };
        let address = message.origin.address.filter(|address| is_public(*address));
        let address = address.map(|address| (group(address, 32, 64), group(address, 24, 48)));
        let (address, prefix) = address.unzip();
        for (rule, whose, window) in [
            (Rule::ClientAddress, address.as_deref(), self.client_address),
            (Rule::AddressPrefix, prefix.as_deref(), self.address_prefix),
            (Rule::NumberRange, range.as_deref(), number_range),
            (Rule::Overall, Some(purpose.own_of_all()), self.overall),
        ] {
            let Some(whose) = whose else { continue };
            let [hour, day] = [(window.hour, HOUR_MILLISECONDS), (window.day, DAY_MILLISECONDS)]
                .map(|(messages, window)| Rate { messages, interval: interval(window, messages) })
                .map(|rate| rate.bucket(weight, message.now));
            charges.push(Charge { rule, key: key(rule, whose), bucket: hour, day: Some(day) });
        }
        charges
    }

    /// Whether a rule refuses, or is only recorded.
    #[must_use]
    pub const fn enforces(&self, rule: Rule) -> bool {
        !self.record_only || matches!(rule, Rule::User | Rule::Recipient)
    }
}

impl Window {
    /// The same window with room for so many times as many.
    const fn times(self, factor: i64) -> Self {
        Self { hour: self.hour.saturating_mul(factor), day: self.day.saturating_mul(factor) }
    }

    fn set(&mut self, name: &str, value: &Json<'_>) -> Result<(), String> {
        let Some(members) = value.as_object() else {
            return Err(format!(r#"must have an object as "{name}", such as {{"hour":100,"day":500}}."#));
        };
        for (window, value) in members {
            match &**window {
                "hour" => self.hour = number(name, value, 1, MAXIMUM_MESSAGES)?,
                "day" => self.day = number(name, value, 1, MAXIMUM_MESSAGES)?,
                unknown => {
                    return Err(format!(
                        r#"has the unknown member "{unknown}" in "{name}"; it may have "hour" and "day"."#
                    ));
                }
            }
        }
        Ok(())
    }
}

fn number(name: &str, value: &Json<'_>, minimum: i64, maximum: i64) -> Result<i64, String> {
    value
        .as_integer()
        .filter(|number| (minimum..=maximum).contains(number))
        .ok_or_else(|| format!("must have whole numbers from {minimum} to {maximum} in \"{name}\"."))
}

/// A message that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct MessageRequest<'a> {
    /// By whom.
    pub user: &'a str,
    /// The number or address that it goes to, in the form in which two spellings are equal.
    pub recipient: &'a str,
    /// What for.
    pub purpose: Purpose,
    /// From where.
    pub origin: Origin,
    /// The limit of user and recipient.
    pub limit: MessageLimit,
    /// Now.
    pub now: UnixSeconds,
}

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To add the number or address: the user has named it and may not be its owner.
    Enrollment,
    /// To use it: its owner has confirmed it before.
    Challenge,
    /// To tell of something, with no code to come back.
    Notice,
}

impl Purpose {
    /// What is counted by under this purpose.
    fn own(self, whose: &str) -> String {
        let own = match self {
            Self::Enrollment => "enrollment ",
            Self::Challenge => "challenge ",
            Self::Notice => "notice ",
        };
        [own, whose].concat()
    }

    /// The same for all, whose codes are counted together: notices take none of their room, nor codes that of notices.
    const fn own_of_all(self) -> &'static str {
        match self {
            Self::Enrollment | Self::Challenge => "",
            Self::Notice => "notice",
        }
    }

    /// The same for users, whose codes are counted together.
    fn own_of_user(self, user: &str) -> String {
        match self {
            Self::Enrollment | Self::Challenge => user.to_owned(),
            Self::Notice => self.own(user),
        }
    }
}

/// Where a request came from, as far as it is worth counting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Origin {
    /// The person's address.
    pub address: Option<IpAddr>,
    /// The autonomous system that it belongs to.
    pub network: Option<i64>,
}

/// By what messages are counted; by the first three guesses are, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Messages of a user.
    User,
    /// Messages to a number or address.
    Recipient,
    /// Messages that an address asks for.
    ClientAddress,
    /// Messages that a prefix asks for.
    AddressPrefix,
    /// Messages to a range of numbers.
    NumberRange,
    /// All messages.
    Overall,
    /// Messages to a region.
    Region,
    /// Messages that a network asks for.
    Network,
}

impl Rule {
    /// What records call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Recipient => "recipient",
            Self::ClientAddress => "client_address",
            Self::AddressPrefix => "address_prefix",
            Self::NumberRange => "number_range",
            Self::Overall => "overall",
            Self::Region => "region",
            Self::Network => "network",
        }
    }
}

/// How records call a channel's family: text messages and calls go to the same numbers.
#[must_use]
pub const fn medium(kind: Kind) -> &'static str {
    match kind {
        Kind::Email => "email",
        Kind::Totp | Kind::Sms | Kind::Voice => "phone",
    }
}

/// What a message is charged to: one row, with one bucket or two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// What is counted.
    pub rule: Rule,
    /// The row.
    pub key: String,
    /// Its bucket: that of a burst, or the hour's.
    pub bucket: Bucket,
    /// The day's, where there is one beside the hour's.
    pub day: Option<Bucket>,
}

/// A token bucket, with what a message takes from it. Times are in milliseconds: a busy service sends several messages a
/// second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// By how much later the bucket will be full.
    pub cost: i64,
    /// The part of that which is taken back when the message's code comes back.
    pub returned: i64,
    /// There is room as long as the bucket's `full_at` is not later than this.
    pub latest_full_at: i64,
    /// The bucket's size in messages.
    pub limit: i64,
}

/// `messages` at once, and one more each `interval`.
struct Rate {
    messages: i64,
    interval: i64,
}

/// The number without its last four digits; `None` of an e-mail address.
fn range(recipient: &str) -> Option<&str> {
    let digits = recipient.strip_prefix('+')?;
    digits.split_at_checked(digits.len().saturating_sub(4)).map(|(range, _)| range)
}

/// Milliseconds until one of so many a window comes back.
fn interval(window: i64, messages: i64) -> i64 {
    window.checked_div(messages).unwrap_or(window).max(1)
}

impl Rate {
    const fn bucket(&self, weight: i64, now: UnixSeconds) -> Bucket {
        let cost = self.interval.saturating_mul(weight);
        let room = self.interval.saturating_mul(self.messages.saturating_sub(weight));
        Bucket {
            cost,
            returned: cost.saturating_sub(self.interval),
            latest_full_at: milliseconds(now).saturating_add(room),
            limit: self.messages,
        }
    }
}

impl Charge {
    /// What to tell a client for whom there was no room. Where two buckets refuse, the one that will have room last speaks.
    #[must_use]
    pub fn refusal(&self, now: UnixSeconds, full_at: i64, day_full_at: Option<i64>) -> Refusal {
        let late = self.bucket.late(full_at);
        let day = self.day.zip(day_full_at).map(|(day, full_at)| (day, day.late(full_at)));
        let (bucket, late) = day.filter(|(_, of_day)| *of_day > late).unwrap_or((self.bucket, late));
        let retry_after = late.saturating_add(999).wrapping_div(1000).max(1);
        Refusal { limit: bucket.limit, retry_after, room_at: now.plus(retry_after) }
    }
}

impl Bucket {
    /// Milliseconds until there is room.
    fn late(&self, full_at: i64) -> i64 {
        full_at.saturating_sub(self.latest_full_at).max(0)
    }
}

/// Milliseconds since 1970.
#[must_use]
pub const fn milliseconds(time: UnixSeconds) -> i64 {
    time.0.saturating_mul(1000)
}

impl Origin {
    /// The address by which requests are counted, if it is worth that: all of a /64 of IPv6 are one.
    #[must_use]
    pub fn counted_address(&self) -> Option<String> {
        self.address.filter(|address| is_public(*address)).map(|address| group(address, 32, 64))
    }
}

/// Whether an address is one of the internet's. Others are seen in local development and behind proxies that hide the
/// person's, where they would count strangers together.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            !(address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || address.is_unspecified())
        }
        IpAddr::V6(address) => {
            !(address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local())
        }
    }
}

/// The addresses that are counted together with this one: those that begin with the same bits.
fn group(address: IpAddr, bits_of_4: u32, bits_of_6: u32) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let kept =
                u32::from(address) & u32::MAX.checked_shl(32_u32.saturating_sub(bits_of_4)).unwrap_or(0);
            format!("4:{kept:x}")
        }
        IpAddr::V6(address) => format!("6:{:x}", high_bits(address, bits_of_6)),
    }
}

fn high_bits(address: Ipv6Addr, bits: u32) -> u64 {
    let [a, b, c, d, ..] = address.segments().map(u64::from);
    let high = a << 48 | b << 32 | c << 16 | d;
    high & u64::MAX.checked_shl(64_u32.saturating_sub(bits)).unwrap_or(0)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may panic")]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_000_000);
    const LIMIT: MessageLimit = MessageLimit { burst: 10, per_hour: 1 };

    fn asked(address: Option<&str>) -> MessageRequest<'static> {
        MessageRequest {
            user: "idp|alice",
            recipient: "+4915123456789",
            purpose: Purpose::Enrollment,
            origin: Origin { address: address.map(|address| address.parse().unwrap()), network: None },
            limit: LIMIT,
            now: NOW,
        }
    }

    fn charges(limits: &SendingLimits, address: Option<&str>) -> Vec<Charge> {
        limits.charges(&asked(address), &|rule, whose| format!("{}={whose}", rule.as_str()))
    }

    #[test]
    fn a_number_has_room_for_enrollments_and_for_challenges_apart() {
        let keys = |purpose| {
            let asked = MessageRequest { purpose, ..asked(Some("192.0.2.77")) };
            let all =
                SendingLimits::default().charges(&asked, &|rule, whose| format!("{}={whose}", rule.as_str()));
            all.into_iter().map(|charge| charge.key).collect::<Vec<_>>()
        };
        let (enrollment, challenge) = (keys(Purpose::Enrollment), keys(Purpose::Challenge));
        for one in &enrollment {
            let is_apart = one.starts_with("recipient=") || one.starts_with("number_range=");
            assert_eq!(!challenge.contains(one), is_apart, "{one}");
        }
    }

    #[test]
    fn a_range_is_looked_at_where_a_number_is_enrolled_and_has_room_for_ten_times_as_many_notices() {
        let limits = |purpose| {
            let all = SendingLimits::default()
                .charges(&MessageRequest { purpose, ..asked(None) }, &|rule, _| rule.as_str().to_owned());
            let range = all.into_iter().find(|charge| charge.rule == Rule::NumberRange);
            range.map(|charge| (charge.bucket.limit, charge.day.unwrap().limit))
        };
        assert_eq!(limits(Purpose::Enrollment), Some((30, 60)));
        assert_eq!(limits(Purpose::Challenge), None);
        assert_eq!(limits(Purpose::Notice), Some((300, 600)));
    }

    #[test]
    fn a_message_is_charged_to_user_recipient_address_prefix_and_all() {
        let all = charges(&SendingLimits::default(), Some("192.0.2.77"));
        let keys: Vec<_> = all.iter().map(|charge| charge.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "user=idp|alice",
                "recipient=enrollment +4915123456789",
                "client_address=4:c000024d",
                "address_prefix=4:c0000200",
                "number_range=enrollment 491512345",
                "overall=",
            ]
        );
        assert_eq!(all.iter().filter(|charge| charge.day.is_none()).count(), 2, "user and recipient");
        for nobody in [
            None,
            Some("127.0.0.1"),
            Some("10.1.2.3"),
            Some("169.254.1.2"),
            Some("0.0.0.0"),
            Some("::1"),
            Some("::"),
            Some("fd00::1"),
            Some("fe80::1"),
        ] {
            let keys = charges(&SendingLimits::default(), nobody);
            assert_eq!(keys.len(), 4, "{nobody:?} is not counted");
            assert_eq!(asked(nobody).origin.counted_address(), None, "{nobody:?}");
        }
    }

    #[test]
    fn addresses_are_called_by_their_first_bits() {
        let keys = charges(&SendingLimits::default(), Some("2001:db8:1:ab:cd::1"));
        assert_eq!(keys[2].key, "client_address=6:20010db8000100ab");
        assert_eq!(keys[3].key, "address_prefix=6:20010db800010000");
        let shield = |address| asked(Some(address)).origin.counted_address();
        assert_eq!(shield("192.0.2.77").as_deref(), Some("4:c000024d"));
        assert_eq!(shield("2001:db8:1:ab:cd::1").as_deref(), Some("6:20010db8000100ab"));
    }

    #[test]
    fn all_notices_are_counted_together_and_apart_from_codes() {
        let notice = MessageRequest { purpose: Purpose::Notice, ..asked(None) };
        let all =
            SendingLimits::default().charges(&notice, &|rule, whose| format!("{}={whose}", rule.as_str()));
        assert_eq!(all[all.len() - 1].key, "overall=notice");
    }

    #[test]
    fn text_messages_and_calls_are_one_medium() {
        assert_eq!(Kind::ALL.map(medium), ["phone", "phone", "phone", "email"]);
    }

    #[test]
    fn mail_has_no_range() {
        let mail = MessageRequest { recipient: "ada@example.com", ..asked(None) };
        let charges = SendingLimits::default().charges(&mail, &|rule, _| rule.as_str().to_owned());
        assert!(charges.iter().all(|charge| charge.rule != Rule::NumberRange));
        assert_eq!(charges.len(), 3);
    }

    #[test]
    fn addresses_of_one_subscriber_are_counted_together() {
        let key = |address: &str, index: usize| {
            charges(&SendingLimits::default(), Some(address))[index].key.clone()
        };
        for (one, other, same_address, same_prefix) in [
            ("192.0.2.1", "192.0.2.2", false, true),
            ("192.0.2.1", "192.0.3.1", false, false),
            ("192.0.2.1", "::ffff:192.0.2.1", true, true),
            ("2001:db8:1:1::1", "2001:db8:1:1:ffff::2", true, true),
            ("2001:db8:1:1::1", "2001:db8:1:2::1", false, true),
            ("2001:db8:1:1::1", "2001:db8:2:1::1", false, false),
        ] {
            assert_eq!(key(one, 2) == key(other, 2), same_address, "{one} {other}");
            assert_eq!(key(one, 3) == key(other, 3), same_prefix, "{one} {other}");
        }
    }

    /// The statement's arithmetic, in miniature: how many messages pass at once, and how many of them if each code
    /// comes back.
    fn pass_at_once(bucket: Bucket, verified: bool) -> i64 {
        let mut full_at = 0;
        let mut passed = 0;
        while full_at <= bucket.latest_full_at {
            full_at = full_at.max(milliseconds(NOW)) + bucket.cost;
            if verified {
                full_at -= bucket.returned;
            }
            passed += 1;
        }
        passed
    }

    #[test]
    fn what_is_never_typed_in_weighs_three_times_as_much() {
        let all = charges(&SendingLimits::default(), Some("192.0.2.1"));
        let (hourly, daily) = (all[2].bucket, all[2].day.unwrap());
        assert_eq!((hourly.limit, daily.limit), (30, 100));
        assert_eq!(milliseconds(UnixSeconds(2)), 2000);
        for (bucket, window) in [(hourly, 3_600_000), (daily, 86_400_000)] {
            assert_eq!(bucket.cost, window / bucket.limit * 3);
        }
        assert_eq!(pass_at_once(hourly, false), 10);
        assert_eq!(pass_at_once(hourly, true), 28);
        assert_eq!(pass_at_once(daily, false), 33);
        assert_eq!(pass_at_once(daily, true), 98);
        // Whose own limit it is pays the same for each.
        assert_eq!((all[0].bucket.returned, pass_at_once(all[0].bucket, false)), (0, 10));
    }

    #[test]
    fn a_refusal_says_when_there_is_room_again() {
        let limits = SendingLimits {
            client_address: Window { hour: 3600, day: 1_000_000 },
            ..SendingLimits::default()
        };
        let charge = &charges(&limits, Some("192.0.2.1"))[2];
        let bucket = charge.bucket;
        assert_eq!((bucket.cost, bucket.returned), (3000, 2000));
        for (late, retry_after) in [(1, 1), (999, 1), (1000, 1), (1001, 2), (60_000, 60)] {
            let refusal = charge.refusal(NOW, bucket.latest_full_at + late, None);
            assert_eq!(
                refusal,
                Refusal { limit: 3600, retry_after, room_at: NOW.plus(retry_after) },
                "{late}"
            );
        }
    }

    #[test]
    fn of_an_hour_and_a_day_without_room_the_one_that_has_room_last_is_told_of() {
        let charge = &charges(&SendingLimits::default(), Some("192.0.2.1"))[2];
        let (hour, day) = (charge.bucket.latest_full_at, charge.day.unwrap().latest_full_at);
        for (of_hour, of_day, limit, retry_after) in [
            (1, 0, 30, 1),
            (0, 1, 100, 1),
            (-1_000_000, 1, 100, 1),
            (1, -1_000_000, 30, 1),
            (5000, 4999, 30, 5),
            (5000, 5001, 100, 6),
        ] {
            let refusal = charge.refusal(NOW, hour + of_hour, Some(day + of_day));
            let told = Refusal { limit, retry_after, room_at: NOW.plus(retry_after) };
            assert_eq!(refusal, told, "{of_hour} {of_day}");
        }
        // Nothing has been charged to the day's.
        assert_eq!(charge.refusal(NOW, hour + 1, None).limit, 30);
    }

    #[test]
    fn users_and_numbers_are_held_to_their_limit_also_where_the_rest_is_only_recorded() {
        let trial = SendingLimits::parse(Some(r#"{"mode":"record_only"}"#)).unwrap();
        let all = [
            (Rule::User, true),
            (Rule::Recipient, true),
            (Rule::ClientAddress, false),
            (Rule::AddressPrefix, false),
            (Rule::NumberRange, false),
            (Rule::Overall, false),
            (Rule::Region, false),
            (Rule::Network, false),
        ];
        for (rule, enforced) in all {
            assert_eq!(trial.enforces(rule), enforced, "{rule:?}");
            assert!(SendingLimits::default().enforces(rule));
        }
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        assert_eq!(SendingLimits::parse(None), Ok(SendingLimits::default()));
        assert_eq!(SendingLimits::parse(Some("{}")), Ok(SendingLimits::default()));
        let limits = SendingLimits::parse(Some(
            r#"{"mode":"enforce","overall":{"hour":7},"unverified_weight":2,"verified_percent":0,"judged_from":5,
                "closed_seconds":60,"region":{"day":9}}"#,
        ));
        let default = SendingLimits::default();
        assert_eq!(
            limits,
            Ok(SendingLimits {
                overall: Window { hour: 7, ..default.overall },
                region: Window { day: 9, ..default.region },
                unverified_weight: 2,
                verified_percent: 0,
                judged_from: 5,
                closed_seconds: 60,
                ..default
            })
        );
    }

    #[test]
    fn a_limit_may_be_as_low_as_one_message_that_does_not_come_back() {
        assert!(SendingLimits::parse(Some(r#"{"client_address":{"hour":3}}"#)).is_ok());
    }

    #[test]
    fn what_is_wrong_is_said_in_a_sentence() {
        for (json, part) in [
            ("[]", "must be a JSON object"),
            ("{", "but is not JSON at line 1, column 2."),
            (r#"{"overal":{}}"#, r#"unknown member "overal"; known are mode, client_address"#),
            (r#"{"mode":"off"}"#, "record_only"),
            (r#"{"overall":5}"#, r#"an object as "overall""#),
            (r#"{"overall":{"week":5}}"#, r#"unknown member "week" in "overall""#),
            (r#"{"region":{"hour":0}}"#, r#"from 1 to 100000000 in "region""#),
            (r#"{"client_address":{"day":"9"}}"#, r#"in "client_address""#),
            (r#"{"unverified_weight":0}"#, r#"from 1 to 100 in "unverified_weight""#),
            (r#"{"verified_percent":101}"#, r#"from 0 to 100 in "verified_percent""#),
            (r#"{"closed_seconds":1}"#, r#"from 60 to 604800 in "closed_seconds""#),
            (r#"{"client_address":{"hour":2}}"#, "below \"unverified_weight\""),
            (r#"{"per_country":{}}"#, "per_country"),
        ] {
            let error = SendingLimits::parse(Some(json)).unwrap_err();
            assert!(error.contains(part), "{json}: {error}");
        }
    }
}
