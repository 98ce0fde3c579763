//! When the Worker itself fails: the guess is given back, exactly, and nothing happens twice.

use super::{GUESSES, ONE_GUESS, RECOVERY_GUESSES, UNAVAILABLE};
use crate::testing::person::{AuthenticatorApp, Message, NUMBER, Person, Service};
use crate::testing::platform::BatchFault;

/// The ways to exchange a code, each warm and with everything in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    ConfirmApp,
    ConfirmPhone,
    ConfirmByAccessToken,
    VerifyApp,
    VerifyPhone,
    Recover,
}

const WAYS: [Way; 6] = [
    Way::ConfirmApp,
    Way::ConfirmPhone,
    Way::ConfirmByAccessToken,
    Way::VerifyApp,
    Way::VerifyPhone,
    Way::Recover,
];

/// A person about to send a right code.
struct Scene {
    service: Service,
    way: Way,
    token: String,
    app: Option<AuthenticatorApp>,
    phone: Option<Message>,
    /// Authenticators before.
    active: i64,
}

impl Scene {
    fn new(way: Way) -> Self {
        let service = Service::new();
        let alice = service.person("alice");
        // Another isolate's work, so that this one is warm and the bucket is not empty of charges: one wrong guess.
        let bob = service.person("bob");
        bob.has_app();
        let (mut app, mut phone) = (None, None);
        let token = match way {
            Way::ConfirmApp => {
                app = Some(alice.adds_app(&alice.logs_in()));
                alice.logs_in()
            }
            Way::ConfirmPhone => {
                phone = Some(alice.adds_phone(&alice.logs_in(), NUMBER));
                alice.logs_in()
            }
            Way::ConfirmByAccessToken => {
                phone = Some(alice.adds_phone(&alice.access_token("enroll"), NUMBER));
                alice.access_token("enroll")
            }
            Way::VerifyApp | Way::Recover => {
                app = Some(alice.has_app());
                alice.logs_in()
            }
            Way::VerifyPhone => {
                let enrolled = alice.has_phone(NUMBER);
                let login = alice.logs_in();
                phone = Some(alice.is_challenged(&login, &enrolled.id));
                // One failure of its own, as the wrong guess below is one of the apps.
                alice
                    .enters_code(&login, &phone.as_ref().unwrap().mistyped())
                    .is_refused(403, super::INVALID_BINDING_CODE);
                login
            }
        };
        if way != Way::VerifyPhone {
            alice.enters_otp(&alice.logs_in(), "x").is_refused(403, super::INVALID_OTP);
        }
        alice.recovers(&alice.logs_in(), "x").is_refused(403, super::INVALID_RECOVERY_CODE);
        let active = service.number("SELECT count(*) FROM authenticators WHERE user_id = 'idp|alice'");
        Self { way, token, app, phone, active, service }
    }

    fn alice(&self) -> Person<'_> {
        self.service.person("alice")
    }

    fn request(&self) -> crate::http::request::Request {
        let alice = self.alice();
        match (self.way, &self.app, &self.phone) {
            (Way::Recover, Some(app), _) => {
                alice.recovery_request(&self.token, app.recovery_code.as_deref().unwrap())
            }
            (_, Some(app), _) => alice.otp_request(&self.token, &app.code(&self.service)),
            (_, _, Some(phone)) => alice.oob_request(&self.token, &phone.oob_code, &phone.code),
            _ => panic!("a code"),
        }
    }

    fn send(&self) -> crate::testing::person::Answer {
        self.service.send(&self.request())
    }

    /// Exactly the two wrong guesses from the beginning are charged, and the one failure that came of them.
    #[track_caller]
    fn nothing_more_is_charged(&self, what: &str) {
        let way = self.way;
        assert_eq!(self.service.charged_seconds(GUESSES), ONE_GUESS, "{way:?} {what}");
        assert_eq!(self.service.charged_seconds(RECOVERY_GUESSES), ONE_GUESS, "{way:?} {what}");
        let failures = "SELECT coalesce(max(failures), 0) FROM authenticators WHERE user_id = 'idp|alice'";
        let expected = match way {
            // The wrong guess met an active app; a success ends the row.
            Way::VerifyApp | Way::VerifyPhone if self.is_redeemed() => 0,
            Way::VerifyApp | Way::VerifyPhone | Way::Recover => 1,
            _ => 0,
        };
        assert_eq!(self.service.number(failures), expected, "{way:?} {what}");
        if !self.is_redeemed() {
            let tries = "SELECT (SELECT coalesce(sum(attempts), 0) FROM enrollments)
                              + (SELECT coalesce(sum(attempts), 0) FROM challenges)";
            assert_eq!(self.service.number(tries), i64::from(way == Way::VerifyPhone), "{way:?} {what}");
        }
    }

    fn is_redeemed(&self) -> bool {
        let before = match self.way {
            Way::VerifyApp | Way::VerifyPhone | Way::Recover => 2,
            _ => 1,
        };
        self.service.world.count("redemptions") > before
    }

    /// The code has had its effect, once.
    #[track_caller]
    fn is_done_once(&self, what: &str) {
        let way = self.way;
        assert!(self.is_redeemed(), "{way:?} {what}");
        let user = "user_id = 'idp|alice'";
        let active = self.service.number(&format!("SELECT count(*) FROM authenticators WHERE {user}"));
        let confirmed = i64::from(!matches!(way, Way::VerifyApp | Way::VerifyPhone | Way::Recover));
        assert_eq!(active, self.active + confirmed, "{way:?} {what}");
        assert_eq!(self.service.number(&format!("SELECT count(*) FROM enrollments WHERE {user}")), 0);
        assert_eq!(self.service.number(&format!("SELECT count(*) FROM challenges WHERE {user}")), 0);
        assert_eq!(self.service.number(&format!("SELECT count(*) FROM recovery_codes WHERE {user}")), 1);
    }
}

