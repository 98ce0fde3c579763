//! Request bodies as named parameters: JSON or form, decoded strictly.

use sha2::{Digest, Sha256};

use super::errors::WireError;
use super::request::{Body, Request};
use crate::json::{self, Json};
use crate::types::Secret;

/// The members of a body, an object. Unknown ones are kept and ignored, as clients send more than they must.
pub struct Parameters<'a>(Json<'a>);

/// Which bodies an endpoint takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// `application/json`.
    Json,
    /// `application/json` or `application/x-www-form-urlencoded`.
    JsonOrForm,
}

/// How a body is to be read, once its length and content type have been accepted.
#[derive(Debug)]
pub struct Undecoded<'a> {
    bytes: &'a [u8],
    form: bool,
}

impl<'a> Undecoded<'a> {
    /// The first look at a body: 413 and 415, before any work is done for it.
    pub fn accept(request: &'a Request, accepted: Accepted) -> Result<Self, WireError> {
        let bytes = match &request.body {
            Body::Bytes(bytes) => bytes,
            Body::TooLarge => return Err(WireError::PayloadTooLarge),
            Body::Unreadable => return Err(WireError::UnreadableBody),
        };
        match (request.media_type().as_deref(), accepted) {
            (Some("application/json"), _) => Ok(Self { bytes, form: false }),
            (Some("application/x-www-form-urlencoded"), Accepted::JsonOrForm) => {
                Ok(Self { bytes, form: true })
            }
            (_, Accepted::Json) => Err(WireError::UnsupportedMediaType("application/json")),
            (_, Accepted::JsonOrForm) => {
                Err(WireError::UnsupportedMediaType("application/json or application/x-www-form-urlencoded"))
            }
        }
    }

    /// The parameters, or what is wrong with the text.
    pub fn decode(self) -> Result<Parameters<'a>, WireError> {
        let text = std::str::from_utf8(self.bytes).map_err(|_| WireError::NotUtf8)?;
        if self.form { decode_form(text) } else { decode_json(text) }
    }
}

fn decode_json(text: &str) -> Result<Parameters<'_>, WireError> {
    match json::parse(text.as_bytes()) {
        Ok(object @ Json::Object(_)) => Parameters::unique(object),
        _ => Err(WireError::NotAJsonObject),
    }
}

fn decode_form(text: &str) -> Result<Parameters<'_>, WireError> {
    let mut members = Vec::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        // The decoder puts U+FFFD where the escapes are no UTF-8.
        if name.contains('\u{FFFD}') || value.contains('\u{FFFD}') {
            return Err(WireError::NotUtf8);
        }
        members.push((name, Json::from(value)));
    }
    Parameters::unique(Json::Object(members))
}

impl<'a> Parameters<'a> {
    /// In a form, request parameters must not be included more than once (RFC 6749, section 3.2); the same holds here
    /// for JSON.
    fn unique(object: Json<'a>) -> Result<Self, WireError> {
        match object.repeated() {
            Some(name) => Err(WireError::DuplicateParameter(name.to_owned())),
            None => Ok(Self(object)),
        }
    }

