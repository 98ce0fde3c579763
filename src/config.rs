//! Configuration: one name each, checked at start with an error that names the variable.

mod providers;
mod reading;

use std::rc::Rc;

use self::reading::Reading;
use crate::delivery::providers::Providers;
use crate::delivery::routing::Routes;
use crate::delivery::words;
use crate::mfa::factor::Factors;
use crate::mfa::language;
use crate::mfa::notice::NoticeChannels;
use crate::mfa::policy::Policy;
use crate::mfa::sending::SendingLimits;
use crate::mfa::test_recipient::{Fate, TestRecipients};
use crate::storage::keyring::Keyring;
use crate::trust::http_url::HttpUrl;
use crate::trust::issuer::{self, TrustedIssuer};
use crate::trust::signing_keys::SigningKeys;

/// `ACCESS_TOKEN_SECONDS` where it is left out, and its bounds.
const DEFAULT_ACCESS_TOKEN_SECONDS: i64 = 3600;
const MINIMUM_ACCESS_TOKEN_SECONDS: i64 = 60;
const MAXIMUM_ACCESS_TOKEN_SECONDS: i64 = 86_400;

/// Authenticator apps have little room.
const MAXIMUM_TENANT_NAME: usize = 64;

/// Everything an operator sets, parsed and checked.
#[derive(Debug)]
pub struct Config {
    /// `PUBLIC_URL` without a trailing slash, e.g. `https://mfa.example.com`.
    pub public_url: String,
    /// `PUBLIC_URL`'s host with its port, as a `Host` header has it.
    pub host: String,
    /// `TENANT_NAME`, what authenticator apps show as issuer (without `:`).
    pub tenant_name: String,
    /// `TRUSTED_ISSUERS`.
    pub trusted_issuers: Vec<Rc<TrustedIssuer>>,
    /// `FACTORS`: what is switched on, with limits.
    pub factors: Factors,
    /// `POLICY`: when a second factor is demanded.
    pub policy: Policy,
    /// `DEFAULT_LANGUAGE`: the tag of the language of whoever has named none that there are words in.
    pub default_language: String,
    /// `NOTICES`: by which channels a person is told of what happens to their account.
    pub notices: NoticeChannels,
    /// `SENDING_LIMITS`: how many messages may be sent.
    pub sending_limits: SendingLimits,
    /// `TEST_RECIPIENTS`: the code of recipients that do not exist, if they are to be let in.
    pub test_recipients: Option<TestRecipients>,
    /// `ENCRYPTION_KEYS`, `ENCRYPTION_KEYS_…` and `ACTIVE_ENCRYPTION_KEYS`.
    pub keyring: Keyring,
    /// `SIGNING_KEY_…` and `ACTIVE_SIGNING_KEY`.
    pub signing_keys: SigningKeys,
    /// `ACCESS_TOKEN_SECONDS`: lifetime of access tokens for other audiences than the MFA API.
    pub access_token_seconds: i64,
    /// `TWILIO_…`, `CLOUDFLARE_EMAIL`, `RESEND_…`, `SES_…`, `WEBHOOK_…`: who can carry messages.
    pub providers: Providers,
    /// `DELIVERY`: who carries which.
    pub routes: Routes,
    /// `EXPORT_EVENTS`, `EXPORT_METRICS`: where events go beside the log.
    pub export: Export,
}

/// Where events go beside the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Export {
    /// To the queue of the binding `AUDIT_QUEUE`.
    pub events: bool,
    /// As data points to the dataset of the binding `METRICS`.
    pub metrics: bool,
}

