//! Configuration: one name each, checked at start with an error that names the variable.

use std::rc::Rc;

use crate::delivery::providers::Providers;
use crate::delivery::providers::cloudflare::CloudflareSettings;
use crate::delivery::providers::resend::{self, ResendSettings};
use crate::delivery::providers::ses::{self, SesSettings};
use crate::delivery::providers::twilio::{self, Account, TwilioSettings};
use crate::delivery::providers::twilio_verify::{self, TwilioVerifySettings};
use crate::delivery::providers::webhook::WebhookSettings;
use crate::delivery::routing::Routes;
use crate::delivery::words;
use crate::mfa::factor::Factors;
use crate::mfa::language;
use crate::mfa::notice::NoticeChannels;
use crate::mfa::phone_number::PhoneNumber;
use crate::mfa::policy::Policy;
use crate::mfa::sending::SendingLimits;
use crate::mfa::test_recipient::{Fate, TestRecipients};
use crate::storage::keyring::{self, Keyring};
use crate::trust::http_url::HttpUrl;
use crate::trust::issuer::{self, TrustedIssuer};
use crate::trust::signing_keys::{self, SigningKeys};
use crate::types::Secret;

/// `ACCESS_TOKEN_SECONDS` where it is left out, and its bounds.
const DEFAULT_ACCESS_TOKEN_SECONDS: i64 = 3600;
const MINIMUM_ACCESS_TOKEN_SECONDS: i64 = 60;
const MAXIMUM_ACCESS_TOKEN_SECONDS: i64 = 86_400;

/// What Twilio's products share, and what switches Verify on.
const ACCOUNT: &str = "TWILIO_ACCOUNT_SID";
const VERIFY_SERVICE: &str = "TWILIO_VERIFY_SERVICE_SID";

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
    /// `NOTICES`: by which channels a person is told of changes to their authenticators.
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
        let mut read = Reading { get, errors: Vec::new() };
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
        match (
            public_url,
            tenant_name,
            trusted_issuers,
            factors,
            policy,
            default_language,
            notices,
            sending_limits,
            test_recipients,
            keyring,
            signing_keys,
            access_token_seconds,
            providers,
            routes,
            export,
        ) {
            (
                Some((public_url, host)),
                Some(tenant_name),
                Some(trusted_issuers),
                Some(factors),
                Some(policy),
                Some(default_language),
                Some(notices),
                Some(sending_limits),
                Some(test_recipients),
                Some(keyring),
                Some(signing_keys),
                Some(access_token_seconds),
                Some(providers),
                Some(routes),
                (Some(events), Some(metrics)),
            ) => Ok(Self {
                public_url,
                host,
                tenant_name,
                trusted_issuers,
                factors,
                policy,
                default_language,
                notices,
                sending_limits,
                test_recipients,
                keyring,
                signing_keys,
                access_token_seconds,
                providers,
                routes,
                export: Export { events, metrics },
            }),
            _ => Err(read.errors),
        }
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
        format!("{}/", self.public_url)
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

/// The variables as they are read, and what was wrong with them so far. A problem is a sentence whose subject is the
/// variable.
struct Reading<G> {
    get: G,
    errors: Vec<ConfigError>,
}

impl<G: Fn(&str) -> Option<String>> Reading<G> {
    /// A variable that is set to nothing counts as left out.
    fn value(&self, variable: &str) -> Option<String> {
        (self.get)(variable).filter(|value| !value.trim().is_empty())
    }

    fn report(&mut self, variable: &str, problem: String) {
        self.errors.push(ConfigError { variable: variable.to_owned(), problem });
    }

    fn required<T>(&mut self, variable: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        match self.value(variable) {
            Some(value) => self.kept(variable, parse(&value)),
            None => {
                self.report(variable, "is missing.".to_owned());
                None
            }
        }
    }

    fn optional<T>(
        &mut self,
        variable: &str,
        parse: impl FnOnce(Option<&str>) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.value(variable);
        self.kept(variable, parse(value.as_deref()))
    }

