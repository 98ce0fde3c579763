//! The words of the domain as types, so that a client id is never taken for a user's.

use std::collections::BTreeSet;
use std::fmt;

use zeroize::Zeroizing;

/// A point in time, in whole seconds since 1970 (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(pub i64);

impl UnixSeconds {
    /// The instant `seconds` later (earlier when negative).
    #[must_use]
    pub const fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Seconds from `earlier` to here; negative when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A user: the trusted issuer's name and the subject there, written `{name}|{sub}`.
///
/// The name holds no `|`, so two users never share a form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserId(String);

impl UserId {
    /// The user `subject` of the issuer called `issuer_name`.
    #[must_use]
    pub fn new(issuer_name: &str, subject: &str) -> Self {
        Self([issuer_name, "|", subject].concat())
    }

    /// Reads the written form back, as the `sub` of own tokens has it.
    #[must_use]
    pub fn parse(written: &str) -> Option<Self> {
        let (issuer_name, subject) = written.split_once('|')?;
        (!issuer_name.is_empty() && !subject.is_empty()).then(|| Self(written.to_owned()))
    }

    /// The written form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The issuer's name.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        self.0.split_once('|').map_or("", |(name, _)| name)
    }

    /// The subject at that issuer.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.0.split_once('|').map_or("", |(_, subject)| subject)
    }
}

/// A registered client's id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientId(pub String);

impl ClientId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A grant of the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantType {
    /// The code of an authenticator app.
    MfaOtp,
    /// The code of a message.
    MfaOob,
    /// A recovery code.
    MfaRecoveryCode,
    /// Another issuer's token (RFC 8693).
    TokenExchange,
}

impl GrantType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::MfaOtp, Self::MfaOob, Self::MfaRecoveryCode, Self::TokenExchange];

    /// `grant_type` on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MfaOtp => "http://auth0.com/oauth/grant-type/mfa-otp",
            Self::MfaOob => "http://auth0.com/oauth/grant-type/mfa-oob",
            Self::MfaRecoveryCode => "http://auth0.com/oauth/grant-type/mfa-recovery-code",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }

    /// Reads [`GrantType::as_str`].
    #[must_use]
    pub fn parse(grant_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.as_str() == grant_type)
    }

    /// What the registry calls it: the last part of the name.
    #[must_use]
    pub fn short_name(self) -> &'static str {
        self.as_str().rsplit(['/', ':']).next().unwrap_or_default()
    }
}

/// One login in progress: what challenges bind to and what a successful exchange spends.
///
/// For a JWT the SHA-256 of its signing input in base64url (never of the signature, which can be malleable), for a
/// sealed token the token's own id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TransactionId(pub String);

impl TransactionId {
    /// What the id of an own token begins with; that of a JWT, base64url, has no colon.
    const OWN: &'static str = "own:";

    /// The id of an own mfa_token, made of something random.
    #[must_use]
    pub fn own(random: &str) -> Self {
        Self(format!("{}{random}", Self::OWN))
    }

    /// Whether an own mfa_token has it: one that was issued because a second factor was demanded.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.0.starts_with(Self::OWN)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that must not be printed: a TOTP secret, a code, a phone number. Wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes hold of `text`.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// A set of OAuth scope values in the order they were given (RFC 6749, section 3.3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// Reads a space-separated list; repeated values count once.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        text.split_ascii_whitespace().collect()
    }

    /// Whether `scope` is among them.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|own| own == scope)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those for which `keep` holds.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        self.0.iter().map(String::as_str).filter(|scope| keep(scope)).collect()
    }
}

impl<'a> FromIterator<&'a str> for Scopes {
    fn from_iter<I: IntoIterator<Item = &'a str>>(scopes: I) -> Self {
        let mut seen = BTreeSet::new();
        Self(scopes.into_iter().filter(|scope| seen.insert(*scope)).map(str::to_owned).collect())
    }
}

impl fmt::Display for Scopes {
    /// Space-separated, as on the wire.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join(" "))
    }
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
