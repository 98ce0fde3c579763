//! What the rules, decoding, sealing and whole enrollments cost, to be counted in instructions: `npm run instructions` runs it
//! twice for each case, under valgrind, and takes the difference.
//!
//! `instructions` alone lists the cases; `instructions CASE TIMES` runs one so many times.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a command-line program of the developers")]

mod whole_request;

use std::hint::black_box;
use std::process::ExitCode;

use base64ct::{Base64UrlUnpadded, Encoding};
use countersign::delivery::content::{About, Code, compose};
use countersign::delivery::words::{CODE, choose as choose_words};
use countersign::http::parameters::{Accepted, Undecoded};
use countersign::http::request::{Body, Headers, Method, Request};
use countersign::http::response::{Dialect, Response};
use countersign::json::{self, Json};
use countersign::mfa::barcode::{label, otpauth_uri, qr_svg};
use countersign::mfa::enrollment::{Available, EnrollmentRequest, choose};
use countersign::mfa::factor::{Factors, Kind};
use countersign::mfa::language::Languages;
use countersign::mfa::one_time_password::{TotpSecret, matching_step};
use countersign::mfa::phone_number::PhoneNumber;
use countersign::mfa::region::{Allowed, region};
use countersign::mfa::sending::Origin;
use countersign::storage::keyring::{Keyring, Place};
use countersign::trust::jwt::UntrustedJwt;
use countersign::types::{Secret, UnixSeconds};

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const NUMBER: &str = "+49 151 23456789";
const PLACE: Place<'_> =
    Place { purpose: "factor", row: "sms|dev_0123456789abcdef", user: "idp|user-0123456789abcdef" };
const USUAL: [&str; 5] = ["1", "33", "44", "49", "81"];

