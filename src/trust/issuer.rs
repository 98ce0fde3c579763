//! `TRUSTED_ISSUERS`: whose tokens count here, and for what.

use std::rc::Rc;

use super::http_url::HttpUrl;
use crate::algorithm::Algorithm;
use crate::json::{self, Json};

/// An identity provider that the operator trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedIssuer {
    /// The operator's name for it; with a subject it makes a user, so it never changes.
    pub name: String,
    /// The `iss` of its tokens, to the letter.
    pub issuer: String,
    /// Where its key set is; absent, its discovery document says so.
    pub jwks_uri: Option<String>,
    /// The algorithms that its tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// What a subject token may be for (token exchange).
    pub audiences: Vec<String>,
    /// What its tokens are good for.
    pub may: Permissions,
}

/// What the tokens of an issuer are good for. Each is opt-in by the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions {
    /// They may be exchanged at the token endpoint (RFC 8693).
    pub exchange: bool,
    /// It signs mfa_tokens itself.
    pub mfa_token: bool,
    /// It issues access tokens for the MFA audience.
    pub access_token: bool,
}

/// Reads `TRUSTED_ISSUERS`. `public_url` is the checked `PUBLIC_URL`, if that could be read.
///
/// # Errors
/// Sentences, the first with the variable as its subject, that say what is wrong and what would be right.
pub fn parse_all(json: &str, public_url: Option<&str>) -> Result<Vec<Rc<TrustedIssuer>>, String> {
    let entries = json::parse(json.as_bytes())
        .map_err(|error| format!("it is not JSON at line {}, column {}", error.line, error.column));
    let entries = entries.as_ref().map_err(String::clone).and_then(entries_of).map_err(|problem| {
        format!("must be a JSON array of issuers, [{{\"name\": …, \"issuer\": …}}], but: {problem}.")
    })?;
    if entries.is_empty() {
        return Err("must name at least one issuer: nobody could log in otherwise.".to_owned());
    }
    let mut problems = Vec::new();
    let mut issuers: Vec<Rc<TrustedIssuer>> = Vec::new();
    for entry in entries {
        let label = format!("Issuer \"{}\"", entry.name);
        match entry.check(public_url) {
            Err(found) => problems.extend(found.iter().map(|problem| format!("{label}: {problem}"))),
            Ok(issuer) if issuers.iter().any(|other| other.name == issuer.name) => {
                problems.push(format!("{label}: \"name\" must be unique."));
            }
            Ok(issuer) if issuers.iter().any(|other| other.issuer == issuer.issuer) => {
                problems.push(format!("{label}: \"issuer\" must be unique."));
            }
            Ok(issuer) => issuers.push(Rc::new(issuer)),
        }
    }
    if problems.is_empty() { Ok(issuers) } else { Err(format!("has problems. {}", problems.join(" "))) }
}

/// An entry as the operator writes it.
struct Entry {
    name: String,
    issuer: String,
    jwks_uri: Option<String>,
    algorithms: Option<Vec<String>>,
    audiences: Option<Vec<String>>,
    may: Option<Vec<String>>,
}

fn entries_of(written: &Json<'_>) -> Result<Vec<Entry>, String> {
    let entries = written.as_array().ok_or("it is something else")?.iter();
    (1..).zip(entries).map(|(number, entry)| Entry::read(number, entry)).collect()
}

