//! JSON, and bodies as named parameters.

use serde_json::Value;

use super::super::reference;
use super::text;
use crate::audit::Involved;
use crate::http::errors::WireError;
use crate::http::parameters::{Accepted, Parameters, Undecoded};
use crate::http::request::{Body, Headers, Method, Request};
use crate::json::{self, Json};
use crate::mfa::sending::Origin;
use crate::types::UnixSeconds;

/// The tree is what serde_json makes of the text, and reads back as it is written.
pub(super) fn json(input: &[u8]) {
    let (own, other) = (json::parse(input), serde_json::from_slice::<Value>(input));
    let own = match (own, other) {
        (Ok(own), Ok(other)) => {
            assert!(is_same(&own, &other));
            own
        }
        (Err(own), Err(_)) => {
            let line = input.split(|byte| *byte == b'\n').nth(own.line - 1).expect("a line");
            assert!((1..=line.len() + 1).contains(&own.column));
            return;
        }
        (Ok(_), Err(other)) if is_out_of_range(&other) => return,
        (own, other) => panic!("{:?} for {:?}", own.is_ok(), other.is_ok()),
    };
    assert_eq!(own.repeated().is_some(), reference::repeats(input));
    let written = own.write();
    let again = json::parse(written.as_bytes()).expect("what was written");
    assert_eq!(again.write(), written);
    if let Json::Object(members) = &own {
        assert!(own.unknown(&members.iter().map(|(name, _)| &**name).collect::<Vec<_>>()).is_none());
    }
}

/// serde_json keeps the values of numbers, and refuses those for which it has no room.
pub(super) fn is_out_of_range(error: &serde_json::Error) -> bool {
    error.to_string().starts_with("number out of range")
}

/// Of members that are given twice the last one counts, for both.
pub(super) fn is_same(own: &Json<'_>, other: &Value) -> bool {
    match (own, other) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(own), Value::Bool(other)) => own == other,
        (Json::Integer(own), Value::Number(other)) => other.as_i64() == Some(*own),
        // serde_json's is rounded, and its whole part with it.
        (Json::Fraction(own), Value::Number(other)) => {
            other.as_f64().is_some_and(|other| (other - *own as f64).abs() <= 1.0 + other.abs() * 1e-15)
        }
        (Json::OtherNumber, Value::Number(other)) => other.as_i64().is_none(),
        (Json::Text(own), Value::String(other)) => own == other,
        (Json::Array(own), Value::Array(other)) => {
            own.len() == other.len() && own.iter().zip(other).all(|(own, other)| is_same(own, other))
        }
        (Json::Object(own_members), Value::Object(other)) => {
            own_members.iter().all(|(name, _)| other.contains_key(&**name))
                && other.iter().all(|(name, value)| own.member(name).is_some_and(|own| is_same(own, value)))
        }
        _ => false,
    }
}

pub(super) fn request(content_type: &str, body: &[u8], headers: Headers) -> Request {
    Request {
        id: "request-1".to_owned(),
        received_at: UnixSeconds(0),
        method: Method::Post,
        host: "mfa.example.com".to_owned(),
        path: "/".to_owned(),
        query: String::new(),
        origin: Origin::default(),
        country: None,
        involved: Involved::default(),
        headers: Headers { content_type: Some(content_type.to_owned()), ..headers },
        body: Body::Bytes(body.to_vec()),
    }
}

pub(super) fn posted(content_type: &str, body: &[u8]) -> Request {
    request(content_type, body, Headers::default())
}

pub(super) fn decoded(request: &Request) -> Result<Parameters<'_>, WireError> {
    Undecoded::accept(request, Accepted::JsonOrForm)?.decode()
}

const NAMES: [&str; 4] = ["a", "otp", "list", "client_id"];