    fn kept<T>(&mut self, variable: &str, parsed: Result<T, String>) -> Option<T> {
        parsed.map_err(|problem| self.report(variable, problem)).ok()
    }

    fn keyring(&mut self, names: &[String]) -> Option<Keyring> {
        let further = self.beginning_with(keyring::VARIABLE_PREFIX, names);
        let (first, active) = (self.value("ENCRYPTION_KEYS"), self.value("ACTIVE_ENCRYPTION_KEYS"));
        let keyring = Keyring::parse_all(first.as_deref(), &further, active.as_deref());
        keyring.map_err(|problems| self.report_all(problems)).ok()
    }

    fn signing_keys(&mut self, names: &[String]) -> Option<SigningKeys> {
        let keys = self.beginning_with(signing_keys::VARIABLE_PREFIX, names);
        let active = self.value("ACTIVE_SIGNING_KEY");
        SigningKeys::parse(&keys, active.as_deref()).map_err(|problems| self.report_all(problems)).ok()
    }

    /// (name, value) of the variables whose names begin like this, by name.
    fn beginning_with(&self, prefix: &str, names: &[String]) -> Vec<(String, String)> {
        let mut names: Vec<&str> =
            names.iter().map(String::as_str).filter(|name| name.starts_with(prefix)).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().filter_map(|name| Some((name.to_owned(), self.value(name)?))).collect()
    }

    fn report_all(&mut self, problems: Vec<(String, String)>) {
        for (variable, problem) in problems {
            self.report(&variable, problem);
        }
    }

    /// `None` means an error, here and below.
    fn providers(&mut self, names: &[String]) -> Option<Providers> {
        let account = self.twilio_account();
        let twilio = account.as_ref().and_then(|account| self.twilio(account.as_ref()));
        let twilio_verify = account.as_ref().and_then(|account| self.twilio_verify(account.as_ref()));
        let cloudflare = self.switch("CLOUDFLARE_EMAIL");
        let from = self.email_from(cloudflare == Some(true));
        let sender = from.as_ref().and_then(Option::as_deref);
        let (resend, ses, webhook) = (self.resend(sender), self.ses(sender), self.webhook(names));
        let (cloudflare, resend, ses) = (cloudflare?, resend?, ses?);
        Some(Providers {
            twilio: twilio?,
            twilio_verify: twilio_verify?,
            cloudflare: from?.filter(|_| cloudflare).map(|from| CloudflareSettings { from }),
            resend,
            ses,
            webhook: webhook?,
        })
    }

    fn routes(&mut self, providers: Option<&Providers>) -> Option<Routes> {
        let providers = providers?;
        self.optional("DELIVERY", |text| Routes::parse(text, providers))
    }

    /// The value of a variable that another one makes necessary.
    fn needed(&mut self, variable: &str, because: &str) -> Option<String> {
        let value = self.value(variable);
        if value.is_none() {
            self.report(variable, format!("is missing, but {because} is set."));
        }
        value
    }

    /// The origin of a provider's API, without a slash at its end.
    fn api(&mut self, variable: &str, usual: &str) -> Option<String> {
        let Some(url) = self.value(variable) else {
            return Some(usual.to_owned());
        };
        match HttpUrl::parse_secure(&url) {
            Ok(_) => Some(url.trim_end_matches('/').to_owned()),
            Err(problem) => {
                self.report(variable, format!("must be {problem}."));
                None
            }
        }
    }

    fn sender(&mut self, variable: &str, because: &str) -> Option<String> {
        let number = self.needed(variable, because)?;
        if PhoneNumber::parse(&number).is_err() {
            self.report(variable, "must be a phone number, such as +15550100123.".to_owned());
            return None;
        }
        Some(number)
    }

    /// What is either `on` or, as without it, `off`.
    fn switch(&mut self, variable: &str) -> Option<bool> {
        self.optional(variable, |text| match text.map(str::trim) {
            None | Some("off") => Ok(false),
            Some("on") => Ok(true),
            Some(_) => Err("must be on or off.".to_owned()),
        })
    }

