//! JWTs before anybody vouches for them (RFC 7519, RFC 8725): strict parsing, strict claims, time checks.

use sha2::{Digest, Sha256};

use super::jwk::Thumbprint;
use crate::algorithm::Algorithm;
use crate::audit::Reason;
use crate::base64url;
use crate::json::{self, Json};
use crate::types::{Scopes, TransactionId, UnixSeconds};

/// A longer token is refused before anything of it is read.
pub const MAXIMUM_TOKEN_BYTES: usize = 8 * 1024;

/// How far an issuer's clock may be off.
pub const CLOCK_SKEW_SECONDS: i64 = 60;

/// The longest `sub` of an issuer (OpenID Connect Core 1.0 section 2).
pub const MAXIMUM_SUBJECT_BYTES: usize = 255;

/// The longest identifier: the `sub` of own tokens has an issuer's name and a bar in front.
const MAXIMUM_IDENTIFIER_BYTES: usize = MAXIMUM_SUBJECT_BYTES + 33;

/// The end of year 9999; later times are mistakes, such as milliseconds.
const LATEST_TIME: i64 = 253_402_300_799;

/// A JWT whose form is right and whose signature has not been looked at.
#[derive(Debug)]
pub struct UntrustedJwt<'a> {
    header: Header,
    claims: Claims,
    signing_input: &'a str,
    signature: Vec<u8>,
}

impl<'a> UntrustedJwt<'a> {
    /// Reads the compact form (RFC 7515 section 7.1).
    ///
    /// `jku`, `jwk`, `x5u` and `x5c` are not looked at: where keys come from is the operator's decision alone.
    ///
    /// # Errors
    /// What is wrong with the form.
    pub fn parse(text: &'a str) -> Result<Self, JwtError> {
        if text.len() > MAXIMUM_TOKEN_BYTES {
            return Err(JwtError::TooLong);
        }
        let (signing_input, signature) = text.rsplit_once('.').ok_or(JwtError::NotAJwt)?;
        let (header, payload) = signing_input.split_once('.').ok_or(JwtError::NotAJwt)?;
        let decoded = |part| base64url::decode(part).ok_or(JwtError::NotAJwt);
        let (header, payload, signature) = (decoded(header)?, decoded(payload)?, decoded(signature)?);
        Ok(Self {
            header: Header::parse(&header)?,
            claims: Claims::parse(&payload)?,
            signing_input,
            signature,
        })
    }

    /// `alg`.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.header.algorithm
    }

    /// `kid`.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.header.key_id.as_deref()
    }

    /// `typ` in lower case and without the optional `application/` (RFC 7515 section 4.1.9).
    #[must_use]
    pub fn media_type(&self) -> Option<String> {
        let written = self.header.media_type.as_deref()?.to_ascii_lowercase();
        Some(written.strip_prefix("application/").map(str::to_owned).unwrap_or(written))
    }

    /// The claims, which anybody may have written.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// What the signature is over.
    #[must_use]
    pub fn signing_input(&self) -> &'a str {
        self.signing_input
    }

    /// The signature's bytes.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The login that this token stands for: SHA-256 of the signing input. The signature stays out of it, because one
    /// text can have several valid ones.
    #[must_use]
    pub fn transaction(&self) -> TransactionId {
        TransactionId(base64url::encode(&Sha256::digest(self.signing_input.as_bytes())))
    }
}

/// The members of the JOSE header that count here (RFC 7515 section 4.1).
#[derive(Debug)]
struct Header {
    algorithm: Algorithm,
    key_id: Option<String>,
    media_type: Option<String>,
}