#[test]
fn a_charge_whose_round_trip_fails_is_no_charge() {
    for way in WAYS {
        for fault in [BatchFault::BeforeCommit, BatchFault::AfterCommit] {
            let scene = Scene::new(way);
            scene.service.world.fail_batch(fault);
            let answer = scene.send();
            answer.is_refused(503, UNAVAILABLE);
            assert_eq!(answer.header("Retry-After"), Some("1"));
            scene.nothing_more_is_charged(&format!("{fault:?}"));
            assert!(!scene.is_redeemed());
            // The same code and the same login are as good as before.
            scene.send().granted();
            scene.nothing_more_is_charged(&format!("{fault:?}, then well"));
            scene.is_done_once(&format!("{fault:?}, then well"));
        }
    }
}

#[test]
fn a_redemption_that_fails_once_is_done_once_all_the_same() {
    for way in WAYS {
        for fault in [BatchFault::BeforeCommit, BatchFault::AfterCommit] {
            let scene = Scene::new(way);
            scene.service.world.fail_batch(BatchFault::None);
            scene.service.world.fail_batch(fault);
            let answer = scene.send().granted();
            scene.nothing_more_is_charged(&format!("{fault:?}"));
            scene.is_done_once(&format!("{fault:?}"));
            if let Some(code) = answer["recovery_code"].as_str() {
                scene.alice().recovers(&scene.alice().logs_in(), code).granted();
            }
        }
    }
}

#[test]
fn a_redemption_that_fails_twice_costs_nothing_and_is_done_at_most_once() {
    use BatchFault::{AfterCommit, BeforeCommit, None};
    for way in WAYS {
        for (first, second, done) in [
            (BeforeCommit, BeforeCommit, false),
            (BeforeCommit, AfterCommit, true),
            (AfterCommit, BeforeCommit, true),
            (AfterCommit, AfterCommit, true),
        ] {
            let scene = Scene::new(way);
            for fault in [None, first, second] {
                scene.service.world.fail_batch(fault);
            }
            let what = format!("{first:?}, {second:?}");
            scene.send().is_refused(503, UNAVAILABLE);
            scene.nothing_more_is_charged(&what);
            assert_eq!(scene.is_redeemed(), done, "{way:?} {what}");
            if done {
                scene.is_done_once(&what);
            } else {
                scene.send().granted();
                scene.nothing_more_is_charged(&what);
                scene.is_done_once(&what);
            }
        }
    }
}

#[test]
fn a_refund_that_fails_as_well_leaves_one_charge_and_a_line_in_the_log() {
    for way in WAYS {
        let scene = Scene::new(way);
        scene.service.world.fail_batch(BatchFault::AfterCommit);
        scene.service.world.fail_batch(BatchFault::BeforeCommit);
        scene.send().is_refused(503, UNAVAILABLE);
        let both = scene.service.charged_seconds(GUESSES) + scene.service.charged_seconds(RECOVERY_GUESSES);
        assert_eq!(both, 3 * ONE_GUESS, "{way:?}");
        assert!(scene.service.world.log_text().contains("\"event\":\"refund_failed\""));
    }
}

#[test]
fn a_charge_that_may_not_have_been_made_is_given_back_to_nobody_else() {
    let scene = Scene::new(Way::VerifyApp);
    let (service, alice) = (&scene.service, scene.alice());
    // The failed charge left no trace, and the last one that did was another request's.
    service.world.fail_batch(BatchFault::BeforeCommit);
    scene.send().is_refused(503, UNAVAILABLE);
    assert_eq!(service.charged_seconds(GUESSES), ONE_GUESS);
    alice.enters_otp(&alice.logs_in(), "x").is_refused(403, super::INVALID_OTP);
    assert_eq!(service.charged_seconds(GUESSES), 2 * ONE_GUESS);
}

#[test]
fn a_signature_that_fails_costs_nothing_and_consumes_nothing() {
    for way in WAYS {
        let scene = Scene::new(way);
        scene.service.world.break_signing(true);
        scene.send().is_refused(503, UNAVAILABLE);
        scene.nothing_more_is_charged("signing");
        assert!(!scene.is_redeemed());
        scene.service.world.break_signing(false);
        scene.send().granted();
        scene.is_done_once("signing");
    }
}

#[test]
fn whichever_draw_of_randomness_fails_nothing_is_charged_or_consumed() {
    for way in WAYS {
        let mut draws = 0;
        loop {
            let scene = Scene::new(way);
            scene.service.world.break_random_after(draws);
            let answer = scene.send();
            if answer.succeeded() {
                break;
            }
            answer.is_refused(503, UNAVAILABLE);
            scene.nothing_more_is_charged(&format!("draw {draws}"));
            assert!(!scene.is_redeemed());
            scene.service.world.break_random(false);
            scene.send().granted();
            draws += 1;
        }
        // An attempt's id and a token's at least.
        assert!(draws >= 2, "{way:?}");
    }
}

#[test]
fn faults_are_logged_with_the_requests_id_and_told_neutrally() {
    let scene = Scene::new(Way::VerifyApp);
    scene.service.world.fail_batch(BatchFault::BeforeCommit);
    let answer = scene.send();
    assert_eq!(answer.json()["error"], "temporarily_unavailable");
    assert!(!answer.text.contains("purpose"));
    let line = scene.service.world.events("request_failed").pop().unwrap();
    assert_eq!(line["request"], "request-1");
    assert_eq!(line["reason"], "storage");
    assert!(line["detail"].as_str().unwrap().contains("network connection lost"));
}
