//! A key set at its source: the discovery document, the set, and how long it may be used.

use super::{KeySource, MAXIMUM_TTL, MINIMUM_TTL};
use crate::app::App;
use crate::audit::Reason;
use crate::json;
use crate::platform::{FetchError, OutboundRequest, Platform};
use crate::trust::http_url::HttpUrl;
use crate::trust::issuer::TrustedIssuer;
use crate::trust::jwk::{self, PublicJwk, UnusableSet};

/// The lifetime where the source says nothing, in seconds.
pub(super) const DEFAULT_TTL: i64 = 600;

const TIMEOUT_MILLISECONDS: u32 = 5_000;
pub(super) const MAXIMUM_DOCUMENT_BYTES: usize = 256 * 1024;

/// Why a key set could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FetchFailure {
    /// There is nothing to fetch.
    NotFetchable,
    /// The exchange itself failed.
    Exchange(FetchError),
    /// Any status but 200, redirects among them.
    Status(u16),
    /// The discovery document is not JSON or lacks `jwks_uri`.
    MalformedDiscovery,
    /// The discovery document is somebody else's (OpenID Connect Discovery 1.0 section 4.3).
    DiscoveryOfAnotherIssuer,
    /// `jwks_uri` in the discovery document is not one to call.
    UnsuitableKeySetUri,
    /// The document is not a key set with at least one usable key.
    Unusable(UnusableSet),
}

impl FetchFailure {
    /// As events say it.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::NotFetchable => "not_fetchable".into(),
            Self::Exchange(error) => Reason::about("exchange", format!("{error:?}")),
            Self::Status(status) => Reason::about("status", status.to_string()),
            Self::MalformedDiscovery => "malformed_discovery".into(),
            Self::DiscoveryOfAnotherIssuer => "discovery_of_another_issuer".into(),
            Self::UnsuitableKeySetUri => "unsuitable_key_set_uri".into(),
            Self::Unusable(error) => Reason::about("unusable_key_set", error.word()),
        }
    }
}

/// The keys at the source, with their lifetime in seconds.
pub(super) async fn fetch_set<P: Platform>(
    app: &App<P>,
    source: &KeySource,
) -> Result<(Vec<PublicJwk>, i64), FetchFailure> {
    let uri = match source {
        KeySource::Issuer(issuer) => match &issuer.jwks_uri {
            Some(uri) => uri.clone(),
            None => discover(app, issuer).await?,
        },
        KeySource::Uri(uri) => {
            HttpUrl::parse_secure(uri).map_err(|_| FetchFailure::UnsuitableKeySetUri)?;
            uri.clone()
        }
        KeySource::Registered(_) => return Err(FetchFailure::NotFetchable),
    };
    let (body, cache_control) = get(app, uri).await?;
    let keys = jwk::parse_set(&body).map_err(FetchFailure::Unusable)?;
    Ok((keys, ttl(cache_control.as_deref())))
}

/// The `jwks_uri` of an issuer's discovery document (OpenID Connect Discovery 1.0 section 4).
async fn discover<P: Platform>(app: &App<P>, issuer: &TrustedIssuer) -> Result<String, FetchFailure> {
    let base = issuer.issuer.strip_suffix('/').unwrap_or(&issuer.issuer);
    let (body, _) = get(app, format!("{base}/.well-known/openid-configuration")).await?;
    let document = json::parse(&body).map_err(|_| FetchFailure::MalformedDiscovery)?;
    if document.text("issuer") != Some(issuer.issuer.as_str()) {
        return Err(FetchFailure::DiscoveryOfAnotherIssuer);
    }
    let uri = document.text("jwks_uri").ok_or(FetchFailure::MalformedDiscovery)?;
    let url = HttpUrl::parse_secure(uri).map_err(|_| FetchFailure::UnsuitableKeySetUri)?;
    // A public issuer has no business sending this server to its own machine.
    let issuer_is_local = HttpUrl::parse(&issuer.issuer).is_ok_and(|issuer| issuer.is_loopback());
    if url.is_loopback() && !issuer_is_local {
        return Err(FetchFailure::UnsuitableKeySetUri);
    }
    Ok(uri.to_owned())
}

async fn get<P: Platform>(app: &App<P>, url: String) -> Result<(Vec<u8>, Option<String>), FetchFailure> {
    let request = OutboundRequest {
        method: "GET",
        url,
        headers: vec![("accept", "application/json".to_owned())],
        body: None,
        timeout_milliseconds: TIMEOUT_MILLISECONDS,
        maximum_body_bytes: MAXIMUM_DOCUMENT_BYTES,
    };
    let response = app.platform.fetch(request).await.map_err(FetchFailure::Exchange)?;
    if response.status == 200 {
        Ok((response.body, response.cache_control))
    } else {
        Err(FetchFailure::Status(response.status))
    }
}

/// How long a response may be used, by its `Cache-Control` (RFC 9111 section 5.2.2), within the bounds.
pub(super) fn ttl(cache_control: Option<&str>) -> i64 {
    let mut max_age = None;
    for directive in cache_control.unwrap_or_default().split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return MINIMUM_TTL,
            "max-age" if max_age.is_none() => {
                let digits = value.trim().trim_matches('"');
                // A value that cannot be read is taken for stale (section 4.2.1); a huge one is huge.
                let seconds = digits.parse().unwrap_or(if is_number(digits) { MAXIMUM_TTL } else { 0 });
                max_age = Some(seconds);
            }
            _ => {}
        }
    }
    max_age.unwrap_or(DEFAULT_TTL).clamp(MINIMUM_TTL, MAXIMUM_TTL)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
