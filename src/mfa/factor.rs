//! The factors that exist, the ids of authenticators, and which factors an operator has switched on.

use super::region::Allowed;
use crate::json::{self, Json, Member};

/// What an authenticator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An app with time-based one-time passwords.
    Totp,
    /// Codes by SMS.
    Sms,
    /// Codes by phone call.
    Voice,
    /// Codes by e-mail.
    Email,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Totp, Self::Sms, Self::Voice, Self::Email];

    /// The word that ids begin with and the database holds.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Sms => "sms",
            Self::Voice => "voice",
            Self::Email => "email",
        }
    }

    /// What `FACTORS` calls it, and events do.
    #[must_use]
    pub const fn factor(self) -> &'static str {
        match self {
            Self::Totp => "otp",
            Self::Sms | Self::Voice | Self::Email => self.as_str(),
        }
    }

    /// Reads [`Kind::as_str`] back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// `authenticator_type` on the wire.
    #[must_use]
    pub const fn authenticator_type(self) -> &'static str {
        match self {
            Self::Totp => "otp",
            Self::Sms | Self::Voice | Self::Email => "oob",
        }
    }

    /// `oob_channel` on the wire, of the kinds that have one.
    #[must_use]
    pub const fn oob_channel(self) -> Option<&'static str> {
        match self {
            Self::Totp => None,
            Self::Sms | Self::Voice | Self::Email => Some(self.as_str()),
        }
    }

    /// `type` on the wire, by which SDKs filter lists and read `mfa_requirements`.
    #[must_use]
    pub const fn factor_type(self) -> &'static str {
        match self {
            Self::Totp => "otp",
            Self::Sms | Self::Voice => "phone",
            Self::Email => "email",
        }
    }

    /// What stands for it in a token's `amr`: RFC 8176 where that has a word, `email` of our own.
    #[must_use]
    pub const fn amr(self) -> &'static str {
        match self {
            Self::Totp => "otp",
            Self::Sms => "sms",
            Self::Voice => "tel",
            Self::Email => "email",
        }
    }

    /// Whether it makes a user enrolled and satisfies a demand for MFA. E-mail does neither alone: whoever reads a
    /// person's mail can often reset the password too, so the second factor would not be a second one.
    #[must_use]
    pub const fn is_independent(self) -> bool {
        !matches!(self, Self::Email)
    }
}

/// An authenticator's id, `{kind}|dev_` and 16 characters of `[A-Za-z0-9]`. An enrollment has it from the start and
/// keeps it when confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AuthenticatorId {
    kind: Kind,
    written: String,
}

impl AuthenticatorId {
    /// A new id of `kind`.
    #[must_use]
    pub fn generate(kind: Kind, random: [u8; 32]) -> Self {
        Self { kind, written: [kind.as_str(), "|", &device(random)].concat() }
    }

