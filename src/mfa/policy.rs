//! When a second factor is demanded, and which ones a person is offered.

use super::enrollment::Available;
use super::factor::Kind;
use crate::json::{self, Json};
use crate::types::Scopes;

/// The `acr` of tokens behind which a second factor stands. Among `acr_values` it asks for MFA whatever the policy says,
/// as step-up requests write it.
pub const MULTI_FACTOR_CLASS: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

/// What the lists call a recovery code.
pub const RECOVERY_CODE: &str = "recovery-code";

/// The operator's `POLICY`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Whether people without a factor have to enroll one, whatever they ask for.
    always: bool,
    /// Audiences for which they have to.
    audiences: Vec<String>,
    /// Scopes for which they have to.
    scopes: Vec<String>,
    /// Whether two different factors are demanded where one would be.
    two: bool,
}

impl Policy {
    /// Reads the variable. Without one, whoever has a factor must use it and nobody else is asked.
    ///
    /// # Errors
    /// A sentence of which the variable is the subject.
    pub fn parse(json: Option<&str>) -> Result<Self, String> {
        let Some(json) = json else {
            return Ok(Self::default());
        };
        let members = json::settings(json, r#"{"require":"always"}"#)?;
        let mut policy = Self::default();
        for (name, value) in &members {
            match (name.as_ref(), value.as_text()) {
                ("require", Some("always")) => policy.always = true,
                ("require", Some("when-enrolled")) => policy.always = false,
                ("require", _) => {
                    return Err("must have \"when-enrolled\" or \"always\" as \"require\".".to_owned());
                }
                ("audiences", _) => policy.audiences = strings("audiences", value)?,
                ("scopes", _) => policy.scopes = strings("scopes", value)?,
                ("factors", _) => match value.as_integer() {
                    Some(1) => policy.two = false,
                    Some(2) => policy.two = true,
                    _ => return Err("must have 1 or 2 as \"factors\".".to_owned()),
                },
                (unknown, _) => {
                    return Err(format!(
                        "has the unknown member \"{unknown}\"; it may have \"require\", \"audiences\", \"scopes\" and \
                         \"factors\"."
                    ));
                }
            }
        }
        Ok(policy)
    }

    /// Whether one factor may not be enough.
    #[must_use]
    pub const fn may_demand_two(&self) -> bool {
        self.two
    }

    /// How many second factors must stand behind the tokens that are asked for.
    #[must_use]
    pub fn demanded(&self, asked: &TokenRequest<'_>) -> usize {
        match (self.demands(asked), self.two) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 2,
        }
    }

    fn demands(&self, asked: &TokenRequest<'_>) -> bool {
        if asked.proven {
            return false;
        }
        if asked.enrolled {
            return true;
        }
        // The MFA API itself stays open to who has nothing yet, or nobody could enroll.
        if asked.for_mfa_api {
            return false;
        }
        let steps_up = asked
            .acr_values
            .is_some_and(|values| values.split_ascii_whitespace().any(|v| v == MULTI_FACTOR_CLASS));
        self.always
            || steps_up
            || self.audiences.iter().any(|audience| audience == asked.audience)
            || self.scopes.iter().any(|scope| asked.scopes.contains(scope))
    }
}

/// What is asked for, and by whom.
#[derive(Debug, Clone, Copy)]
pub struct TokenRequest<'a> {
    /// The audience of the access token.
    pub audience: &'a str,
    /// Its scopes.
    pub scopes: &'a Scopes,
    /// Whether the audience is the MFA API.
    pub for_mfa_api: bool,
    /// `acr_values`.
    pub acr_values: Option<&'a str>,
    /// Whether the user has an active independent factor, usable or disabled.
    pub enrolled: bool,
    /// Whether the subject token says that a second factor was used.
    pub proven: bool,
}

/// An active factor of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveFactor {
    /// What it is.
    pub kind: Kind,
    /// Whether too many wrong codes have disabled it.
    pub disabled: bool,
}

/// `mfa_requirements`: what the person can be challenged with, else what they can enroll. Types in the vocabulary of
/// the lists; `oob` stands beside them where a code by message qualifies, for an SDK that compares challenge types.
/// What the login has `used` is in neither.
#[must_use]
pub fn requirements(
    active: &[ActiveFactor],
    used: &[String],
    has_recovery_code: bool,
    available: &Available,
) -> Requirements {
    let is_unused = |kind: Kind| !used.iter().any(|own| own == kind.factor_type());
    if !active.iter().any(|own| own.kind.is_independent() && is_unused(own.kind)) {
        // E-mail, and the recovery code beside it, cannot satisfy what is demanded: something has to be enrolled.
        let mut enroll = Vec::new();
        for kind in Kind::ALL {
            if kind.is_independent() && is_unused(kind) && available.to_enroll(kind) {
                add(&mut enroll, kind.factor_type());
            }
        }
        return Requirements { name: "enroll", types: enroll };
    }
    let mut challenge = Vec::new();
    let usable = |kind: Kind| {
        available.kind(kind)
            && is_unused(kind)
            && active.iter().any(|own| !own.disabled && own.kind.factor_type() == kind.factor_type())
    };
    for kind in Kind::ALL.into_iter().filter(|kind| usable(*kind)) {
        add(&mut challenge, kind.factor_type());
    }
    if [Kind::Sms, Kind::Voice].into_iter().any(usable) {
        add(&mut challenge, "oob");
    }
    if has_recovery_code && !used.iter().any(|own| own == RECOVERY_CODE) {
        add(&mut challenge, RECOVERY_CODE);
    }
    Requirements { name: "challenge", types: challenge }
}