impl Entry {
    /// `number` is its place in the list, from 1: it may have no name.
    fn read(number: usize, written: &Json<'_>) -> Result<Self, String> {
        const MEMBERS: [&str; 6] = ["name", "issuer", "jwks_uri", "algorithms", "audiences", "may"];
        if written.as_object().is_none() {
            return Err(format!("issuer {number} is something else than an object"));
        }
        if let Some(name) = written.unknown(&MEMBERS) {
            return Err(format!(
                "issuer {number} has the unknown member {name:?}; known are {}",
                MEMBERS.join(", ")
            ));
        }
        if let Some(name) = written.repeated() {
            return Err(format!("issuer {number} has the duplicate member {name:?}"));
        }
        let text = |name: &str| match written.member(name) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text.to_string())),
            Some(_) => Err(format!("{name:?} of issuer {number} is not a text")),
        };
        let list = |name: &str| match written.member(name) {
            None | Some(Json::Null) => Ok(None),
            Some(value) => match value.as_texts() {
                Some(texts) => Ok(Some(texts.into_iter().map(str::to_owned).collect())),
                None => Err(format!("{name:?} of issuer {number} is not an array of texts")),
            },
        };
        let required = |name: &str| text(name)?.ok_or_else(|| format!("issuer {number} has no {name:?}"));
        Ok(Self {
            name: required("name")?,
            issuer: required("issuer")?,
            jwks_uri: text("jwks_uri")?,
            algorithms: list("algorithms")?,
            audiences: list("audiences")?,
            may: list("may")?,
        })
    }

    fn check(self, public_url: Option<&str>) -> Result<TrustedIssuer, Vec<String>> {
        let mut problems = Vec::new();
        if !is_name(&self.name) {
            problems.push(
                "\"name\" must be 1 to 32 of a-z, 0-9, _ and -, beginning with a letter or digit.".to_owned(),
            );
        }
        problems.extend(issuer_problem(&self.issuer, public_url));
        if let Some(Err(problem)) = self.jwks_uri.as_deref().map(HttpUrl::parse_secure) {
            problems.push(format!("\"jwks_uri\" must be {problem}."));
        }
        let algorithms = algorithms(self.algorithms.as_deref()).unwrap_or_else(|problem| {
            problems.push(problem);
            Vec::new()
        });
        let may = permissions(self.may.as_deref()).unwrap_or_else(|problem| {
            problems.push(problem);
            Permissions::default()
        });
        let audiences = self.audiences.unwrap_or_default();
        if audiences.iter().any(String::is_empty) {
            problems.push("\"audiences\" must not hold empty texts.".to_owned());
        }
        if may.exchange && audiences.is_empty() {
            problems.push(
                "\"audiences\" must say what its tokens may be for, since they may be exchanged (or leave \
                 \"exchange\" out of \"may\")."
                    .to_owned(),
            );
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(TrustedIssuer {
            name: self.name,
            issuer: self.issuer,
            jwks_uri: self.jwks_uri,
            algorithms,
            audiences,
            may,
        })
    }
}

fn is_name(name: &str) -> bool {
    let begins_well =
        name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    begins_well && name.len() <= 32 && name.bytes().all(allowed)
}

fn issuer_problem(issuer: &str, public_url: Option<&str>) -> Option<String> {
    let url = match HttpUrl::parse_secure(issuer) {
        Ok(url) => url,
        Err(problem) => return Some(format!("\"issuer\" must be {problem}.")),
    };
    // OpenID Connect Discovery 1.0, section 3.
    if url.has_query() {
        return Some("\"issuer\" must be a URL without a query.".to_owned());
    }
    let is_own = matches!(url.path_and_query(), "" | "/") && public_url == Some(url.origin().as_str());
    is_own.then(|| "\"issuer\" must not be PUBLIC_URL: own tokens are checked with own keys.".to_owned())
}

fn algorithms(names: Option<&[String]>) -> Result<Vec<Algorithm>, String> {
    let Some(names) = names else { return Ok(vec![Algorithm::RS256]) };
    let known = Algorithm::ALL.map(Algorithm::as_str).join(", ");
    let algorithms: Option<Vec<_>> = names.iter().map(|name| Algorithm::parse(name)).collect();
    algorithms
        .filter(|algorithms| !algorithms.is_empty())
        .ok_or_else(|| format!("\"algorithms\" must name one or more of {known}."))
}

