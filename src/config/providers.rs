//! Who carries messages: the variables of each provider, which of them belong together, and `DELIVERY`.

use std::rc::Rc;

use super::reading::Reading;
use crate::delivery::providers::Providers;
use crate::delivery::providers::cloudflare::CloudflareSettings;
use crate::delivery::providers::resend::{self, ResendSettings};
use crate::delivery::providers::ses::{self, SesSettings};
use crate::delivery::providers::twilio::{self, Account, TwilioSettings};
use crate::delivery::providers::twilio_verify::{self, TwilioVerifySettings};
use crate::delivery::providers::webhook::WebhookSettings;
use crate::delivery::routing::Routes;
use crate::mfa::phone_number::PhoneNumber;
use crate::trust::http_url::HttpUrl;
use crate::types::Secret;

/// What Twilio's products share, and what switches Verify on.
const ACCOUNT: &str = "TWILIO_ACCOUNT_SID";
const VERIFY_SERVICE: &str = "TWILIO_VERIFY_SERVICE_SID";

impl<G: Fn(&str) -> Option<String>> Reading<G> {
    /// `None` means an error, here and below.
    pub(super) fn providers(&mut self, names: &[String]) -> Option<Providers> {
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

    pub(super) fn routes(&mut self, providers: Option<&Providers>) -> Option<Routes> {
        let providers = providers?;
        self.optional("DELIVERY", |text| Routes::parse(text, providers))
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

    /// Which variable it is that makes the others of SES necessary. A secret does not: the one that stays behind when the
    /// variables are taken away would keep the service from starting.
    fn ses_because(&self) -> Option<&'static str> {
        ["SES_ACCESS_KEY_ID", "SES_REGION"].into_iter().find(|name| self.value(name).is_some())
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

    /// Each secret may stand in a variable of its own, so that one is added and taken away without reading the others. Those
    /// that stay behind without the address do nothing.
    fn webhook(&mut self, names: &[String]) -> Option<Option<WebhookSettings>> {
        const FIRST: &str = "WEBHOOK_SECRET";
        let first = self.value(FIRST).map(|value| (FIRST.to_owned(), value));
        let further = self.beginning_with("WEBHOOK_SECRET_", names);
        let secrets: Vec<_> = first.into_iter().chain(further).collect();
        let Some(url) = self.value("WEBHOOK_URL") else {
            return Some(None);
        };
        if secrets.is_empty() {
            self.report(FIRST, "is missing, but WEBHOOK_URL is set.".to_owned());
            return None;
        }
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

/// Whether a text is one of Twilio's identifiers ("String Identifier (SID)"): two letters for what it names, and 32
/// hexadecimal digits.
fn is_sid(kind: &str, text: &str) -> bool {
    let digits = text.strip_prefix(kind).unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}