    /// The string `name`. Absent and empty count the same: a form sends an empty string for "none".
    pub fn optional(&self, name: &'static str) -> Result<Option<&str>, WireError> {
        match self.0.member(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(&**text).filter(|text| !text.is_empty())),
            Some(_) => Err(WireError::NotAString(name)),
        }
    }

    /// The string `name`, which must be there.
    pub fn required(&self, name: &'static str) -> Result<&str, WireError> {
        self.optional(name)?.ok_or(WireError::MissingParameter(name))
    }

    /// The strings `name`: an array of which there must be one.
    pub fn required_list(&self, name: &'static str) -> Result<Vec<&str>, WireError> {
        match self.0.member(name) {
            None => Err(WireError::MissingParameter(name)),
            Some(Json::Array(items)) if items.is_empty() => Err(WireError::MissingParameter(name)),
            Some(Json::Array(items)) => strings(name, items),
            Some(_) => Err(WireError::NotStrings(name)),
        }
    }

    /// The strings `name`: an array, or a lone string, as old samples send it. None where it is absent, or an empty string.
    pub fn list_or_string(&self, name: &'static str) -> Result<Vec<&str>, WireError> {
        match self.0.member(name) {
            None => Ok(Vec::new()),
            Some(Json::Text(text)) if text.is_empty() => Ok(Vec::new()),
            Some(Json::Text(text)) => Ok(vec![&**text]),
            Some(Json::Array(items)) => strings(name, items),
            Some(_) => Err(WireError::NotStrings(name)),
        }
    }

    /// The boolean `name`; absent is false.
    pub fn flag(&self, name: &'static str) -> Result<bool, WireError> {
        match self.0.member(name) {
            None => Ok(false),
            Some(Json::Bool(flag)) => Ok(*flag),
            Some(_) => Err(WireError::NotABoolean(name)),
        }
    }

    /// The same for the same parameters, in whatever order, spelling of JSON or kind of body; `except` does not count.
    #[must_use]
    pub fn fingerprint(&self, except: &[&str]) -> String {
        let members = self.0.as_object().into_iter().flatten();
        // In boxes, which are no larger than what is in them: a body may have thousands of members.
        let written: Vec<Box<str>> = members
            .filter(|(name, _)| !except.contains(&&**name))
            .map(|member| Json::Object(vec![member.clone()]).write().into())
            .collect();
        let mut sorted: Vec<&str> = written.iter().map(|member| &**member).collect();
        sorted.sort_unstable();
        base16ct::lower::encode_string(&Sha256::digest(sorted.join("")))
    }

    /// A six-digit code. JSON clients may send it as a number, which drops its leading zeros, and people type it as their app
    /// shows it, in two halves.
    pub fn required_code(&self, name: &'static str) -> Result<Secret, WireError> {
        match self.0.member(name) {
            Some(Json::Integer(number @ 0..)) => Ok(Secret::new(format!("{number:06}"))),
            _ => {
                let typed = self.required(name)?;
                Ok(Secret::new(typed.chars().filter(|character| !character.is_whitespace()).collect()))
            }
        }
    }
}

/// More elements than any list that is asked for here can have.
const MAXIMUM_ELEMENTS: usize = 16;