    /// Reads an id as clients and the database write it.
    #[must_use]
    pub fn parse(written: &str) -> Option<Self> {
        let (kind, rest) = written.split_once('|')?;
        let kind = Kind::parse(kind)?;
        is_device(rest).then(|| Self { kind, written: written.to_owned() })
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// What it is the id of.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The id under which the same phone number is reached by the other of SMS and voice: one number is two
    /// authenticators with one suffix.
    #[must_use]
    pub fn twin(&self) -> Option<Self> {
        let kind = match self.kind {
            Kind::Sms => Kind::Voice,
            Kind::Voice => Kind::Sms,
            Kind::Totp | Kind::Email => return None,
        };
        let (_, device) = self.written.split_once('|')?;
        Some(Self { kind, written: format!("{}|{device}", kind.as_str()) })
    }
}

/// A recovery code's id, `recovery-code|dev_` and 16 characters of `[A-Za-z0-9]`: lists show the code as an
/// authenticator.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecoveryCodeId(String);

impl RecoveryCodeId {
    /// A new id.
    #[must_use]
    pub fn generate(random: [u8; 32]) -> Self {
        Self(["recovery-code|", &device(random)].concat())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Characters after `dev_`.
const DEVICE_CHARACTERS: usize = 16;

/// `dev_` and 16 characters, eight from each half of `random`.
///
/// Each half is a 128-bit number, its characters the lowest eight digits to base 62. 62^8 does not divide 2^128, so
/// the probability of an id differs from the uniform one by less than one part in 2^80.
fn device(random: [u8; 32]) -> String {
    /// 62^8.
    const DEVICES: u64 = 218_340_105_584_896;
    let (halves, _) = random.as_chunks::<16>();
    let mut device = String::with_capacity("dev_".len().saturating_add(DEVICE_CHARACTERS));
    device.push_str("dev_");
    for half in halves {
        // The remainder digit by digit, as on paper: 128-bit arithmetic is long code in wasm.
        let mut number = half.iter().fold(0, |rest, byte| ((rest << 8) | u64::from(*byte)) % DEVICES);
        for _ in 0..8 {
            device.push(base_62_digit((number % 62) as u8));
            number /= 62;
        }
    }
    device
}

fn base_62_digit(value: u8) -> char {
    char::from(match value {
        0..=25 => b'A'.wrapping_add(value),
        26..=51 => b'a'.wrapping_add(value.wrapping_sub(26)),
        _ => b'0'.wrapping_add(value.wrapping_sub(52)),
    })
}

fn is_device(text: &str) -> bool {
    text.strip_prefix("dev_").is_some_and(|characters| {
        characters.len() == DEVICE_CHARACTERS && characters.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// How many messages one user, and one number or address, may be sent: a token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageLimit {
    /// How many at once, when none has been sent for long.
    pub burst: i64,
    /// How many more for each hour that passes.
    pub per_hour: i64,
}

/// `FACTORS`: which factors are switched on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factors {
    /// Authenticator apps.
    pub otp: bool,
    /// SMS, and what may be sent. SMS and voice draw on one budget, because both cost money at the same number.
    pub sms: Option<MessageLimit>,
    /// Phone calls, and what may be sent.
    pub voice: Option<MessageLimit>,
    /// E-mail, and what may be sent.
    pub email: Option<MessageLimit>,
    /// Whether enrolling gives a recovery code.
    pub recovery_code: bool,
    /// Where text messages are sent to.
    pub sms_regions: Allowed,
    /// Where calls go to.
    pub voice_regions: Allowed,
    /// Kinds that are used by those who have one, and that nobody adds any more.
    pub closed: Vec<Kind>,
}

/// The default for SMS and voice.
const PHONE_LIMIT: MessageLimit = MessageLimit { burst: 10, per_hour: 1 };

/// The default for e-mail.
const EMAIL_LIMIT: MessageLimit = MessageLimit { burst: 20, per_hour: 60 };

/// The setting that says where messages go.
const REGIONS: &str = "calling_codes";

/// The setting that closes a factor for those who have none: `"enroll": false`.
const ENROLL: &str = "enroll";

/// Most messages at once, so that sums of times stay far from their type's end.
const MAXIMUM_BURST: i64 = 1_000_000;

/// Most messages an hour: one a second, the resolution of time here.
const MAXIMUM_PER_HOUR: i64 = 3600;

impl Default for Factors {
    /// Everything on.
    fn default() -> Self {
        Self {
            otp: true,
            sms: Some(PHONE_LIMIT),
            voice: Some(PHONE_LIMIT),
            email: Some(EMAIL_LIMIT),
            recovery_code: true,
            sms_regions: Allowed::Usual,
            voice_regions: Allowed::Usual,
            closed: Vec::new(),
        }
    }
}

impl Factors {
    /// Reads the variable: a JSON object with a member for each factor that is on, whose value is an object of its
    /// limits. A limit left out has its default, a factor left out is off. Without the variable everything is on.
    ///
    /// # Errors
    /// What is wrong and what would be right, as a sentence whose subject is the variable.
    pub fn parse(json: Option<&str>) -> Result<Self, String> {
        let Some(json) = json else { return Ok(Self::default()) };
        let written = json::settings(json, r#"{"otp":{},"recovery-code":{}}"#)?;
        let mut factors =
            Self { otp: false, sms: None, voice: None, email: None, recovery_code: false, ..Self::default() };
        for (name, settings) in &written {
            let kind = match &**name {
                "otp" => {
                    factors.otp = switched_on(name, settings)?;
                    Kind::Totp
                }
                "sms" => {
                    factors.sms = Some(message_limit(name, settings, PHONE_LIMIT)?);
                    factors.sms_regions = regions(name, settings)?;
                    Kind::Sms
                }
                "voice" => {
                    factors.voice = Some(message_limit(name, settings, PHONE_LIMIT)?);
                    factors.voice_regions = regions(name, settings)?;
                    Kind::Voice
                }
                "email" => {
                    factors.email = Some(message_limit(name, settings, EMAIL_LIMIT)?);
                    Kind::Email
                }
                "recovery-code" => {
                    factors.recovery_code = without_settings(name, settings)?;
                    continue;
                }
                _ => {
                    return Err(format!(
                        "has the unknown factor {name:?}; known are otp, sms, voice, email and recovery-code."
                    ));
                }
            };
            if is_closed(name, settings)? {
                factors.closed.push(kind);
            }
        }
        if !Kind::ALL.into_iter().any(|kind| factors.is_on(kind)) {
            return Err(
                "switches no factor on; at least one of otp, sms, voice and email is needed.".to_owned()
            );
        }
        Ok(factors)
    }

    /// The same without what `names` leave out; an empty list leaves nothing out.
    #[must_use]
    pub fn narrowed_to(&self, names: &[String]) -> Self {
        let named = |name: &str| names.is_empty() || names.iter().any(|own| own == name);
        Self {
            otp: self.otp && named("otp"),
            sms: self.sms.filter(|_| named("sms")),
            voice: self.voice.filter(|_| named("voice")),
            email: self.email.filter(|_| named("email")),
            recovery_code: self.recovery_code && named("recovery-code"),
            sms_regions: self.sms_regions.clone(),
            voice_regions: self.voice_regions.clone(),
            closed: self.closed.clone(),
        }
    }

    /// Where messages of this kind are sent to, if they go to numbers.
    #[must_use]
    pub const fn regions(&self, kind: Kind) -> Option<&Allowed> {
        match kind {
            Kind::Sms => Some(&self.sms_regions),
            Kind::Voice => Some(&self.voice_regions),
            Kind::Totp | Kind::Email => None,
        }
    }

    /// Whether authenticators of `kind` may be used, and added unless they are `closed`.
    #[must_use]
    pub const fn is_on(&self, kind: Kind) -> bool {
        match kind {
            Kind::Totp => self.otp,
            Kind::Sms | Kind::Voice | Kind::Email => self.message_limit(kind).is_some(),
        }
    }

    /// What may be sent for `kind`, if it is on and sends messages.
    #[must_use]
    pub const fn message_limit(&self, kind: Kind) -> Option<MessageLimit> {
        match kind {
            Kind::Totp => None,
            Kind::Sms => self.sms,
            Kind::Voice => self.voice,
            Kind::Email => self.email,
        }
    }
}

/// A factor that is switched on by an empty object.
fn without_settings(name: &str, settings: &Json<'_>) -> Result<bool, String> {
    match object(name, settings)?.first() {
        None => Ok(true),
        Some((setting, _)) => {
            Err(format!("gives {name} the unknown setting {setting:?}; it has none, write {{}}."))
        }
    }
}

/// A factor that has no limits.
fn switched_on(name: &str, settings: &Json<'_>) -> Result<bool, String> {
    match object(name, settings)?.iter().find(|(setting, _)| setting != ENROLL) {
        None => Ok(true),
        Some((setting, _)) => {
            Err(format!("gives {name} the unknown setting {setting:?}; known is {ENROLL}."))
        }
    }
}

/// Where a factor's messages go: `"calling_codes"`.
fn regions(name: &str, settings: &Json<'_>) -> Result<Allowed, String> {
    match settings.member(REGIONS) {
        None => Ok(Allowed::Usual),
        Some(Json::Text(all)) if all == "all" => Ok(Allowed::All),
        Some(listed) => {
            let listed = listed.as_texts().filter(|listed| !listed.is_empty()).ok_or_else(|| {
                format!(r#"gives {name} {REGIONS} that are neither a list, such as ["1","44"], nor "all"."#)
            })?;
            Allowed::only(&listed)
                .map_err(|wrong| format!("gives {name} the calling code {wrong:?}, which is no region's."))
        }
    }
}

/// Whether nobody may add the factor any more.
fn is_closed(name: &str, settings: &Json<'_>) -> Result<bool, String> {
    match settings.member(ENROLL) {
        None | Some(Json::Bool(true)) => Ok(false),
        Some(Json::Bool(false)) => Ok(true),
        Some(_) => Err(format!("gives {name} an {ENROLL} that is neither true nor false.")),
    }
}

fn message_limit(name: &str, settings: &Json<'_>, default: MessageLimit) -> Result<MessageLimit, String> {
    let mut limit = default;
    for (setting, value) in object(name, settings)? {
        match &**setting {
            "burst" => limit.burst = whole_number(name, setting, value, MAXIMUM_BURST)?,
            "per_hour" => limit.per_hour = whole_number(name, setting, value, MAXIMUM_PER_HOUR)?,
            ENROLL => {}
            REGIONS if name != "email" => {}
            _ => {
                return Err(format!(
                    "gives {name} the unknown setting {setting:?}; known are burst, per_hour, {REGIONS} and {ENROLL}."
                ));
            }
        }
    }
    Ok(limit)
}

fn object<'a>(name: &str, settings: &'a Json<'a>) -> Result<&'a [Member<'a>], String> {
    settings.as_object().ok_or_else(|| {
        format!(
            "gives {name} something else than an object; write {{}}, or leave {name} out to switch it off."
        )
    })
}

fn whole_number(name: &str, setting: &str, value: &Json<'_>, maximum: i64) -> Result<i64, String> {
    value
        .as_integer()
        .filter(|number| (1..=maximum).contains(number))
        .ok_or_else(|| format!("gives {name} a {setting} that is not a whole number from 1 to {maximum}."))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_kind_has_its_words_on_the_wire() {
        let words = Kind::ALL.map(|kind| {
            let (channel, method) = (kind.oob_channel(), kind.amr());
            (kind.as_str(), kind.factor(), kind.authenticator_type(), channel, method, kind.is_independent())
        });
        assert_eq!(
            words,
            [
                ("totp", "otp", "otp", None, "otp", true),
                ("sms", "sms", "oob", Some("sms"), "sms", true),
                ("voice", "voice", "oob", Some("voice"), "tel", true),
                ("email", "email", "oob", Some("email"), "email", false),
            ]
        );
    }

    #[test]
    fn words_read_back_to_their_kind_and_other_words_to_none() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        }
        for word in ["", "otp", "oob", "auth0", "TOTP", "sms ", "tel", "push", "recovery-code"] {
            assert_eq!(Kind::parse(word), None, "{word}");
        }
    }

    fn seeded(seed: u64) -> [u8; 32] {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
        std::array::from_fn(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()[0]
        })
    }

    #[test]
    fn generated_ids_have_the_form_and_read_back() {
        let mut seen = HashSet::new();
        for seed in 0..2000 {
            for kind in Kind::ALL {
                let id = AuthenticatorId::generate(kind, seeded(seed));
                let characters =
                    id.as_str().strip_prefix(kind.as_str()).and_then(|rest| rest.strip_prefix("|dev_"));
                let characters = characters.expect("prefix");
                assert!(
                    characters.len() == 16 && characters.bytes().all(|byte| byte.is_ascii_alphanumeric())
                );
                assert_eq!(AuthenticatorId::parse(id.as_str()), Some(id.clone()));
                assert_eq!(id.kind(), kind);
                assert!(seen.insert(id.as_str().to_owned()));
            }
            let id = RecoveryCodeId::generate(seeded(seed));
            assert!(id.as_str().strip_prefix("recovery-code|").is_some_and(is_device), "{id:?}");
            assert!(seen.insert(id.as_str().to_owned()));
        }
    }

    #[test]
    fn known_bytes_give_a_known_id() {
        assert_eq!(AuthenticatorId::generate(Kind::Totp, [0; 32]).as_str(), "totp|dev_AAAAAAAAAAAAAAAA");
        let mut random = [0; 32];
        // 61 + 62 * 52 in the first half, 26 in the second.
        random[14..16].copy_from_slice(&3285_u16.to_be_bytes());
        random[31] = 26;
        assert_eq!(AuthenticatorId::generate(Kind::Sms, random).as_str(), "sms|dev_90AAAAAAaAAAAAAA");
        assert_eq!(RecoveryCodeId::generate(random).as_str(), "recovery-code|dev_90AAAAAAaAAAAAAA");
    }

    #[test]
    fn every_character_occurs_at_every_place_about_equally_often() {
        let mut counts = [[0_u32; 128]; 16];
        let rounds = 62_000;
        for seed in 0..rounds {
            for (place, byte) in device(seeded(seed)).bytes().skip(4).enumerate() {
                counts[place][usize::from(byte)] += 1;
            }
        }
        for place in counts {
            let occurring: Vec<_> = place.into_iter().filter(|count| *count > 0).collect();
            assert_eq!(occurring.len(), 62);
            // A thousand each on average; five standard deviations to either side.
            assert!(occurring.iter().all(|count| (840..1160).contains(count)), "{occurring:?}");
        }
    }

    #[test]
    fn the_digits_are_62_different_characters() {
        let digits: HashSet<_> = (0..62).map(base_62_digit).collect();
        assert_eq!(digits.len(), 62);
        assert!(digits.iter().all(char::is_ascii_alphanumeric));
    }

    #[test]
    fn other_texts_are_no_ids() {
        for written in [
            "",
            "|",
            "totp",
            "totp|",
            "totp|dev_",
            "totp|dev_AAAAAAAAAAAAAAA",
            "totp|dev_AAAAAAAAAAAAAAAAA",
            "totp|dev_AAAAAAAAAAAAAAA-",
            "totp|dev_AAAAAAAAAAAAAAA\u{e9}",
            "totp|dev_AAAAAAAAAAAAAA\u{e9}",
            "totp|dev-AAAAAAAAAAAAAAAA",
            "totp|AAAAAAAAAAAAAAAA",
            "totp%7Cdev_AAAAAAAAAAAAAAAA",
            "TOTP|dev_AAAAAAAAAAAAAAAA",
            "push|dev_AAAAAAAAAAAAAAAA",
            "recovery-code|dev_AAAAAAAAAAAAAAAA",
            " totp|dev_AAAAAAAAAAAAAAAA",
            "totp|dev_AAAAAAAAAAAAAAAA ",
            "totp||dev_AAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(AuthenticatorId::parse(written), None, "{written:?}");
        }
    }

    #[test]
    fn without_the_variable_everything_is_on() {
        let written = r#"{"otp":{}, "sms":{"burst":10,"per_hour":1}, "voice":{"burst":10,"per_hour":1},
            "email":{"burst":20,"per_hour":60}, "recovery-code":{}}"#;
        assert_eq!(Factors::parse(None), Ok(Factors::default()));
        assert_eq!(Factors::parse(Some(written)), Ok(Factors::default()));
        assert!(Kind::ALL.into_iter().all(|kind| Factors::default().is_on(kind)));
    }

    #[test]
    fn a_factor_left_out_is_off_and_a_limit_left_out_has_its_default() {
        let factors = Factors::parse(Some(r#"{"sms":{},"email":{"burst":3}}"#)).expect("valid");
        assert_eq!(
            factors,
            Factors {
                otp: false,
                sms: Some(MessageLimit { burst: 10, per_hour: 1 }),
                voice: None,
                email: Some(MessageLimit { burst: 3, per_hour: 60 }),
                recovery_code: false,
                ..Factors::default()
            }
        );
        assert_eq!(Kind::ALL.map(|kind| factors.is_on(kind)), [false, true, false, true]);
        assert_eq!(factors.message_limit(Kind::Totp), None);
        assert_eq!(factors.message_limit(Kind::Sms), Some(MessageLimit { burst: 10, per_hour: 1 }));
    }

    #[test]
    fn where_messages_go_is_said_for_each_channel() {
        let parse = |json: &str| Factors::parse(Some(json));
        let factors = parse(r#"{"sms":{"calling_codes":["1","1876"]},"voice":{"calling_codes":"all"}}"#)
            .expect("valid");
        assert_eq!(factors.regions(Kind::Sms), Allowed::only(&["1", "1876"]).as_ref().ok());
        assert_eq!(factors.regions(Kind::Voice), Some(&Allowed::All));
        assert_eq!(factors.regions(Kind::Email), None);
        assert_eq!(Factors::default().regions(Kind::Sms), Some(&Allowed::Usual));
        for (json, problem) in [
            (
                r#"{"sms":{"calling_codes":"some"}}"#,
                r#"gives sms calling_codes that are neither a list, such as ["1","44"], nor "all"."#,
            ),
            (
                r#"{"sms":{"calling_codes":[]}}"#,
                r#"gives sms calling_codes that are neither a list, such as ["1","44"], nor "all"."#,
            ),
            (
                r#"{"voice":{"calling_codes":["881"]}}"#,
                r#"gives voice the calling code "881", which is no region's."#,
            ),
            (
                r#"{"email":{"calling_codes":["1"]}}"#,
                r#"gives email the unknown setting "calling_codes"; known are burst, per_hour, calling_codes and enroll."#,
            ),
        ] {
            assert_eq!(parse(json), Err(problem.to_owned()), "{json}");
        }
    }

    #[test]
    fn a_factor_can_be_closed_for_those_who_have_none() {
        let factors = Factors::parse(Some(r#"{"otp":{},"sms":{"enroll":false},"email":{"enroll":true}}"#));
        let factors = factors.expect("valid");
        assert!(factors.is_on(Kind::Sms));
        assert_eq!(factors.closed, [Kind::Sms]);
        let factors = Factors::parse(Some(r#"{"otp":{"enroll":false}}"#)).expect("valid");
        assert!(factors.is_on(Kind::Totp));
        assert_eq!(factors.closed, [Kind::Totp]);
    }

    #[test]
    fn a_client_may_have_less_than_everybody_and_never_more() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let all = Factors::default();
        assert_eq!(all.narrowed_to(&[]), all);
        assert_eq!(all.narrowed_to(&names(&["otp", "sms", "voice", "email", "recovery-code"])), all);
        for (name, kind) in
            [("otp", Kind::Totp), ("sms", Kind::Sms), ("voice", Kind::Voice), ("email", Kind::Email)]
        {
            let narrowed = all.narrowed_to(&names(&[name]));
            assert_eq!(Kind::ALL.map(|other| narrowed.is_on(other)), Kind::ALL.map(|other| other == kind));
            assert!(!narrowed.recovery_code);
        }
        assert!(all.narrowed_to(&names(&["recovery-code"])).recovery_code);
        let otp_alone = Factors::parse(Some(r#"{"otp":{}}"#)).expect("valid");
        assert_eq!(otp_alone.narrowed_to(&names(&["otp", "sms", "recovery-code"])), otp_alone);
    }

    #[test]
    fn each_factor_can_be_alone_except_the_recovery_code() {
        for (name, kind) in
            [("otp", Kind::Totp), ("sms", Kind::Sms), ("voice", Kind::Voice), ("email", Kind::Email)]
        {
            let factors = Factors::parse(Some(&format!(r#"{{"{name}":{{}}}}"#))).expect("valid");
            assert_eq!(Kind::ALL.map(|other| factors.is_on(other)), Kind::ALL.map(|other| other == kind));
            assert!(!factors.recovery_code);
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_a_sentence() {
        for (json, problem) in [
            (
                "",
                r#"must be a JSON object, such as {"otp":{},"recovery-code":{}}, but is not JSON at line 1, column 1."#,
            ),
            ("[]", r#"must be a JSON object, such as {"otp":{},"recovery-code":{}}."#),
            (
                "{\n  \"otp\":{}",
                r#"must be a JSON object, such as {"otp":{},"recovery-code":{}}, but is not JSON at line 2, column 11."#,
            ),
            ("{}", "switches no factor on; at least one of otp, sms, voice and email is needed."),
            (
                r#"{"recovery-code":{}}"#,
                "switches no factor on; at least one of otp, sms, voice and email is needed.",
            ),
            (
                r#"{"otp":{},"push":{}}"#,
                r#"has the unknown factor "push"; known are otp, sms, voice, email and recovery-code."#,
            ),
            (
                r#"{"totp":{}}"#,
                r#"has the unknown factor "totp"; known are otp, sms, voice, email and recovery-code."#,
            ),
            (r#"{"otp":{"digits":8}}"#, r#"gives otp the unknown setting "digits"; known is enroll."#),
            (
                r#"{"otp":{},"recovery-code":{"enroll":false}}"#,
                r#"gives recovery-code the unknown setting "enroll"; it has none, write {}."#,
            ),
            (r#"{"otp":{"enroll":0}}"#, "gives otp an enroll that is neither true nor false."),
            (r#"{"sms":{"enroll":"no"}}"#, "gives sms an enroll that is neither true nor false."),
            (
                r#"{"otp":true}"#,
                "gives otp something else than an object; write {}, or leave otp out to switch it off.",
            ),
            (
                r#"{"sms":null}"#,
                "gives sms something else than an object; write {}, or leave sms out to switch it off.",
            ),
            (
                r#"{"sms":{"per_minute":1}}"#,
                r#"gives sms the unknown setting "per_minute"; known are burst, per_hour, calling_codes and enroll."#,
            ),
            (r#"{"sms":{"burst":0}}"#, "gives sms a burst that is not a whole number from 1 to 1000000."),
            (r#"{"sms":{"burst":-1}}"#, "gives sms a burst that is not a whole number from 1 to 1000000."),
            (r#"{"sms":{"burst":1.5}}"#, "gives sms a burst that is not a whole number from 1 to 1000000."),
            (r#"{"sms":{"burst":"9"}}"#, "gives sms a burst that is not a whole number from 1 to 1000000."),
            (
                r#"{"voice":{"burst":1000001}}"#,
                "gives voice a burst that is not a whole number from 1 to 1000000.",
            ),
            (
                r#"{"email":{"per_hour":3601}}"#,
                "gives email a per_hour that is not a whole number from 1 to 3600.",
            ),
            (
                r#"{"email":{"per_hour":99999999999999999999}}"#,
                "gives email a per_hour that is not a whole number from 1 to 3600.",
            ),
        ] {
            assert_eq!(Factors::parse(Some(json)), Err(problem.to_owned()), "{json}");
        }
    }
}