impl Header {
    fn parse(json: &[u8]) -> Result<Self, JwtError> {
        let header = json::parse(json).map_err(|_| JwtError::MalformedHeader)?;
        if header.as_object().is_none() || header.repeated().is_some() {
            return Err(JwtError::MalformedHeader);
        }
        // Whatever it holds: no extension is understood here (RFC 7515 section 4.1.11).
        if header.member("crit").is_some() {
            return Err(JwtError::CriticalExtension);
        }
        let read = |name| Reader(&header).text(name).map_err(|_| JwtError::MalformedHeader);
        let algorithm = read("alg")?.ok_or(JwtError::MalformedHeader)?;
        Ok(Self {
            algorithm: Algorithm::parse(&algorithm).ok_or(JwtError::UnsupportedAlgorithm)?,
            key_id: read("kid")?,
            media_type: read("typ")?,
        })
    }
}

/// The claims that Countersign knows. Claims of others are ignored; a known one of a wrong type makes the token
/// malformed, JSON's `null` counts as absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// `iss`.
    pub issuer: Option<String>,
    /// `sub`: 1 to 255 bytes without control characters.
    pub subject: Option<String>,
    /// `aud`, a string or an array of strings.
    pub audiences: Vec<String>,
    /// `exp`.
    pub expires_at: Option<UnixSeconds>,
    /// `nbf`.
    pub not_before: Option<UnixSeconds>,
    /// `iat`.
    pub issued_at: Option<UnixSeconds>,
    /// `azp`, the client (OpenID Connect Core 1.0 section 2).
    pub authorized_party: Option<String>,
    /// `client_id` (RFC 9068 section 2.2).
    pub client_id: Option<String>,
    /// `scope`, space-separated or, as some issuers have it, an array.
    pub scopes: Option<Scopes>,
    /// `token_use`.
    pub token_use: Option<String>,
    /// `amr` (RFC 8176); of issuers that write objects, their `method`.
    pub authentication_methods: Vec<String>,
    /// `auth_time`.
    pub authenticated_at: AuthenticationTime,
    /// `jti`.
    pub token_id: Option<String>,
    /// `email`.
    pub email: Option<String>,
    /// `locale`.
    pub locale: Option<String>,
    /// `email_verified`; the strings of some issuers count as well.
    pub email_verified: bool,
    /// `name`.
    pub name: Option<String>,
    /// `audience` of an mfa_token: what the final token is to be for.
    pub final_audience: Option<String>,
    /// `jkt` of `cnf`, the key that the token is bound to (RFC 9449 section 6.1). A token that is bound in another way is
    /// malformed: it must not pass for one that anybody may present.
    pub confirmation_key: Option<Thumbprint>,
}

impl Claims {
    /// Reads a claims set.
    ///
    /// # Errors
    /// [`JwtError::MalformedClaims`], [`JwtError::DuplicateClaim`], or which claim has a wrong type.
    pub fn parse(json: &[u8]) -> Result<Self, JwtError> {
        let claims = json::parse(json).map_err(|_| JwtError::MalformedClaims)?;
        if claims.as_object().is_none() {
            return Err(JwtError::MalformedClaims);
        }
        if claims.repeated().is_some() {
            return Err(JwtError::DuplicateClaim);
        }
        let read = Reader(&claims);
        Ok(Self {
            issuer: read.text("iss")?,
            subject: read.identifier("sub")?,
            audiences: read.texts("aud")?,
            expires_at: read.time("exp")?,
            not_before: read.time("nbf")?,
            issued_at: read.time("iat")?,
            authorized_party: read.identifier("azp")?,
            client_id: read.identifier("client_id")?,
            scopes: read.scopes("scope")?,
            token_use: read.text("token_use")?,
            authentication_methods: read.methods("amr")?,
            authenticated_at: read.authentication_time("auth_time"),
            token_id: read.text("jti")?,
            email: read.text("email")?,
            email_verified: read.flag("email_verified")?,
            name: read.text("name")?,
            // A courtesy: some issuers write an object here.
            locale: read.text("locale").unwrap_or_default(),
            final_audience: read.text("audience")?,
            confirmation_key: read.confirmation_key("cnf")?,
        })
    }