    fn twilio_account(&mut self) -> Option<Option<Rc<Account>>> {
        let Some(sid) = self.value(ACCOUNT) else {
            if self.value(VERIFY_SERVICE).is_some() {
                self.report(ACCOUNT, format!("is missing, but {VERIFY_SERVICE} is set."));
                return None;
            }
            return Some(None);
        };
        if !is_sid("AC", &sid) {
            self.report(ACCOUNT, "must be an account's SID: AC and 32 hexadecimal digits.".to_owned());
            return None;
        }
        let (user, password) = match self.value("TWILIO_API_KEY") {
            Some(key) => (key, self.needed("TWILIO_API_SECRET", "TWILIO_API_KEY")),
            None => (sid.clone(), self.needed("TWILIO_AUTH_TOKEN", ACCOUNT)),
        };
        Some(Some(Rc::new(Account { sid, user, password: Secret::new(password?) })))
    }

    fn twilio(&mut self, account: Option<&Rc<Account>>) -> Option<Option<TwilioSettings>> {
        let Some(account) = account else {
            return Some(None);
        };
        // Who has Verify alone needs no senders.
        let senders = ["TWILIO_FROM", "TWILIO_MESSAGING_SERVICE_SID", "TWILIO_VOICE_FROM"];
        if self.value(VERIFY_SERVICE).is_some() && senders.iter().all(|name| self.value(name).is_none()) {
            return Some(None);
        }
        let url = self.api("TWILIO_URL", twilio::API);
        let number = match self.value("TWILIO_FROM") {
            Some(_) => Some(self.sender("TWILIO_FROM", ACCOUNT)?),
            None => None,
        };
        let from = match self.value("TWILIO_MESSAGING_SERVICE_SID") {
            Some(service) if is_sid("MG", &service) => Some(service),
            Some(_) => {
                let problem = "must be a service's SID: MG and 32 hexadecimal digits.";
                self.report("TWILIO_MESSAGING_SERVICE_SID", problem.to_owned());
                None
            }
            None if number.is_none() => self.needed("TWILIO_FROM", ACCOUNT),
            None => number.clone(),
        };
        let voice_from = match self.value("TWILIO_VOICE_FROM") {
            Some(_) => self.sender("TWILIO_VOICE_FROM", ACCOUNT)?,
            // Calls need a number; where there is none Twilio says so, and the next provider is asked.
            None => number.unwrap_or_default(),
        };
        let (url, from) = (url?, from?);
        Some(Some(TwilioSettings { url, account: account.clone(), from, voice_from }))
    }

    fn twilio_verify(&mut self, account: Option<&Rc<Account>>) -> Option<Option<TwilioVerifySettings>> {
        let (Some(service), Some(account)) = (self.value(VERIFY_SERVICE), account) else {
            return Some(None);
        };
        if !is_sid("VA", &service) {
            self.report(VERIFY_SERVICE, "must be a service's SID: VA and 32 hexadecimal digits.".to_owned());
            return None;
        }
        let url = self.api("TWILIO_VERIFY_URL", twilio_verify::API)?;
        Some(Some(TwilioVerifySettings { url, account: account.clone(), service }))
    }

    /// `EMAIL_FROM`, if somebody who carries mail needs it.
    fn email_from(&mut self, cloudflare: bool) -> Option<Option<String>> {
        let resend = self.value("RESEND_API_KEY").map(|_| "RESEND_API_KEY");
        let because = cloudflare.then_some("CLOUDFLARE_EMAIL").or(resend).or_else(|| self.ses_because());
        let Some(because) = because else {
            return Some(None);
        };
        let from = self.needed("EMAIL_FROM", because)?;
        if !from.contains('@') || from.chars().any(char::is_control) {
            self.report("EMAIL_FROM", "must be an address, or \"Name <address>\".".to_owned());
            return None;
        }
        Some(Some(from))
    }