fn permissions(names: Option<&[String]>) -> Result<Permissions, String> {
    let Some(names) = names else { return Ok(Permissions { exchange: true, ..Permissions::default() }) };
    let problem = || "\"may\" must name one or more of exchange, mfa_token, access_token.".to_owned();
    let mut may = Permissions::default();
    for name in names {
        match name.as_str() {
            "exchange" => may.exchange = true,
            "mfa_token" => may.mfa_token = true,
            "access_token" => may.access_token = true,
            _ => return Err(problem()),
        }
    }
    if names.is_empty() { Err(problem()) } else { Ok(may) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(entries: &Value) -> Result<Vec<Rc<TrustedIssuer>>, String> {
        parse_all(&entries.to_string(), Some("https://mfa.example.com"))
    }

    fn minimal() -> Value {
        json!({ "name": "idp", "issuer": "https://idp.example.com/", "audiences": ["https://api.example.com"] })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut entry = minimal();
        entry[name] = value;
        json!([entry])
    }

    fn problem(entries: &Value) -> String {
        parse(entries).unwrap_err()
    }

    #[test]
    fn what_is_left_out_has_cautious_defaults() {
        let issuers = parse(&json!([minimal()])).unwrap();
        assert_eq!(issuers[0].algorithms, [Algorithm::RS256]);
        assert_eq!(issuers[0].jwks_uri, None);
        assert_eq!(issuers[0].may, Permissions { exchange: true, mfa_token: false, access_token: false });
    }

    #[test]
    fn everything_can_be_said() {
        let issuers = parse(&json!([{
            "name": "a_b-1", "issuer": "http://localhost:9999", "jwks_uri": "http://127.0.0.1:9999/keys",
            "algorithms": ["ES256", "EdDSA", "PS384"], "may": ["mfa_token", "access_token"],
        }]))
        .unwrap();
        assert_eq!(issuers[0].algorithms, [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS384]);
        assert_eq!(issuers[0].may, Permissions { exchange: false, mfa_token: true, access_token: true });
        assert_eq!(issuers[0].jwks_uri.as_deref(), Some("http://127.0.0.1:9999/keys"));
    }

    #[test]
    fn names_follow_the_pattern() {
        for name in ["idp", "0", "a_b-c", &"a".repeat(32)] {
            assert!(parse(&with("name", json!(name))).is_ok(), "{name}");
        }
        for name in ["", "Idp", "_a", "-a", "a|b", "a b", "\u{e4}", &"a".repeat(33)] {
            assert!(problem(&with("name", json!(name))).contains("\"name\" must be"), "{name}");
        }
    }

    #[test]
    fn names_and_issuers_are_unique() {
        let other = json!({ "name": "other", "issuer": "https://idp.example.com/", "may": ["mfa_token"] });
        assert!(problem(&json!([minimal(), other])).contains("\"issuer\" must be unique"));
        let other = json!({ "name": "idp", "issuer": "https://other.example.com/", "may": ["mfa_token"] });
        assert!(problem(&json!([minimal(), other])).contains("\"name\" must be unique"));
    }

    #[test]
    fn unknown_and_repeated_members_are_refused() {
        assert!(problem(&with("jwksUri", json!("https://idp.example.com/keys"))).contains("jwksUri"));
        let repeated = r#"[{"name":"a","name":"b","issuer":"https://idp.example.com/","may":["mfa_token"]}]"#;
        assert!(parse_all(repeated, None).unwrap_err().contains("duplicate"));
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        assert!(problem(&with("issuer", json!("http://idp.example.com/"))).contains("https://"));
        assert!(
            problem(&with("jwks_uri", json!("http://idp.example.com/keys"))).contains("\"jwks_uri\" must be")
        );
        assert!(problem(&with("issuer", json!("https://idp.example.com/?a"))).contains("without a query"));
        assert!(problem(&with("issuer", json!("idp.example.com"))).contains("absolute URL"));
    }

    #[test]
    fn this_server_is_never_a_trusted_issuer() {
        for own in [
            "https://mfa.example.com",
            "https://mfa.example.com/",
            "https://MFA.example.com/",
            "https://mfa.example.com:443/",
        ] {
            assert!(problem(&with("issuer", json!(own))).contains("must not be PUBLIC_URL"), "{own}");
        }
        assert!(parse(&with("issuer", json!("https://mfa.example.com/realms/staff"))).is_ok());
    }

    #[test]
    fn audiences_are_required_where_tokens_may_be_exchanged() {
        assert!(problem(&with("audiences", json!([]))).contains("\"audiences\" must say"));
        assert!(problem(&with("audiences", json!([""]))).contains("empty"));
        let mut entry = minimal();
        entry.as_object_mut().unwrap().remove("audiences");
        assert!(parse(&json!([entry.clone()])).is_err());
        entry["may"] = json!(["mfa_token"]);
        assert!(parse(&json!([entry])).is_ok());
    }

    #[test]
    fn algorithms_and_permissions_are_known_ones() {
        for bad in [json!([]), json!(["none"]), json!(["HS256"]), json!(["RS256", "rs256"])] {
            assert!(problem(&with("algorithms", bad.clone())).contains("\"algorithms\" must name"), "{bad}");
        }
        for bad in [json!([]), json!(["everything"])] {
            assert!(problem(&with("may", bad.clone())).contains("\"may\" must name"), "{bad}");
        }
    }

    #[test]
    fn what_is_no_array_of_objects_is_refused() {
        for bad in [
            json!({}),
            json!([]),
            json!([5]),
            json!([{}]),
            with("name", json!(5)),
            with("audiences", json!("a")),
        ] {
            assert!(parse(&bad).is_err(), "{bad}");
        }
        assert!(parse_all("[", None).is_err());
        assert!(parse_all("", None).is_err());
        let second =
            r#"[{"name":"a","issuer":"https://a.example/"},{"name":"b","isuer":"https://b.example/"}]"#;
        assert!(parse_all(second, None).unwrap_err().contains("issuer 2 has the unknown member \"isuer\""));
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let told = problem(&json!([{ "name": "A", "issuer": "x", "algorithms": [], "may": [] }]));
        for part in ["\"name\"", "\"issuer\"", "\"algorithms\"", "\"may\""] {
            assert!(told.contains(part), "{part} in {told}");
        }
    }
}