impl Config {
    /// Reads the configuration. `get` gives a variable's value, `names` are the names of all variables that there are,
    /// among which those of keys are found.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn from_variables(
        get: impl Fn(&str) -> Option<String>,
        names: impl IntoIterator<Item = String>,
    ) -> Result<Self, Vec<ConfigError>> {
        let names: Vec<String> = names.into_iter().collect();
        let mut read = Reading::new(get);
        let public_url = read.required("PUBLIC_URL", public_url);
        let own = public_url.as_ref().map(|(origin, _)| origin.clone());
        let tenant_name = read.required("TENANT_NAME", tenant_name);
        let trusted_issuers =
            read.required("TRUSTED_ISSUERS", |text| issuer::parse_all(text, own.as_deref()));
        let factors = read.optional("FACTORS", Factors::parse);
        let policy = read.optional("POLICY", Policy::parse);
        let default_language = read.optional("DEFAULT_LANGUAGE", default_language);
        let notices = read.optional("NOTICES", NoticeChannels::parse);
        let sending_limits = read.optional("SENDING_LIMITS", SendingLimits::parse);
        let test_recipients = read.optional("TEST_RECIPIENTS", TestRecipients::parse);
        let keyring = read.keyring(&names);
        let signing_keys = read.signing_keys(&names);
        let access_token_seconds = read.optional("ACCESS_TOKEN_SECONDS", access_token_seconds);
        let providers = read.providers(&names);
        let routes = read.routes(providers.as_ref());
        let export = (read.switch("EXPORT_EVENTS"), read.switch("EXPORT_METRICS"));
        let complete = || {
            let (public_url, host) = public_url?;
            let (events, metrics) = export;
            Some(Self {
                public_url,
                host,
                tenant_name: tenant_name?,
                trusted_issuers: trusted_issuers?,
                factors: factors?,
                policy: policy?,
                default_language: default_language?,
                notices: notices?,
                sending_limits: sending_limits?,
                test_recipients: test_recipients?,
                keyring: keyring?,
                signing_keys: signing_keys?,
                access_token_seconds: access_token_seconds?,
                providers: providers?,
                routes: routes?,
                export: Export { events: events?, metrics: metrics? },
            })
        };
        complete().ok_or(read.errors)
    }

    /// The trusted issuer called `name`.
    #[must_use]
    pub fn trusted_issuer(&self, name: &str) -> Option<&Rc<TrustedIssuer>> {
        self.trusted_issuers.iter().find(|issuer| issuer.name == name)
    }

    /// The test recipients, and the fate of messages to this number or address, if it is one of them and they are let in.
    #[must_use]
    pub fn test_recipient(&self, address: &str) -> Option<(&TestRecipients, Fate)> {
        let recipients = self.test_recipients.as_ref()?;
        Fate::of(address).map(|fate| (recipients, fate))
    }

    /// The issuer of own tokens: `PUBLIC_URL` plus `/`.
    #[must_use]
    pub fn issuer(&self) -> String {
        [&self.public_url, "/"].concat()
    }

    /// The MFA API's audience: `PUBLIC_URL` plus `/mfa/`.
    #[must_use]
    pub fn mfa_audience(&self) -> String {
        format!("{}/mfa/", self.public_url)
    }

    /// Whether `audience` means the MFA API; the trailing slash is optional.
    #[must_use]
    pub fn is_mfa_audience(&self, audience: &str) -> bool {
        audience.strip_prefix(&self.public_url).is_some_and(|path| path == "/mfa/" || path == "/mfa")
    }
}

/// What is wrong with the configuration, in words for the operator. Never carries a secret's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The variable's name.
    pub variable: String,
    /// What is wrong with it and what would be right.
    pub problem: String,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.variable, self.problem)
    }
}

/// `PUBLIC_URL` as an origin, and its host.
fn public_url(text: &str) -> Result<(String, String), String> {
    let url = HttpUrl::parse_secure(text)
        .map_err(|problem| format!("must be {problem}, such as https://mfa.example.com."))?;
    if !matches!(url.path_and_query(), "" | "/") {
        return Err("must be an origin without a path, such as https://mfa.example.com.".to_owned());
    }
    Ok((url.origin(), url.authority().to_owned()))
}

fn tenant_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.contains(':') || name.chars().any(char::is_control) {
        return Err(
            "must not have a colon or control characters: authenticator apps take them amiss.".to_owned()
        );
    }
    if name.chars().count() > MAXIMUM_TENANT_NAME {
        return Err(format!("must have at most {MAXIMUM_TENANT_NAME} characters."));
    }
    Ok(name.to_owned())
}

