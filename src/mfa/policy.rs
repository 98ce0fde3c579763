//! When a second factor is demanded, and which ones a person is offered.

use super::factor::Kind;
use crate::json::{self, Json};
use crate::types::Scopes;

/// The value of `acr_values` that asks for MFA whatever the policy says, as step-up requests write it.
pub const MULTI_FACTOR_CLASS: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

/// The operator's `POLICY`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Whether people without a factor have to enroll one, whatever they ask for.
    always: bool,
    /// Audiences for which they have to.
    audiences: Vec<String>,
    /// Scopes for which they have to.
    scopes: Vec<String>,
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
        let Ok(Json::Object(members)) = json::parse(json.as_bytes()) else {
            return Err("must be a JSON object.".to_owned());
        };
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
                (unknown, _) => {
                    return Err(format!(
                        "has the unknown member \"{unknown}\"; it may have \"require\", \"audiences\" and \"scopes\"."
                    ));
                }
            }
        }
        Ok(policy)
    }

    /// Whether a second factor must stand behind the tokens that are asked for.
    #[must_use]
    pub fn demands(&self, asked: &Asked<'_>) -> bool {
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
pub struct Asked<'a> {
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
#[must_use]
pub fn requirements(
    active: &[ActiveFactor],
    has_recovery_code: bool,
    is_available: impl Fn(Kind) -> bool,
) -> Requirements {
    if !active.iter().any(|own| own.kind.is_independent()) {
        // E-mail, and the recovery code beside it, cannot satisfy what is demanded: something has to be enrolled.
        let mut enroll = Vec::new();
        for kind in Kind::ALL.into_iter().filter(|kind| kind.is_independent() && is_available(*kind)) {
            add(&mut enroll, kind.factor_type());
        }
        return Requirements { name: "enroll", types: enroll };
    }
    let mut challenge = Vec::new();
    let usable = |kind: Kind| {
        is_available(kind)
            && active.iter().any(|own| !own.disabled && own.kind.factor_type() == kind.factor_type())
    };
    for kind in Kind::ALL.into_iter().filter(|kind| usable(*kind)) {
        add(&mut challenge, kind.factor_type());
    }
    if [Kind::Sms, Kind::Voice].into_iter().any(usable) {
        add(&mut challenge, "oob");
    }
    if has_recovery_code {
        add(&mut challenge, "recovery-code");
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

fn strings(name: &str, value: &Json) -> Result<Vec<String>, String> {
    let items = value.as_array().map(|items| items.iter().map(|item| item.as_text().map(str::to_owned)));
    items.and_then(Iterator::collect).ok_or_else(|| format!("must have an array of strings as \"{name}\"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(scopes: &Scopes) -> Asked<'_> {
        Asked {
            audience: "https://api.example.com",
            scopes,
            for_mfa_api: false,
            acr_values: None,
            enrolled: false,
            proven: false,
        }
    }

    fn policy(json: &str) -> Policy {
        Policy::parse(Some(json)).unwrap()
    }

    #[test]
    fn by_default_who_has_a_factor_must_use_it_and_nobody_else_is_asked() {
        let scopes = Scopes::parse("read");
        let default = Policy::parse(None).unwrap();
        assert!(!default.demands(&asked(&scopes)));
        assert!(default.demands(&Asked { enrolled: true, ..asked(&scopes) }));
        assert!(!default.demands(&Asked { enrolled: true, proven: true, ..asked(&scopes) }));
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
        assert!(Policy::default().demands(&Asked { acr_values: Some(&values), ..asked(&scopes) }));
        assert!(!Policy::default().demands(&Asked { acr_values: Some("urn:other"), ..asked(&scopes) }));
    }

    #[test]
    fn the_mfa_api_stays_open_to_who_has_nothing_yet_and_to_nobody_else() {
        let scopes = Scopes::parse("enroll");
        let always = policy(r#"{"require":"always"}"#);
        assert!(!always.demands(&Asked { for_mfa_api: true, ..asked(&scopes) }));
        assert!(always.demands(&Asked { for_mfa_api: true, enrolled: true, ..asked(&scopes) }));
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
        let listed = requirements(&all, true, |_| true);
        assert_eq!(listed.name, "challenge");
        assert_eq!(listed.types, ["otp", "phone", "email", "oob", "recovery-code"]);
        assert_eq!(requirements(&[usable(Kind::Totp)], false, |_| true).types, ["otp"]);
        let with_mail = [usable(Kind::Totp), usable(Kind::Email)];
        assert_eq!(requirements(&with_mail, false, |_| true).types, ["otp", "email"]);
        // A number that was enrolled by SMS is reached by voice where SMS is not available.
        assert_eq!(
            requirements(&[usable(Kind::Sms)], false, |kind| kind == Kind::Voice).types,
            ["phone", "oob"]
        );
    }

    #[test]
    fn who_has_nothing_is_offered_what_can_be_enrolled() {
        let listed = requirements(&[], false, |_| true);
        assert_eq!(listed.name, "enroll");
        assert_eq!(listed.types, ["otp", "phone"]);
        assert_eq!(requirements(&[], false, |kind| kind == Kind::Totp).types, ["otp"]);
        // E-mail is nothing in this sense, and neither is the recovery code beside it.
        assert_eq!(requirements(&[usable(Kind::Email)], true, |_| true), listed);
    }

    #[test]
    fn a_disabled_factor_is_not_offered_and_does_not_open_the_door_to_another() {
        let disabled = [ActiveFactor { kind: Kind::Totp, disabled: true }];
        let listed = requirements(&disabled, true, |_| true);
        assert_eq!((listed.name, listed.types), ("challenge", vec!["recovery-code"]));
        let listed = requirements(&disabled, false, |_| true);
        assert_eq!((listed.name, listed.types), ("challenge", vec![]));
    }
}