/// One of the two lists of `mfa_requirements`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirements {
    /// `challenge` or `enroll`.
    pub name: &'static str,
    /// The types.
    pub types: Vec<&'static str>,
}

fn add(types: &mut Vec<&'static str>, name: &'static str) {
    if !types.contains(&name) {
        types.push(name);
    }
}

fn strings(name: &str, value: &Json<'_>) -> Result<Vec<String>, String> {
    let items = value.as_array().map(|items| items.iter().map(|item| item.as_text().map(str::to_owned)));
    items.and_then(Iterator::collect).ok_or_else(|| format!("must have an array of strings as \"{name}\"."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mfa::factor::Factors;

    fn asked(scopes: &Scopes) -> TokenRequest<'_> {
        TokenRequest {
            audience: "https://api.example.com",
            scopes,
            for_mfa_api: false,
            acr_values: None,
            enrolled: false,
            proven: false,
        }
    }

    fn available(kinds: impl Fn(Kind) -> bool) -> Available {
        let names: Vec<_> =
            [("otp", Kind::Totp), ("sms", Kind::Sms), ("voice", Kind::Voice), ("email", Kind::Email)]
                .into_iter()
                .filter(|(_, kind)| kinds(*kind))
                .map(|(name, _)| name.to_owned())
                .collect();
        Available { factors: Factors::default().narrowed_to(&names), carried: [true; 3] }
    }

    fn listed(active: &[ActiveFactor], recovery: bool, kinds: impl Fn(Kind) -> bool) -> Requirements {
        requirements(active, &[], recovery, &available(kinds))
    }

    fn policy(json: &str) -> Policy {
        Policy::parse(Some(json)).unwrap()
    }

    #[test]
    fn by_default_who_has_a_factor_must_use_it_and_nobody_else_is_asked() {
        let scopes = Scopes::parse("read");
        let default = Policy::parse(None).unwrap();
        assert!(!default.demands(&asked(&scopes)));
        assert!(default.demands(&TokenRequest { enrolled: true, ..asked(&scopes) }));
        assert!(!default.demands(&TokenRequest { enrolled: true, proven: true, ..asked(&scopes) }));
        assert_eq!(policy(r#"{"require":"when-enrolled"}"#), default);
    }

    #[test]
    fn everybody_some_audiences_or_some_scopes_may_need_a_factor() {
        let scopes = Scopes::parse("read pay");
        assert!(policy(r#"{"require":"always"}"#).demands(&asked(&scopes)));
        assert!(policy(r#"{"audiences":["https://api.example.com"]}"#).demands(&asked(&scopes)));
        assert!(!policy(r#"{"audiences":["https://other.example.com"]}"#).demands(&asked(&scopes)));
        assert!(policy(r#"{"scopes":["pay"]}"#).demands(&asked(&scopes)));
        assert!(!policy(r#"{"scopes":["delete"]}"#).demands(&asked(&scopes)));
    }

    #[test]
    fn a_step_up_is_asked_for_by_its_class() {
        let scopes = Scopes::default();
        let values = format!("urn:other {MULTI_FACTOR_CLASS}");
        assert!(Policy::default().demands(&TokenRequest { acr_values: Some(&values), ..asked(&scopes) }));
        assert!(
            !Policy::default().demands(&TokenRequest { acr_values: Some("urn:other"), ..asked(&scopes) })
        );
    }

    #[test]
    fn the_mfa_api_stays_open_to_who_has_nothing_yet_and_to_nobody_else() {
        let scopes = Scopes::parse("enroll");
        let always = policy(r#"{"require":"always"}"#);
        assert!(!always.demands(&TokenRequest { for_mfa_api: true, ..asked(&scopes) }));
        assert!(always.demands(&TokenRequest { for_mfa_api: true, enrolled: true, ..asked(&scopes) }));
    }

    #[test]
    fn two_factors_are_demanded_where_one_would_be_and_nowhere_else() {
        let scopes = Scopes::parse("read");
        let two = policy(r#"{"factors":2}"#);
        assert_eq!(two.demanded(&asked(&scopes)), 0);
        assert_eq!(two.demanded(&TokenRequest { enrolled: true, ..asked(&scopes) }), 2);
        assert_eq!(two.demanded(&TokenRequest { enrolled: true, proven: true, ..asked(&scopes) }), 0);
        assert_eq!(
            policy(r#"{"factors":1}"#).demanded(&TokenRequest { enrolled: true, ..asked(&scopes) }),
            1
        );
        assert_eq!(policy(r#"{"require":"always","factors":2}"#).demanded(&asked(&scopes)), 2);
        assert_eq!(Policy::default().demanded(&TokenRequest { enrolled: true, ..asked(&scopes) }), 1);
        assert!(two.may_demand_two() && !Policy::default().may_demand_two());
    }

    #[test]
    fn a_flawed_policy_is_explained() {
        for (json, part) in [
            ("[]", "JSON object"),
            (r#"{"require":"never"}"#, "when-enrolled"),
            (r#"{"require":true}"#, "when-enrolled"),
            (r#"{"scopes":"pay"}"#, "array of strings"),
            (r#"{"audiences":[1]}"#, "array of strings"),
            (r#"{"demand":"always"}"#, "demand"),
            (r#"{"factors":3}"#, "1 or 2"),
            (r#"{"factors":0}"#, "1 or 2"),
            (r#"{"factors":"2"}"#, "1 or 2"),
        ] {
            assert!(Policy::parse(Some(json)).unwrap_err().contains(part), "{json}");
        }
    }

    const fn usable(kind: Kind) -> ActiveFactor {
        ActiveFactor { kind, disabled: false }
    }

    #[test]
    fn what_can_be_challenged_is_listed_in_the_words_of_the_lists() {
        let all = [usable(Kind::Totp), usable(Kind::Sms), usable(Kind::Email)];
        let answer = listed(&all, true, |_| true);
        assert_eq!(answer.name, "challenge");
        assert_eq!(answer.types, ["otp", "phone", "email", "oob", "recovery-code"]);
        assert_eq!(listed(&[usable(Kind::Totp)], false, |_| true).types, ["otp"]);
        let with_mail = [usable(Kind::Totp), usable(Kind::Email)];
        assert_eq!(listed(&with_mail, false, |_| true).types, ["otp", "email"]);
        // A number that was enrolled by SMS is reached by voice where SMS is not available.
        assert_eq!(listed(&[usable(Kind::Sms)], false, |kind| kind == Kind::Voice).types, ["phone", "oob"]);
    }

    #[test]
    fn who_has_nothing_is_offered_what_can_be_enrolled() {
        let answer = listed(&[], false, |_| true);
        assert_eq!(answer.name, "enroll");
        assert_eq!(answer.types, ["otp", "phone"]);
        assert_eq!(listed(&[], false, |kind| kind == Kind::Totp).types, ["otp"]);
        // E-mail is nothing in this sense, and neither is the recovery code beside it.
        assert_eq!(listed(&[usable(Kind::Email)], true, |_| true), answer);
    }

    #[test]
    fn a_disabled_factor_is_not_offered_and_does_not_open_the_door_to_another() {
        let disabled = [ActiveFactor { kind: Kind::Totp, disabled: true }];
        let answer = listed(&disabled, true, |_| true);
        assert_eq!((answer.name, answer.types), ("challenge", vec!["recovery-code"]));
        let answer = listed(&disabled, false, |_| true);
        assert_eq!((answer.name, answer.types), ("challenge", vec![]));
    }

    #[test]
    fn what_a_login_has_used_is_not_asked_for_again() {
        let used = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let all = available(|_| true);
        let active = [usable(Kind::Totp), usable(Kind::Sms), usable(Kind::Email)];
        let after = |names: &[&str]| requirements(&active, &used(names), true, &all);
        assert_eq!(after(&["otp"]).types, ["phone", "email", "oob", "recovery-code"]);
        assert_eq!(after(&["phone"]).types, ["otp", "email", "recovery-code"]);
        assert_eq!(after(&["recovery-code"]).types, ["otp", "phone", "email", "oob"]);
        let answer = after(&["otp", "phone"]);
        assert_eq!((answer.name, answer.types), ("enroll", vec![]));
        let answer = requirements(&[usable(Kind::Totp)], &used(&["otp"]), true, &all);
        assert_eq!((answer.name, answer.types), ("enroll", vec!["phone"]));
    }

    #[test]
    fn what_is_closed_is_not_offered_to_who_has_none() {
        let factors = Factors { closed: vec![Kind::Totp], ..Factors::default() };
        let available = Available { factors, carried: [true; 3] };
        assert_eq!(requirements(&[], &[], false, &available).types, ["phone"]);
        assert_eq!(requirements(&[usable(Kind::Totp)], &[], false, &available).types, ["otp"]);
    }
}