fn strings<'a>(name: &'static str, items: &'a [Json<'_>]) -> Result<Vec<&'a str>, WireError> {
    if items.len() > MAXIMUM_ELEMENTS {
        return Err(WireError::TooLong(name));
    }
    items.iter().map(|item| item.as_text().ok_or(WireError::NotStrings(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request::{Headers, Method};
    use crate::mfa::sending::Origin;
    use crate::types::UnixSeconds;

    fn request(content_type: Option<&str>, body: Body) -> Request {
        Request {
            id: "request".into(),
            received_at: UnixSeconds(0),
            method: Method::Post,
            host: "mfa.example.com".into(),
            path: "/".into(),
            query: String::new(),
            origin: Origin::default(),
            country: None,
            headers: Headers { content_type: content_type.map(Into::into), ..Headers::default() },
            body,
            involved: Default::default(),
        }
    }

    fn json(text: &str) -> Result<Parameters<'_>, WireError> {
        Undecoded { bytes: text.as_bytes(), form: false }.decode()
    }

    fn form(text: &str) -> Result<Parameters<'_>, WireError> {
        Undecoded { bytes: text.as_bytes(), form: true }.decode()
    }

    fn refusal<T>(result: Result<T, WireError>) -> WireError {
        result.err().unwrap()
    }

    #[test]
    fn the_content_type_is_compared_without_parameters_and_case() {
        for accepted in ["application/json", "Application/JSON; charset=utf-8"] {
            let request = request(Some(accepted), Body::Bytes(b"{}".to_vec()));
            assert!(Undecoded::accept(&request, Accepted::Json).is_ok(), "{accepted}");
        }
        for refused in
            [None, Some("text/plain"), Some("application/jsonx"), Some("application/x-www-form-urlencoded")]
        {
            let request = request(refused, Body::Bytes(b"{}".to_vec()));
            assert_eq!(
                refusal(Undecoded::accept(&request, Accepted::Json)),
                WireError::UnsupportedMediaType("application/json"),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn a_long_body_is_refused_before_its_content_type_is_looked_at() {
        let request = request(None, Body::TooLarge);
        assert_eq!(refusal(Undecoded::accept(&request, Accepted::Json)), WireError::PayloadTooLarge);
    }

    #[test]
    fn only_an_object_is_a_body() {
        for text in ["", "null", "[]", "\"text\"", "1", "{", "{} {}", "{\"a\":}"] {
            assert_eq!(refusal(json(text)), WireError::NotAJsonObject, "{text}");
        }
        let latin1 = Undecoded { bytes: b"{\"name\":\"\xe9\"}", form: false };
        assert_eq!(refusal(latin1.decode()), WireError::NotUtf8);
    }

    #[test]
    fn a_repeated_member_is_named() {
        assert_eq!(
            refusal(json(r#"{"otp":"1","other":2,"otp":"2"}"#)),
            WireError::DuplicateParameter("otp".into())
        );
        assert_eq!(refusal(form("otp=1&otp=2")), WireError::DuplicateParameter("otp".into()));
    }

    #[test]
    fn strings_are_strings_and_null_is_not_absent() {
        let parameters = json(r#"{"text":"a","empty":"","null":null,"number":1}"#).unwrap();
        assert_eq!(parameters.optional("text"), Ok(Some("a")));
        assert_eq!(parameters.optional("empty"), Ok(None));
        assert_eq!(parameters.optional("absent"), Ok(None));
        assert_eq!(parameters.optional("null"), Err(WireError::NotAString("null")));
        assert_eq!(parameters.optional("number"), Err(WireError::NotAString("number")));
        assert_eq!(parameters.required("empty"), Err(WireError::MissingParameter("empty")));
    }

    #[test]
    fn a_list_is_an_array_of_strings_and_where_it_is_tolerated_a_lone_string() {
        let parameters =
            json(r#"{"list":["a","b"],"lone":"a","empty":[],"mixed":["a",1],"null":null,"map":{}}"#).unwrap();
        assert_eq!(parameters.required_list("list"), Ok(vec!["a", "b"]));
        assert_eq!(parameters.list_or_string("list"), Ok(vec!["a", "b"]));
        assert_eq!(parameters.required_list("lone"), Err(WireError::NotStrings("lone")));
        assert_eq!(parameters.list_or_string("lone"), Ok(vec!["a"]));
        for name in ["empty", "absent"] {
            assert_eq!(parameters.required_list(name), Err(WireError::MissingParameter(name)));
            assert_eq!(parameters.list_or_string(name), Ok(vec![]));
        }
        for name in ["mixed", "null", "map"] {
            assert_eq!(parameters.required_list(name), Err(WireError::NotStrings(name)));
            assert_eq!(parameters.list_or_string(name), Err(WireError::NotStrings(name)));
        }
    }

    #[test]
    fn a_code_sent_as_a_number_gets_its_leading_zeros_back_and_one_in_two_halves_is_joined() {
        let parameters = json(
            r#"{"otp":42,"text":"000042","halves":" 000 042\n","negative":-1,"fraction":1.5,"null":null}"#,
        )
        .unwrap();
        assert_eq!(parameters.required_code("otp").unwrap().expose(), "000042");
        assert_eq!(parameters.required_code("text").unwrap().expose(), "000042");
        assert_eq!(parameters.required_code("halves").unwrap().expose(), "000042");
        for name in ["negative", "fraction", "null"] {
            assert_eq!(parameters.required_code(name), Err(WireError::NotAString(name)));
        }
        assert_eq!(parameters.required_code("absent"), Err(WireError::MissingParameter("absent")));
    }

    #[test]
    fn a_fingerprint_knows_what_is_asked_and_not_how_it_is_written() {
        let of = |parameters: Result<Parameters, WireError>| parameters.unwrap().fingerprint(&["secret"]);
        let asked = of(json(r#"{"a":"1","b":["x"],"secret":"s"}"#));
        for same in [r#"{ "b": ["x"], "a": "\u0031" }"#, r#"{"secret":"t","a":"1","b":["x"]}"#] {
            assert_eq!(of(json(same)), asked, "{same}");
        }
        for other in [
            r#"{"a":"1"}"#,
            r#"{"a":"1","b":["y"]}"#,
            r#"{"a":"1","b":"x"}"#,
            r#"{"a":"1","b":["x"],"c":""}"#,
        ] {
            assert_ne!(of(json(other)), asked, "{other}");
        }
        assert_eq!(of(form("a=1&c=2")), of(json(r#"{"a":"1","c":"2"}"#)));
    }

    #[test]
    fn forms_are_decoded_and_their_escapes_must_be_utf8() {
        let parameters = form("grant_type=http%3A%2F%2Fauth0.com%2Fx&name=a+b&empty=").unwrap();
        assert_eq!(parameters.required("grant_type"), Ok("http://auth0.com/x"));
        assert_eq!(parameters.required("name"), Ok("a b"));
        assert_eq!(parameters.optional("empty"), Ok(None));
        assert_eq!(refusal(form("name=%E9")), WireError::NotUtf8);
    }
}
