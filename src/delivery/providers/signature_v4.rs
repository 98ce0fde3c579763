//! AWS Signature Version 4, as "Create a signed AWS API request" (IAM User Guide) describes it, for requests without a
//! query.

use chrono::{DateTime, Datelike, Timelike};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::types::{Secret, UnixSeconds};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Who signs, and for what the signature is good.
pub(super) struct Signer<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) secret_access_key: &'a Secret,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// What is signed of a request.
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    /// Of characters that need no encoding.
    pub(super) path: &'a str,
    /// Names in lower case and in their order; `host` and `x-amz-date` among them.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a str,
}

impl Signer<'_> {
    /// The header `Authorization`; `date` is what `x-amz-date` says.
    pub(super) fn authorization(&self, date: &Date, request: &Signed<'_>) -> Option<String> {
        let Self { access_key_id, region, service, .. } = self;
        let scope = format!("{}/{region}/{service}/aws4_request", date.day);
        let names: Vec<_> = request.headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let canonical = canonical(request, &names);
        let to_sign = format!("{ALGORITHM}\n{}\n{scope}\n{}", date.time, hex(&Sha256::digest(canonical)));

        let secret = Zeroizing::new(format!("AWS4{}", self.secret_access_key.expose()));
        let mut key = Zeroizing::new(secret.as_bytes().to_vec());
        for part in [date.day.as_str(), region, service, "aws4_request"] {
            key = Zeroizing::new(mac(&key, part)?);
        }
        let signature = hex(&mac(&key, &to_sign)?);
        Some(format!(
            "{ALGORITHM} Credential={access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
        ))
    }
}

fn canonical(request: &Signed<'_>, names: &str) -> String {
    let Signed { method, path, headers, body } = request;
    let headers: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    // The empty line stands for the query.
    format!("{method}\n{path}\n\n{headers}\n{names}\n{}", hex(&Sha256::digest(body)))
}

/// A time as signatures have it.
pub(super) struct Date {
    /// `20150830T123600Z`
    pub(super) time: String,
    day: String,
}

impl Date {
    pub(super) fn of(at: UnixSeconds) -> Option<Self> {
        let at = DateTime::from_timestamp(at.0, 0)?;
        let day = format!("{:04}{:02}{:02}", at.year(), at.month(), at.day());
        let time = format!("{day}T{:02}{:02}{:02}Z", at.hour(), at.minute(), at.second());
        Some(Self { time, day })
    }
}

fn mac(key: &[u8], text: &str) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(text.as_bytes());
    Some(mac.finalize().into_bytes().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Key, region, service and time of AWS's "Signature Version 4 test suite".
    fn signed(request: &Signed<'_>) -> String {
        let secret_access_key = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned());
        let signer = Signer {
            access_key_id: "AKIDEXAMPLE",
            secret_access_key: &secret_access_key,
            region: "us-east-1",
            service: "service",
        };
        let date = Date::of(UnixSeconds(1_440_938_160)).unwrap();
        assert_eq!(date.time, "20150830T123600Z");
        signer.authorization(&date, request).unwrap()
    }

    fn expected(headers: &str, signature: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders={headers}, Signature={signature}"
        )
    }

    #[test]
    fn get_vanilla_of_the_test_suite() {
        let request = Signed {
            method: "GET",
            path: "/",
            headers: &[("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")],
            body: "",
        };
        let signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        assert_eq!(signed(&request), expected("host;x-amz-date", signature));
    }

    #[test]
    fn post_x_www_form_urlencoded_of_the_test_suite() {
        let request = Signed {
            method: "POST",
            path: "/",
            headers: &[
                ("content-type", "application/x-www-form-urlencoded"),
                ("host", "example.amazonaws.com"),
                ("x-amz-date", "20150830T123600Z"),
            ],
            body: "Param1=value1",
        };
        let signature = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a";
        assert_eq!(signed(&request), expected("content-type;host;x-amz-date", signature));
    }

    #[test]
    fn every_part_of_a_request_is_signed() {
        let right = Signed { method: "POST", path: "/a", headers: &[("host", "h")], body: "b" };
        let all = [
            Signed { method: "PUT", ..right },
            Signed { path: "/b", ..right },
            Signed { headers: &[("host", "i")], ..right },
            Signed { body: "c", ..right },
        ];
        for other in all {
            assert_ne!(signed(&other), signed(&right));
        }
    }
}
