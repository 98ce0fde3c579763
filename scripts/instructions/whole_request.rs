//! A whole enrollment as the Worker does it, from the text that crosses into wasm to the one that crosses out, in a world
//! where nothing costs anything or fails.

use std::future::Future;
use std::hint::black_box;
use std::rc::Rc;

use base64ct::{Base64UrlUnpadded, Encoding};
use countersign::algorithm::Algorithm;
use countersign::app::{App, Isolate};
use countersign::audit;
use countersign::config::Config;
use countersign::http::crossing as requests;
use countersign::json::Json;
use countersign::platform::{
    DataPoint, FetchError, KeyError, MailError, Meter, MetricError, OutboundMail, OutboundRequest,
    OutboundResponse, Platform, QueueError, RandomError, Row, Statement, StorageError, Usage,
};
use countersign::routes;
use countersign::storage::crossing;
use countersign::types::UnixSeconds;
use futures_util::FutureExt;

/// What enrolls by a request with this body and `token`. The first run also fetches the key set and reads the client, as in
/// a new isolate; in the difference between two counts it drops out.
pub(super) fn enrollment(
    body: &'static str,
    token: &str,
    key_set: &'static str,
    keys: &str,
) -> Box<dyn Fn()> {
    let issuers = r#"[{"name":"idp","issuer":"https://idp.example.com/","jwks_uri":"https://idp.example.com/jwks.json","may":["mfa_token"]}]"#;
    let config = Config::from_variables(
        |name| {
            Some(match name {
                "PUBLIC_URL" => "https://mfa.example.com".to_owned(),
                "TENANT_NAME" => "Example".to_owned(),
                "TRUSTED_ISSUERS" => issuers.to_owned(),
                "ENCRYPTION_KEYS" => keys.to_owned(),
                "FACTORS" => r#"{"otp":{},"recovery-code":{},"sms":{"calling_codes":["49"]}}"#.to_owned(),
                "WEBHOOK_URL" => "https://provider.example.com/codes".to_owned(),
                "WEBHOOK_SECRET" => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(),
                "SIGNING_KEY_A" => signing_key(),
                _ => return None,
            })
        },
        std::iter::once("SIGNING_KEY_A".to_owned()),
    );
    let config = Rc::new(config.expect("a configuration"));
    let isolate = Rc::new(Isolate::<World>::default());
    let head = format!(
        r#"{{"method":"POST","url":"https://mfa.example.com/mfa/associate","headers":{{"authorization":"Bearer {token}","cf-connecting-ip":"93.1.2.3","content-type":"application/json"}},"country":"DE","asn":3320,"body":null}}"#
    );
    Box::new(move || {
        let platform = World { key_set, meter: Rc::default() };
        let id = base16ct::lower::encode_string(&platform.random::<12>().unwrap_or_default());
        let asked = requests::read(id, platform.now(), &head, body.as_bytes().to_vec());
        let app = App { platform, config: config.clone(), isolate: isolate.clone() };
        let response = routes::handle(&app, &asked).now_or_never().expect("nothing waits");
        audit::answered(&app, &asked, routes::endpoint(&asked.path), response.status, response.error);
        assert_eq!(response.status, 200, "{}", response.body);
        black_box(requests::write(&response));
    })
}

/// Nothing is ever signed with it.
fn signing_key() -> String {
    let modulus = Base64UrlUnpadded::encode_string(&[0xff; 256]);
    format!(
        r#"{{"kty":"RSA","kid":"a","n":"{modulus}","e":"AQAB","d":"AQAB","p":"AQAB","q":"AQAB","dp":"AQAB","dq":"AQAB","qi":"AQAB"}}"#
    )
}

/// The world of one request.
#[derive(Clone)]
struct World {
    key_set: &'static str,
    meter: Rc<Meter>,
}

impl World {
    /// What D1 would say to them, as JSON.
    fn rows(statements: &[Statement]) -> String {
        let rows = |statement: &Statement| match statement.sql {
            sql if sql.starts_with("INSERT OR REPLACE INTO enrollments") => r#"[{"recovery_issued":1}]"#,
            sql if sql.contains("FROM clients") => CLIENT,
            _ => "[]",
        };
        format!("[{}]", statements.iter().map(rows).collect::<Vec<_>>().join(","))
    }
}

const CLIENT: &str = r#"[{"id":"app","version":1,"authentication":"none","secret_hash":null,"previous_secret_hash":null,"previous_secret_expires_at":null,"jwks":null,"jwks_uri":null,"origins":"[]","issuers":"[]","audiences":"[]","require_authentication":0,"grants":"[]","factors":"[]","policy":null}]"#;

impl Platform for World {
    type VerifyingKey = ();
    type SigningKey = ();

    fn now(&self) -> UnixSeconds {
        super::NOW
    }

    fn random<const N: usize>(&self) -> Result<[u8; N], RandomError> {
        Ok([7; N])
    }

    fn log(&self, event: Json<'_>) {
        black_box(&event.write());
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, StorageError> {
        self.meter.round_trip(statements.len());
        let texts: Vec<&str> = statements.iter().map(|statement| statement.sql).collect();
        black_box(&texts.join("\0"));
        black_box(&crossing::parameters(&statements));
        crossing::read(&Self::rows(&statements))
    }

    async fn read_nearby(&self, statement: Statement) -> Result<Vec<Row>, StorageError> {
        Ok(self.batch(vec![statement]).await?.into_iter().next().unwrap_or_default())
    }

    async fn cached(&self, _: &str) -> Option<String> {
        None
    }

    async fn cache(&self, _: &str, _: &str, _: i64) {}

    async fn fetch(&self, _: OutboundRequest) -> Result<OutboundResponse, FetchError> {
        Ok(OutboundResponse {
            status: 200,
            cache_control: None,
            retry_after: None,
            error_type: None,
            body: self.key_set.as_bytes().to_vec(),
        })
    }

    async fn send_mail(&self, _: OutboundMail) -> Result<(), MailError> {
        Ok(())
    }

    async fn enqueue(&self, delivery_id: &str) -> Result<(), QueueError> {
        black_box(delivery_id);
        Ok(())
    }

    async fn export(&self, event: &str) -> Result<(), QueueError> {
        black_box(event);
        Ok(())
    }

    fn measure(&self, _: &DataPoint) -> Result<(), MetricError> {
        Ok(())
    }

    fn usage(&self) -> Usage {
        self.meter.read(5)
    }

    async fn is_within_rate(&self, key: &str) -> bool {
        black_box(key);
        true
    }

    async fn import_verifying_key(&self, _: Algorithm, _: &str) -> Result<(), KeyError> {
        Ok(())
    }

    async fn verify(&self, _: Algorithm, (): &(), _: &[u8], message: &[u8]) -> Result<bool, KeyError> {
        black_box(message);
        Ok(true)
    }

    async fn import_signing_key(&self, _: &str) -> Result<(), KeyError> {
        Ok(())
    }

    async fn sign(&self, (): &(), _: &[u8]) -> Result<Vec<u8>, KeyError> {
        Err(KeyError(String::new()))
    }

    fn defer(&self, work: impl Future<Output = ()> + 'static) {
        work.now_or_never().expect("nothing waits");
    }

    async fn pause(&self, _: u32) {}
}