    fn resend(&mut self, from: Option<&str>) -> Option<Option<ResendSettings>> {
        let Some(api_key) = self.value("RESEND_API_KEY") else {
            return Some(None);
        };
        let url = self.api("RESEND_URL", resend::API)?;
        Some(Some(ResendSettings { url, api_key: Secret::new(api_key), from: from?.to_owned() }))
    }

    /// Which variable it is that makes the others of SES necessary.
    fn ses_because(&self) -> Option<&'static str> {
        ["SES_ACCESS_KEY_ID", "SES_SECRET_ACCESS_KEY", "SES_REGION"]
            .into_iter()
            .find(|name| self.value(name).is_some())
    }

    fn ses(&mut self, from: Option<&str>) -> Option<Option<SesSettings>> {
        let Some(because) = self.ses_because() else {
            return Some(None);
        };
        let region = self.needed("SES_REGION", because);
        let access_key_id = self.needed("SES_ACCESS_KEY_ID", because);
        let secret_access_key = self.needed("SES_SECRET_ACCESS_KEY", because);
        let configuration_set = self.value("SES_CONFIGURATION_SET");
        let names = [
            ("SES_REGION", region.as_deref(), "a region's name, such as eu-central-1"),
            ("SES_ACCESS_KEY_ID", access_key_id.as_deref(), "an access key's id, such as AKIA…"),
            ("SES_CONFIGURATION_SET", configuration_set.as_deref(), "a configuration set's name"),
        ];
        let mut wrong = false;
        for (variable, name, what) in names {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            if name.is_some_and(|name| !name.bytes().all(is_name)) {
                self.report(variable, format!("must be {what}."));
                wrong = true;
            }
        }
        let region = region?;
        let url = self.api("SES_URL", &ses::api(&region))?;
        if wrong {
            return None;
        }
        Some(Some(SesSettings {
            url,
            region,
            access_key_id: access_key_id?,
            secret_access_key: Secret::new(secret_access_key?),
            configuration_set,
            from: from?.to_owned(),
        }))
    }

    /// Each secret may stand in a variable of its own, so that one is added and taken away without reading the others.
    fn webhook(&mut self, names: &[String]) -> Option<Option<WebhookSettings>> {
        const FIRST: &str = "WEBHOOK_SECRET";
        let first = self.value(FIRST).map(|value| (FIRST.to_owned(), value));
        let further = self.beginning_with("WEBHOOK_SECRET_", names);
        let secrets: Vec<_> = first.into_iter().chain(further).collect();
        match (self.value("WEBHOOK_URL"), secrets.first()) {
            (None, None) => Some(None),
            (Some(_), None) => {
                self.report(FIRST, "is missing, but WEBHOOK_URL is set.".to_owned());
                None
            }
            (None, Some((variable, _))) => {
                self.report("WEBHOOK_URL", format!("is missing, but {variable} is set."));
                None
            }
            (Some(url), Some(_)) => {
                if let Err(problem) = HttpUrl::parse_secure(&url) {
                    self.report("WEBHOOK_URL", format!("must be {problem}."));
                    return None;
                }
                for (variable, value) in &secrets {
                    self.kept(variable, WebhookSettings::parse(&url, value))?;
                }
                let all: Vec<_> = secrets.iter().map(|(_, value)| value.as_str()).collect();
                self.kept(FIRST, WebhookSettings::parse(&url, &all.join(" "))).map(Some)
            }
        }
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

/// Whether a text is one of Twilio's identifiers ("String Identifier (SID)"): two letters for what it names, and 32
/// hexadecimal digits.
fn is_sid(kind: &str, text: &str) -> bool {
    let digits = text.strip_prefix(kind).unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
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
        assert_eq!(problems(&Variables::new().with("WEBHOOK_SECRET", secret))[0].0, "WEBHOOK_URL");
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
        let alone = Variables::new().with("WEBHOOK_SECRET_2", &secret('E'));
        assert_eq!(
            problems(&alone),
            [("WEBHOOK_URL".to_owned(), "is missing, but WEBHOOK_SECRET_2 is set.".to_owned())]
        );
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