    /// The client that the token names: `azp`, else `client_id`.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.authorized_party.as_deref().or(self.client_id.as_deref())
    }

    /// Whether `now` is within the token's time, give or take `leeway` seconds: `exp` is required, `nbf` and `iat` must
    /// not be in the future.
    ///
    /// # Errors
    /// Which of them is not so.
    pub fn check_times(&self, now: UnixSeconds, leeway: i64) -> Result<(), TimeError> {
        let ahead = now.plus(leeway);
        if self.expires_at.ok_or(TimeError::NoExpiry)?.plus(leeway) < now {
            return Err(TimeError::Expired);
        }
        if self.not_before.is_some_and(|time| time > ahead) {
            return Err(TimeError::NotYetValid);
        }
        if self.issued_at.is_some_and(|time| time > ahead) {
            return Err(TimeError::IssuedInTheFuture);
        }
        Ok(())
    }
}

/// What `auth_time` says. It is for the reader of the claim to mind that it cannot be read: auth0.net writes it as text,
/// with a fraction, into client assertions, where it means nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AuthenticationTime {
    /// Nothing.
    #[default]
    Unsaid,
    /// When the person was authenticated.
    At(UnixSeconds),
    /// No time.
    Unreadable,
}

/// What is wrong with a token's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwtError {
    /// Over 8 KB.
    TooLong,
    /// Not three base64url texts with dots between them.
    NotAJwt,
    /// The header is no JSON object with a string `alg`, or a known member has a wrong type.
    MalformedHeader,
    /// The header has `crit`.
    CriticalExtension,
    /// `alg` is none of [`Algorithm::ALL`].
    UnsupportedAlgorithm,
    /// The claims are not a JSON object.
    MalformedClaims,
    /// The claims have a member twice.
    DuplicateClaim,
    /// This claim has a wrong type or an impossible value.
    Claim(&'static str),
}

impl JwtError {
    /// As events say it.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::TooLong => "too_long".into(),
            Self::NotAJwt => "not_a_jwt".into(),
            Self::MalformedHeader => "malformed_header".into(),
            Self::CriticalExtension => "critical_extension".into(),
            Self::UnsupportedAlgorithm => "unsupported_algorithm".into(),
            Self::MalformedClaims => "malformed_claims".into(),
            Self::DuplicateClaim => "duplicate_claim".into(),
            Self::Claim(name) => Reason::about("malformed_claim", name),
        }
    }
}

/// Which time forbids the use of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeError {
    /// There is no `exp`.
    NoExpiry,
    /// `exp` has passed.
    Expired,
    /// `nbf` is in the future.
    NotYetValid,
    /// `iat` is in the future.
    IssuedInTheFuture,
}

impl TimeError {
    /// As events say it.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::NoExpiry => "no_expiry",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::IssuedInTheFuture => "issued_in_the_future",
        }
        .into()
    }
}

/// Reads typed claims, each by its name.
struct Reader<'a>(&'a Json<'a>);

impl<'a> Reader<'a> {
    fn member(&self, name: &str) -> Option<&'a Json<'a>> {
        self.0.member(name).filter(|value| !matches!(value, Json::Null))
    }