fn default_language(text: Option<&str>) -> Result<String, String> {
    let text = text.unwrap_or(words::LAST_RESORT);
    language::tag(text).ok_or_else(|| "must be a language's tag, such as de or pt-BR.".to_owned())
}

fn access_token_seconds(text: Option<&str>) -> Result<i64, String> {
    let Some(text) = text else { return Ok(DEFAULT_ACCESS_TOKEN_SECONDS) };
    text.trim()
        .parse()
        .ok()
        .filter(|seconds| (MINIMUM_ACCESS_TOKEN_SECONDS..=MAXIMUM_ACCESS_TOKEN_SECONDS).contains(seconds))
        .ok_or_else(|| {
            format!("must be a whole number from {MINIMUM_ACCESS_TOKEN_SECONDS} to {MAXIMUM_ACCESS_TOKEN_SECONDS}.")
        })
}

#[cfg(test)]
mod tests {
    use super::Export;
    use crate::testing::{TestIssuer, Variables};

    fn problems(variables: &Variables) -> Vec<(String, String)> {
        let errors = variables.config().expect_err("flaws");
        errors.into_iter().map(|error| (error.variable, error.problem)).collect()
    }

    fn problem(name: &str, value: &str) -> String {
        let found = problems(&Variables::new().with(name, value));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, name);
        found[0].1.clone()
    }

    #[test]
    fn a_complete_configuration_is_read() {
        let config = Variables::new().config().unwrap();
        assert_eq!(config.public_url, "https://mfa.example.com");
        assert_eq!(config.host, "mfa.example.com");
        assert_eq!(config.tenant_name, "Example");
        assert_eq!(config.access_token_seconds, 3600);
        assert_eq!(config.trusted_issuers.len(), 2);
        assert_eq!(config.trusted_issuer("idp").unwrap().issuer, "https://idp.example.com/");
        assert!(config.trusted_issuer("nobody").is_none());
        assert!(config.providers.webhook.is_none() && config.providers.twilio.is_none());
        assert_eq!(config.issuer(), "https://mfa.example.com/");
        assert_eq!(config.mfa_audience(), "https://mfa.example.com/mfa/");
        assert!(config.is_mfa_audience("https://mfa.example.com/mfa"));
        assert!(!config.is_mfa_audience("https://mfa.example.com/mfa/x"));
    }

    /// The JSON that docs/configuration.md shows under the heading of `variable`.
    fn documented(variable: &str) -> &'static str {
        let page = include_str!("../docs/configuration.md");
        let (_, section) = page.split_once(&format!(": `{variable}`\n")).expect(variable);
        let (_, block) = section.split_once("```json\n").expect(variable);
        block.split_once("```").expect(variable).0
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let undocumented = Variables::new().config().unwrap();
        let documented = ["FACTORS", "SENDING_LIMITS"]
            .into_iter()
            .fold(Variables::new(), |variables, name| variables.with(name, documented(name)))
            .config()
            .unwrap();
        assert_eq!(documented.factors, undocumented.factors);
        assert_eq!(documented.sending_limits, undocumented.sending_limits);
    }

    #[test]
    fn the_documented_examples_are_right() {
        let issuers = documented("TRUSTED_ISSUERS");
        let idp = Variables::new().with("TRUSTED_ISSUERS", issuers).config().unwrap();
        assert!(idp.trusted_issuer("idp").unwrap().may.mfa_token);
        let [sid, token] = [format!("AC{}", "0".repeat(32)), "t".repeat(32)];
        let carried = Variables::new()
            .with("DELIVERY", documented("DELIVERY"))
            .with("TWILIO_ACCOUNT_SID", &sid)
            .with("TWILIO_AUTH_TOKEN", &token)
            .with("TWILIO_FROM", "+15550100000")
            .with("EMAIL_FROM", "Example <codes@example.com>")
            .with("RESEND_API_KEY", "re_1")
            .with("WEBHOOK_URL", "https://hooks.example.com/")
            .with("WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        carried.config().unwrap();
    }

    #[test]
    fn the_public_url_is_an_origin() {
        for (url, origin, host) in [
            ("https://mfa.example.com/", "https://mfa.example.com", "mfa.example.com"),
            ("https://MFA.example.com:8443", "https://mfa.example.com:8443", "mfa.example.com:8443"),
            ("https://mfa.example.com:443", "https://mfa.example.com", "mfa.example.com"),
            ("http://localhost:8787", "http://localhost:8787", "localhost:8787"),
            ("http://127.0.0.1:8787/", "http://127.0.0.1:8787", "127.0.0.1:8787"),
        ] {
            let config = Variables::new().with("PUBLIC_URL", url).config().unwrap();
            assert_eq!((config.public_url.as_str(), config.host.as_str()), (origin, host));
        }
        for url in [
            "http://mfa.example.com",
            "https://mfa.example.com//",
            "https://mfa.example.com/mfa",
            "https://mfa.example.com?x",
            "https://mfa.example.com#x",
            "https://user@mfa.example.com",
            "mfa.example.com",
            "https://",
        ] {
            assert!(problem("PUBLIC_URL", url).starts_with("must be"), "{url}");
        }
    }

    #[test]
    fn what_is_required_must_be_there() {
        for name in ["PUBLIC_URL", "TENANT_NAME", "TRUSTED_ISSUERS", "ENCRYPTION_KEYS"] {
            for variables in [Variables::new().without(name), Variables::new().with(name, " ")] {
                assert_eq!(problems(&variables), [(name.to_owned(), "is missing.".to_owned())]);
            }
        }
        assert_eq!(problems(&Variables::new().without("SIGNING_KEY_A"))[0].0, "SIGNING_KEY_1");
    }

    #[test]
    fn encryption_keys_are_added_beside_the_first_ones() {
        let key = "_".repeat(42) + "8";
        let other = "-".repeat(42) + "8";
        let further = format!(r#"{{"seal":"{key}","hash":"{other}"}}"#);
        let added = Variables::new().with("ENCRYPTION_KEYS_2", &further);
        assert!(!added.config().unwrap().keyring.is_current("s2.x"));
        let used = added.with("ACTIVE_ENCRYPTION_KEYS", "2");
        assert!(used.config().unwrap().keyring.is_current("s2.x"));
        assert!(used.without("ENCRYPTION_KEYS").config().unwrap().keyring.is_current("s2.x"));
        let wrong = Variables::new().with("ACTIVE_ENCRYPTION_KEYS", "2");
        assert_eq!(problems(&wrong)[0].0, "ACTIVE_ENCRYPTION_KEYS");
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let variables = Variables::new()
            .with("PUBLIC_URL", "x")
            .with("TENANT_NAME", "a:b")
            .with("TRUSTED_ISSUERS", "[]")
            .with("FACTORS", "[]")
            .with("ENCRYPTION_KEYS", "{}")
            .with("SIGNING_KEY_A", "{}")
            .with("ACCESS_TOKEN_SECONDS", "soon")
            .with("WEBHOOK_URL", "https://hook.example.com");
        let names: Vec<_> = problems(&variables).into_iter().map(|(name, _)| name).collect();
        let expected = [
            "PUBLIC_URL",
            "TENANT_NAME",
            "TRUSTED_ISSUERS",
            "FACTORS",
            "ENCRYPTION_KEYS",
            "SIGNING_KEY_A",
            "ACCESS_TOKEN_SECONDS",
            "WEBHOOK_SECRET",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_tenants_name_fits_into_a_barcode() {
        for wrong in ["a:b", "a\nb", &"n".repeat(65)] {
            assert!(problem("TENANT_NAME", wrong).starts_with("must"), "{wrong}");
        }
        let config = Variables::new().with("TENANT_NAME", " B\u{e4}ckerei & S\u{f6}hne ").config().unwrap();
        assert_eq!(config.tenant_name, "B\u{e4}ckerei & S\u{f6}hne");
    }

    #[test]
    fn this_server_is_no_trusted_issuer() {
        let mut own = TestIssuer::new("own");
        own.url = "https://mfa.example.com/".to_owned();
        let found = problems(&Variables::new().with_issuers(&[own.entry()]));
        assert_eq!(found[0].0, "TRUSTED_ISSUERS");
    }

    #[test]
    fn access_tokens_live_between_a_minute_and_a_day() {
        for (text, seconds) in [("60", 60), ("86400", 86_400), (" 900 ", 900)] {
            let config = Variables::new().with("ACCESS_TOKEN_SECONDS", text).config().unwrap();
            assert_eq!(config.access_token_seconds, seconds);
        }
        for wrong in ["59", "86401", "-1", "1.5", "1h", "99999999999999999999"] {
            assert!(problem("ACCESS_TOKEN_SECONDS", wrong).starts_with("must be"), "{wrong}");
        }
    }

    #[test]
    fn events_stay_in_the_log_unless_they_are_to_go_elsewhere() {
        let export = |variables: Variables| variables.config().unwrap().export;
        assert_eq!(export(Variables::new()), Export { events: false, metrics: false });
        let events = Variables::new().with("EXPORT_EVENTS", "on").with("EXPORT_METRICS", "off");
        assert_eq!(export(events), Export { events: true, metrics: false });
        let metrics = Variables::new().with("EXPORT_METRICS", " on ");
        assert_eq!(export(metrics), Export { events: false, metrics: true });
        for name in ["EXPORT_EVENTS", "EXPORT_METRICS"] {
            assert_eq!(problem(name, "yes"), "must be on or off.");
        }
    }

    #[test]
    fn a_webhook_has_an_address_and_a_secret() {
        let secret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let both =
            Variables::new().with("WEBHOOK_URL", "https://hook.example.com/x").with("WEBHOOK_SECRET", secret);
        assert!(both.config().unwrap().providers.webhook.is_some());
        assert_eq!(problems(&both.with("WEBHOOK_URL", "http://hook.example.com"))[0].0, "WEBHOOK_URL");
        let only = Variables::new().with("WEBHOOK_URL", "https://hook.example.com");
        assert_eq!(problems(&only)[0].0, "WEBHOOK_SECRET");
    }

    #[test]
    fn a_webhooks_secrets_may_stand_in_variables_of_their_own() {
        let secret = |fill: char| format!("whsec_{}=", fill.to_string().repeat(43));
        let hook = Variables::new().with("WEBHOOK_URL", "https://hook.example.com/x");
        let signatures = |variables: &Variables| {
            let settings = variables.config().unwrap().providers.webhook.unwrap();
            settings.signatures("id", crate::types::UnixSeconds(1), "{}").unwrap().split(' ').count()
        };
        let beside = hook.with("WEBHOOK_SECRET", &secret('A')).with("WEBHOOK_SECRET_2", &secret('E'));
        assert_eq!(signatures(&beside), 2);
        let beside = beside.without("WEBHOOK_SECRET");
        assert_eq!(signatures(&beside), 1);
        assert_eq!(problems(&beside.with("WEBHOOK_SECRET_3", "short"))[0].0, "WEBHOOK_SECRET_3");
    }

    #[test]
    fn a_secret_that_stays_behind_when_its_provider_is_switched_off_does_nothing() {
        for name in [
            "WEBHOOK_SECRET",
            "WEBHOOK_SECRET_2",
            "SES_SECRET_ACCESS_KEY",
            "TWILIO_AUTH_TOKEN",
            "TWILIO_API_SECRET",
        ] {
            let providers = Variables::new().with(name, "whsec_left").config().unwrap().providers;
            assert_eq!(
                format!("{providers:?}"),
                format!("{:?}", Variables::new().config().unwrap().providers)
            );
        }
    }

    #[test]
    fn errors_read_as_sentences_and_show_no_secret() {
        let key = "A".repeat(40);
        let variables = Variables::new().with("ENCRYPTION_KEYS", &format!("{{\"seal\":\"{key}\"}}"));
        for error in variables.config().unwrap_err() {
            let sentence = error.to_string();
            assert!(sentence.starts_with("ENCRYPTION_KEYS ") && !sentence.contains(&key), "{sentence}");
        }
    }
}