/// A body is an object of unique members, and each kind of parameter is what it is in it.
pub(super) fn json_parameters(input: &[u8]) {
    let posted_json = posted("application/json", input);
    let own = decoded(&posted_json);
    let object = match (text(input), serde_json::from_slice::<Value>(input)) {
        (None, _) => return assert_eq!(own.err(), Some(WireError::NotUtf8)),
        (_, Ok(Value::Object(object))) => object,
        (_, Err(other)) if is_out_of_range(&other) => {
            let tree = json::parse(input).ok().filter(|tree| tree.as_object().is_some());
            let is_taken = tree.is_some_and(|tree| tree.repeated().is_none());
            return assert_eq!(own.is_ok(), is_taken);
        }
        _ => return assert_eq!(own.err(), Some(WireError::NotAJsonObject)),
    };
    if reference::repeats(input) {
        return assert!(matches!(own.err(), Some(WireError::DuplicateParameter(_))));
    }
    let own = own.unwrap_or_else(|error| panic!("{error:?}"));
    for name in NAMES {
        let value = object.get(name);
        let strings = |values: &[Value]| {
            let strings: Option<Vec<_>> =
                values.iter().map(|value| value.as_str().map(str::to_owned)).collect();
            strings.filter(|strings| strings.len() <= 16)
        };
        let expected_text = match value {
            None => Some(None),
            Some(Value::String(text)) => Some(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => None,
        };
        assert_eq!(own.optional(name).ok(), expected_text);
        assert_eq!(own.required(name).ok(), expected_text.flatten());
        let list = value.and_then(Value::as_array).and_then(|values| strings(values));
        let own_list = |list: Result<Vec<&str>, WireError>| {
            list.ok().map(|texts| texts.into_iter().map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(own_list(own.required_list(name)), list.clone().filter(|list| !list.is_empty()));
        let or_text = match value {
            None => Some(Vec::new()),
            Some(Value::String(text)) => {
                Some(Some(text.clone()).filter(|text| !text.is_empty()).into_iter().collect())
            }
            Some(_) => list,
        };
        assert_eq!(own_list(own.list_or_string(name)), or_text);
        let flag = value.map_or(Some(false), Value::as_bool);
        assert_eq!(own.flag(name).ok(), flag);
        let code = match value {
            Some(Value::Number(number)) => {
                number.as_i64().filter(|number| *number >= 0).map(|number| format!("{number:0>6}"))
            }
            _ => expected_text.flatten().map(|text| text.split_whitespace().collect()),
        };
        assert_eq!(own.required_code(name).ok().map(|code| code.expose().to_owned()), code);
    }
    // The same request, written by somebody else (in the order of the names): the same fingerprint. Numbers that are not
    // kept may differ there.
    let again = posted("application/json", Value::Object(object).to_string().as_bytes());
    let again = decoded(&again).expect("an object");
    assert_eq!(again.fingerprint(&[]), own.fingerprint(&[]));
}

/// A form is what the URL standard makes of it, or refused.
pub(super) fn form_parameters(input: &[u8]) {
    let posted_form = posted("application/x-www-form-urlencoded", input);
    let own = decoded(&posted_form);
    let pairs = text(input).and_then(reference::form);
    // U+FFFD is taken for bytes that are no UTF-8, as the decoder puts it there.
    let is_readable =
        |(name, value): &(String, String)| !name.contains('\u{fffd}') && !value.contains('\u{fffd}');
    let Some(pairs) = pairs.filter(|pairs| pairs.iter().all(is_readable)) else {
        return assert_eq!(own.err(), Some(WireError::NotUtf8));
    };
    let mut names: Vec<_> = pairs.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    if names.len() < pairs.len() {
        return assert!(matches!(own.err(), Some(WireError::DuplicateParameter(_))));
    }
    let own = own.unwrap_or_else(|error| panic!("{error:?}"));
    for name in NAMES {
        let value = pairs.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
        assert_eq!(own.optional(name), Ok(value.filter(|value| !value.is_empty())));
        assert_eq!(
            own.list_or_string(name),
            Ok(value.into_iter().filter(|value| !value.is_empty()).collect())
        );
    }
    // As JSON it would be the same request.
    let object: serde_json::Map<_, _> =
        pairs.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    let posted_json = posted("application/json", Value::Object(object).to_string().as_bytes());
    let as_json = decoded(&posted_json).expect("an object");
    assert_eq!(as_json.fingerprint(&[]), own.fingerprint(&[]));
}