    fn text(&self, name: &'static str) -> Result<Option<String>, JwtError> {
        match self.member(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text.to_string())),
            Some(_) => Err(JwtError::Claim(name)),
        }
    }

    fn identifier(&self, name: &'static str) -> Result<Option<String>, JwtError> {
        let text = self.text(name)?;
        let is_sane = |text: &String| {
            (1..=MAXIMUM_IDENTIFIER_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
        };
        if text.as_ref().is_none_or(is_sane) { Ok(text) } else { Err(JwtError::Claim(name)) }
    }

    fn texts(&self, name: &'static str) -> Result<Vec<String>, JwtError> {
        let text = |value: &Json<'_>| value.as_text().map(str::to_owned).ok_or(JwtError::Claim(name));
        match self.member(name) {
            None => Ok(Vec::new()),
            Some(Json::Array(values)) => values.iter().map(text).collect(),
            Some(value) => Ok(vec![text(value)?]),
        }
    }

    fn scopes(&self, name: &'static str) -> Result<Option<Scopes>, JwtError> {
        let values = self.texts(name)?;
        Ok(self.member(name).map(|_| Scopes::parse(&values.join(" "))))
    }

    fn methods(&self, name: &'static str) -> Result<Vec<String>, JwtError> {
        let method = |value: &Json<'_>| {
            let text = value.as_text().or_else(|| value.text("method"));
            text.map(str::to_owned).ok_or(JwtError::Claim(name))
        };
        match self.member(name) {
            None => Ok(Vec::new()),
            Some(Json::Array(values)) => values.iter().map(method).collect(),
            Some(value) => Ok(vec![method(value)?]),
        }
    }

    fn flag(&self, name: &'static str) -> Result<bool, JwtError> {
        match self.member(name) {
            None => Ok(false),
            Some(Json::Bool(flag)) => Ok(*flag),
            Some(Json::Text(text)) if text == "true" => Ok(true),
            Some(Json::Text(text)) if text == "false" => Ok(false),
            Some(_) => Err(JwtError::Claim(name)),
        }
    }

    fn confirmation_key(&self, name: &'static str) -> Result<Option<Thumbprint>, JwtError> {
        let Some(confirmation) = self.member(name) else { return Ok(None) };
        let key = confirmation.text("jkt").and_then(Thumbprint::parse);
        key.filter(|_| confirmation.repeated().is_none()).map(Some).ok_or(JwtError::Claim(name))
    }

    /// A NumericDate (RFC 7519, section 2), which may have a fraction; the second that it is in counts.
    fn time(&self, name: &'static str) -> Result<Option<UnixSeconds>, JwtError> {
        match self.member(name) {
            None => Ok(None),
            Some(Json::Integer(seconds) | Json::Fraction(seconds)) if (0..=LATEST_TIME).contains(seconds) => {
                Ok(Some(UnixSeconds(*seconds)))
            }
            Some(_) => Err(JwtError::Claim(name)),
        }
    }

    fn authentication_time(&self, name: &'static str) -> AuthenticationTime {
        match self.time(name) {
            Ok(Some(time)) => AuthenticationTime::At(time),
            Ok(None) => AuthenticationTime::Unsaid,
            Err(_) => AuthenticationTime::Unreadable,
        }
    }
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64UrlUnpadded, Encoding};
    use serde_json::{Value, json};

    use super::*;

    fn token(header: &str, claims: &str) -> String {
        format!(
            "{}.{}.c2ln",
            Base64UrlUnpadded::encode_string(header.as_bytes()),
            Base64UrlUnpadded::encode_string(claims.as_bytes())
        )
    }

    fn header_error(header: &str) -> Option<JwtError> {
        UntrustedJwt::parse(&token(header, "{}")).err()
    }

    fn claims(value: Value) -> Result<Claims, JwtError> {
        Claims::parse(value.to_string().as_bytes())
    }

    #[test]
    fn a_token_comes_apart_into_its_pieces() {
        let text = token(r#"{"alg":"RS256","kid":"k1","typ":"Application/MFA+jwt"}"#, r#"{"sub":"alice"}"#);
        let jwt = UntrustedJwt::parse(&text).unwrap();
        assert_eq!(jwt.algorithm(), Algorithm::RS256);
        assert_eq!(jwt.key_id(), Some("k1"));
        assert_eq!(jwt.media_type().as_deref(), Some("mfa+jwt"));
        assert_eq!(jwt.claims().subject.as_deref(), Some("alice"));
        assert_eq!(jwt.signing_input(), text.strip_suffix(".c2ln").unwrap());
        assert_eq!(jwt.signature(), b"sig");
    }

    #[test]
    fn a_transaction_is_the_signing_input_and_not_the_signature() {
        let text = token(r#"{"alg":"RS256"}"#, "{}");
        let other_signature = text.replace(".c2ln", ".c2lm");
        let transaction = UntrustedJwt::parse(&text).unwrap().transaction();
        assert_eq!(UntrustedJwt::parse(&other_signature).unwrap().transaction(), transaction);
        assert_eq!(transaction.as_str().len(), 43);
        let other = token(r#"{"alg":"RS256"}"#, r#"{"jti":"2"}"#);
        assert_ne!(UntrustedJwt::parse(&other).unwrap().transaction(), transaction);
    }

    #[test]
    fn a_long_token_is_refused_unread() {
        let fits = "a".repeat(MAXIMUM_TOKEN_BYTES);
        assert_eq!(UntrustedJwt::parse(&fits).unwrap_err(), JwtError::NotAJwt);
        assert_eq!(UntrustedJwt::parse(&format!("{fits}a")).unwrap_err(), JwtError::TooLong);
    }

    #[test]
    fn what_is_no_jwt_is_refused() {
        let header = Base64UrlUnpadded::encode_string(br#"{"alg":"RS256"}"#);
        for text in [
            String::new(),
            ".".to_owned(),
            "..".to_owned(),
            "...".to_owned(),
            "a.b.c".to_owned(),
            format!("{header}.e30"),
            format!("{header}.e30.c2ln.x"),
            format!("{header}.e30=.c2ln"),
            format!("{header}.e30.c2ln="),
            format!("{header}.e30.c2l_!"),
            format!("{header}.e31.c2ln"),
            format!(" {header}.e30.c2ln"),
            format!("{header}.e30.c2ln\n"),
            "\u{e4}.\u{e4}.\u{e4}".to_owned(),
        ] {
            let error = UntrustedJwt::parse(&text).unwrap_err();
            assert!(matches!(error, JwtError::NotAJwt | JwtError::MalformedHeader), "{text}: {error:?}");
        }
    }

    #[test]
    fn only_algorithms_with_a_public_key_are_accepted() {
        for name in ["none", "NONE", "HS256", "HS384", "rs256", "ES256K", ""] {
            let error = header_error(&json!({ "alg": name }).to_string());
            assert_eq!(error, Some(JwtError::UnsupportedAlgorithm), "{name}");
        }
        for header in ["{}", r#"{"alg":5}"#, r#"{"alg":null}"#, "[]", "5", r#"{"alg":"RS256","alg":"none"}"#]
        {
            assert_eq!(header_error(header), Some(JwtError::MalformedHeader), "{header}");
        }
        for algorithm in Algorithm::ALL {
            assert_eq!(header_error(&json!({ "alg": algorithm.as_str() }).to_string()), None);
        }
    }

    #[test]
    fn crit_is_refused_whatever_it_holds() {
        for crit in [json!(["exp"]), json!([]), json!(null), json!("b64"), json!({}), json!(false)] {
            let header = json!({ "alg": "RS256", "crit": crit }).to_string();
            assert_eq!(header_error(&header), Some(JwtError::CriticalExtension), "{crit}");
        }
        let twice = r#"{"alg":"RS256","crit":[],"crit":[]}"#;
        assert_eq!(header_error(twice), Some(JwtError::MalformedHeader));
    }

    #[test]
    fn keys_that_a_token_brings_along_are_not_looked_at() {
        let header = json!({ "alg": "RS256", "jku": "https://evil.example", "x5u": "https://evil.example",
            "jwk": { "kty": "oct", "k": "AAAA" }, "x5c": ["MII"], "x5t": "lDpwLQbzRZmu4fjajvn3KWAx1pk" });
        assert_eq!(header_error(&header.to_string()), None);
    }

    #[test]
    fn duplicate_claims_are_refused_known_or_not() {
        for claims in [
            r#"{"sub":"a","sub":"b"}"#,
            r#"{"sub":"a","s\u0075b":"a"}"#,
            r#"{"x":1,"x":1}"#,
            r#"{"exp":1,"iat":1,"exp":2}"#,
        ] {
            assert_eq!(Claims::parse(claims.as_bytes()), Err(JwtError::DuplicateClaim), "{claims}");
        }
    }

    #[test]
    fn what_is_no_claims_set_is_refused() {
        let deep = format!("{{\"a\":{}", "[".repeat(5_000));
        for claims in ["", "[]", "5", "null", "\"\"", "{", r#"{"sub":"a"}x"#, r#"{"sub":"\ud800"}"#, &deep] {
            assert_eq!(Claims::parse(claims.as_bytes()), Err(JwtError::MalformedClaims), "{claims}");
        }
        assert_eq!(Claims::parse(b"{\"sub\":\"\xff\"}"), Err(JwtError::MalformedClaims));
    }

    #[test]
    fn each_known_claim_has_its_type() {
        for name in ["iss", "sub", "azp", "client_id", "token_use", "jti", "email", "name", "audience"] {
            for wrong in [json!(1), json!(true), json!([]), json!({})] {
                assert_eq!(claims(json!({ name: wrong })), Err(JwtError::Claim(name)), "{name}: {wrong}");
            }
            assert!(claims(json!({ name: "text" })).is_ok(), "{name}");
            assert!(claims(json!({ name: null })).is_ok(), "{name}");
        }
        for wrong in [json!(1), json!([1]), json!(["a", null]), json!({})] {
            assert_eq!(claims(json!({ "aud": wrong })), Err(JwtError::Claim("aud")), "{wrong}");
            assert_eq!(claims(json!({ "scope": wrong })), Err(JwtError::Claim("scope")), "{wrong}");
            assert_eq!(claims(json!({ "amr": wrong })), Err(JwtError::Claim("amr")), "{wrong}");
        }
        for wrong in [json!(1), json!("yes"), json!([])] {
            assert_eq!(
                claims(json!({ "email_verified": wrong })),
                Err(JwtError::Claim("email_verified")),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_time_is_a_number_of_this_era() {
        for name in ["exp", "nbf", "iat"] {
            let fraction = format!("{{\"{name}\":1764441600.987}}");
            assert_eq!(Claims::parse(fraction.as_bytes()), claims(json!({ name: 1_764_441_600 })));
            for wrong in [
                "-1.5",
                "1893456000000.5",
                "1e9",
                "1893456000000",
                "-1",
                "99999999999999999999",
                "1e400",
                "\"1893456000\"",
                "true",
                "[1]",
            ] {
                let json = format!("{{\"{name}\":{wrong}}}");
                let error = Claims::parse(json.as_bytes()).unwrap_err();
                assert!(matches!(error, JwtError::Claim(_) | JwtError::MalformedClaims), "{json}");
            }
            assert!(claims(json!({ name: LATEST_TIME })).is_ok());
            assert_eq!(claims(json!({ name: LATEST_TIME + 1 })), Err(JwtError::Claim(name)));
        }
    }

    #[test]
    fn an_authentication_time_that_cannot_be_read_leaves_the_other_claims_readable() {
        let time =
            |value: Value| claims(json!({ "sub": "u1", "auth_time": value })).unwrap().authenticated_at;
        assert_eq!(time(json!(1_893_456_000)), AuthenticationTime::At(UnixSeconds(1_893_456_000)));
        assert_eq!(time(json!(null)), AuthenticationTime::Unsaid);
        assert_eq!(time(json!(1_893_456_000.25)), AuthenticationTime::At(UnixSeconds(1_893_456_000)));
        for wrong in [json!("1893456000.25"), json!("1893456000,25"), json!(-1.5), json!(-1), json!([1])] {
            assert_eq!(time(wrong.clone()), AuthenticationTime::Unreadable, "{wrong}");
        }
    }

    #[test]
    fn identifiers_are_short_and_printable() {
        for name in ["sub", "azp", "client_id"] {
            for wrong in ["", "a\0b", "a\nb", &"a".repeat(289)] {
                assert_eq!(claims(json!({ name: wrong })), Err(JwtError::Claim(name)), "{name} {wrong:?}");
            }
            assert!(claims(json!({ name: "a".repeat(288) })).is_ok());
        }
    }

    #[test]
    fn a_key_of_confirmation_is_a_thumbprint_or_the_token_is_malformed() {
        let thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
        let read = claims(json!({ "cnf": { "jkt": thumbprint, "kid": "k" } })).unwrap();
        assert_eq!(read.confirmation_key.unwrap().as_str(), thumbprint);
        for wrong in [
            json!({}),
            json!([]),
            json!(thumbprint),
            json!({ "jkt": null }),
            json!({ "jkt": [thumbprint] }),
            json!({ "jkt": "AAAA" }),
            json!({ "jkt": format!("{thumbprint}=") }),
            json!({ "x5t#S256": thumbprint }),
        ] {
            assert_eq!(claims(json!({ "cnf": wrong })), Err(JwtError::Claim("cnf")), "{wrong}");
        }
        let twice = format!(r#"{{"cnf":{{"jkt":"{thumbprint}","jkt":"{thumbprint}"}}}}"#);
        assert_eq!(Claims::parse(twice.as_bytes()), Err(JwtError::Claim("cnf")));
    }

    #[test]
    fn dialects_of_well_known_issuers_are_understood() {
        let read = claims(json!({
            "aud": "one", "scope": ["a", "b"], "email_verified": "true",
            "amr": [{ "method": "password", "timestamp": 1 }, "otp"],
        }))
        .unwrap();
        assert_eq!(read.audiences, ["one"]);
        assert_eq!(read.scopes.unwrap().to_string(), "a b");
        assert!(read.email_verified);
        assert_eq!(read.authentication_methods, ["password", "otp"]);
        let read = claims(json!({ "aud": ["one", "two"], "scope": "a  b a", "amr": "pwd" })).unwrap();
        assert_eq!(read.audiences, ["one", "two"]);
        assert_eq!(read.scopes.unwrap().to_string(), "a b");
        assert_eq!(read.authentication_methods, ["pwd"]);
        assert_eq!(claims(json!({})).unwrap(), Claims::default());
    }

    #[test]
    fn azp_names_the_client_before_client_id_does() {
        assert_eq!(claims(json!({ "azp": "a", "client_id": "b" })).unwrap().client(), Some("a"));
        assert_eq!(claims(json!({ "client_id": "b" })).unwrap().client(), Some("b"));
        assert_eq!(claims(json!({})).unwrap().client(), None);
    }

    #[test]
    fn times_are_checked_with_a_minute_of_skew() {
        let now = UnixSeconds(1_893_456_000);
        let check = |value: Value| claims(value).unwrap().check_times(now, CLOCK_SKEW_SECONDS);
        assert_eq!(check(json!({})), Err(TimeError::NoExpiry));
        assert_eq!(check(json!({ "exp": now.0 - 60 })), Ok(()));
        assert_eq!(check(json!({ "exp": now.0 - 61 })), Err(TimeError::Expired));
        let exp = now.0 + 600;
        assert_eq!(check(json!({ "exp": exp, "nbf": now.0 + 60, "iat": now.0 + 60 })), Ok(()));
        assert_eq!(check(json!({ "exp": exp, "nbf": now.0 + 61 })), Err(TimeError::NotYetValid));
        assert_eq!(check(json!({ "exp": exp, "iat": now.0 + 61 })), Err(TimeError::IssuedInTheFuture));
    }

    #[test]
    fn no_token_whatever_makes_the_parser_fail_otherwise_than_by_an_error() {
        let mut random = crate::testing::platform::SeededRandom::new(7);
        let good =
            token(r#"{"alg":"RS256","kid":"a"}"#, r#"{"exp":1893456000,"aud":["a"],"amr":[{"method":"x"}]}"#);
        for _ in 0..2_000 {
            let mut noise = [0; 4];
            random.fill(&mut noise);
            let mut bytes = good.clone().into_bytes();
            let at = usize::from(noise[0]) % bytes.len();
            bytes[at] = noise[1] & 0x7f;
            bytes.truncate(bytes.len() - usize::from(noise[2]) % 8);
            let _ = UntrustedJwt::parse(&String::from_utf8(bytes).unwrap()).map(|jwt| jwt.transaction());
        }
    }
}