/// A name, and what makes the work: things that are made beforehand are not counted.
type Case = (&'static str, fn() -> Box<dyn Fn()>);

const CASES: [Case; 20] = [
    ("read a JWT", read_jwt),
    ("name a transaction", name_transaction),
    ("decode a JSON body", || decode("application/json", JSON_BODY)),
    ("decode a form", || decode("application/x-www-form-urlencoded", FORM)),
    ("parse JSON of a key set", || repeat(|| json::parse(KEY_SET.as_bytes()))),
    ("read a phone number", || repeat(|| PhoneNumber::parse(black_box(NUMBER)))),
    ("find a number's region", find_region),
    ("decide what to enroll", decide),
    ("check a code of an app", check_totp),
    ("seal a secret", seal),
    ("open a secret", open),
    ("hash an address", hash),
    ("compare a hash", compare),
    ("write a barcode's URI", || repeat(barcode_uri)),
    ("draw a QR code", draw_qr),
    ("write a text message", || write_message(Kind::Sms)),
    ("write a mail", || write_message(Kind::Email)),
    ("write a list", write_list),
    ("enroll an app", || enroll(r#"{"client_id":"app","authenticator_types":["otp"]}"#)),
    ("enroll a phone", || enroll(JSON_BODY)),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        CASES.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    let case = CASES.iter().find(|(own, _)| *own == name);
    let times = arguments.next().and_then(|times| times.parse::<u32>().ok());
    let (Some((_, prepare)), Some(times)) = (case, times) else {
        println!("Name a case and how often it is to run.");
        return ExitCode::FAILURE;
    };
    let work = prepare();
    for _ in 0..times {
        work();
    }
    ExitCode::SUCCESS
}

fn repeat<T>(work: impl Fn() -> T + 'static) -> Box<dyn Fn()> {
    Box::new(move || drop(black_box(work())))
}

// --- Tokens and bodies ---

const HEADER: &str = r#"{"alg":"RS256","typ":"mfa+jwt","kid":"2026-01"}"#;
const CLAIMS: &str = r#"{"iss":"https://idp.example.com/","sub":"user-0123456789abcdef","aud":"https://mfa.example.com/mfa/","iat":1800000000,"exp":1800000300,"jti":"0123456789abcdef","azp":"app","amr":["pwd"],"audience":"https://api.example.com","scope":"openid read:things","email":"ada@example.com","email_verified":true,"name":"Ada","locale":"de"}"#;
const JSON_BODY: &str = r#"{"client_id":"app","authenticator_types":["oob"],"oob_channels":["sms"],"phone_number":"+49 151 23456789"}"#;
const FORM: &str = "grant_type=http%3A%2F%2Fauth0.com%2Foauth%2Fgrant-type%2Fmfa-otp&client_id=app&otp=123456&mfa_token=s1.0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz";
const KEY_SET: &str = r#"{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"2026-01","e":"AQAB","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}]}"#;

fn jwt() -> String {
    let part = |text: &str| Base64UrlUnpadded::encode_string(text.as_bytes());
    format!("{}.{}.{}", part(HEADER), part(CLAIMS), Base64UrlUnpadded::encode_string(&[7; 256]))
}

fn read_jwt() -> Box<dyn Fn()> {
    let token = jwt();
    UntrustedJwt::parse(&token).expect("a token");
    repeat(move || drop(black_box(UntrustedJwt::parse(black_box(&token)))))
}

fn name_transaction() -> Box<dyn Fn()> {
    let token: &'static str = jwt().leak();
    let token = UntrustedJwt::parse(token).expect("a token");
    repeat(move || token.transaction())
}

fn decode(media_type: &str, body: &str) -> Box<dyn Fn()> {
    let request = Request {
        id: "0123456789abcdef".to_owned(),
        received_at: NOW,
        method: Method::Post,
        host: "mfa.example.com".to_owned(),
        path: "/oauth/token".to_owned(),
        query: String::new(),
        origin: Origin { address: None, network: None },
        country: None,
        headers: Headers { content_type: Some(media_type.to_owned()), ..Headers::default() },
        body: Body::Bytes(body.as_bytes().to_vec()),
        involved: Default::default(),
    };
    repeat(move || {
        let decoded = Undecoded::accept(&request, Accepted::JsonOrForm).and_then(Undecoded::decode);
        assert!(decoded.is_ok_and(|parameters| parameters.required("client_id").is_ok()));
    })
}

// --- Rules ---

fn find_region() -> Box<dyn Fn()> {
    let number = PhoneNumber::parse(NUMBER).expect("a number");
    let allowed = Allowed::only(&USUAL).expect("regions");
    repeat(move || {
        assert_eq!(region(&number), Some("49"));
        assert!(allowed.check(&number).is_ok());
    })
}

fn decide() -> Box<dyn Fn()> {
    let available = Available { factors: Factors::parse(None).expect("the default"), carried: [true; 3] };
    repeat(move || {
        let asked = EnrollmentRequest {
            authenticator_types: vec!["oob"],
            oob_channels: vec!["sms"],
            phone_number: Some(NUMBER),
            email: None,
        };
        assert!(choose(&asked, &available).is_ok());
    })
}

fn check_totp() -> Box<dyn Fn()> {
    let secret = TotpSecret::from_bytes([7; 20]);
    repeat(move || matching_step(&secret, black_box("123456"), NOW, 0))
}

// --- What is stored ---

fn keys() -> String {
    let key = |byte: u8| Base64UrlUnpadded::encode_string(&[byte; 32]);
    let (seal, hash) = (key(1), key(2));
    format!(
        r#"{{"seal":{{"use":"s1","keys":{{"s1":"{seal}"}}}},"hash":{{"use":"h1","keys":{{"h1":"{hash}"}}}}}}"#
    )
}

fn keyring() -> Keyring {
    Keyring::parse(&keys()).expect("keys")
}

fn seal() -> Box<dyn Fn()> {
    let keyring = keyring();
    repeat(move || keyring.seal(&PLACE, black_box(b"+4915123456789"), [5; 12]).is_ok())
}

fn open() -> Box<dyn Fn()> {
    let keyring = keyring();
    let sealed = keyring.seal(&PLACE, b"+4915123456789", [5; 12]).expect("a sealed text");
    repeat(move || assert!(keyring.open(&PLACE, &sealed).is_ok()))
}

fn hash() -> Box<dyn Fn()> {
    let keyring = keyring();
    repeat(move || keyring.hash("address", &[PLACE.user, "+4915123456789"]))
}

fn compare() -> Box<dyn Fn()> {
    let keyring = keyring();
    let parts = [PLACE.user, "+4915123456789"];
    let stored = keyring.hash("address", &parts);
    repeat(move || assert!(keyring.hash_matches("address", &parts, &stored).is_ok()))
}

// --- Whole requests ---

fn enroll(body: &'static str) -> Box<dyn Fn()> {
    whole_request::enrollment(body, &jwt(), KEY_SET, &keys())
}

// --- What is written ---

fn barcode_uri() -> String {
    let label = label(Some("ada@example.com"), None, "user-0123456789abcdef");
    otpauth_uri("Example & Söhne", &label, &TotpSecret::from_bytes([7; 20]).to_base32())
}

fn draw_qr() -> Box<dyn Fn()> {
    let uri = barcode_uri();
    repeat(move || qr_svg(&uri))
}

fn write_message(channel: Kind) -> Box<dyn Fn()> {
    let digits = Secret::new("123456".to_owned());
    repeat(move || {
        let languages = Languages::read("de-AT, de;q=0.9, en;q=0.8");
        let words = choose_words(CODE, Some(Kind::Totp), channel, &languages, "en", &[]);
        let about = About {
            tenant_name: "Example & Söhne",
            code: Some(Code { digits: &digits, minutes: 5 }),
            domain: "login.example.com",
        };
        compose(channel, &words, &about)
    })
}

fn write_list() -> Box<dyn Fn()> {
    repeat(|| {
        let items: Vec<Json<'_>> = ["totp", "sms", "email"]
            .iter()
            .map(|kind| {
                let mut item = Json::Object(Vec::new());
                item.set("id", format!("{kind}|dev_0123456789abcdef"));
                item.set("authenticator_type", "oob");
                item.set("active", true);
                item.set("type", "phone");
                item.set("oob_channel", *kind);
                item.set("name", Some("XXXXXXXX6789"));
                item.without_nulls()
            })
            .collect();
        Response::json(Dialect::Mfa, &items.into())
    })
}
