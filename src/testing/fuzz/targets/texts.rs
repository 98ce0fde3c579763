//! Short texts that people and clients write.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::bodies::{decoded, request};
use super::text;
use crate::endpoints::idempotency::IdempotentRequest;
use crate::http::request::Headers;
use crate::mfa::binding_code::BindingCode;
use crate::mfa::email_address::EmailAddress;
use crate::mfa::factor::AuthenticatorId;
use crate::mfa::language::{self, Languages};
use crate::mfa::phone_number::PhoneNumber;
use crate::mfa::recovery_code::RecoveryCode;
use crate::mfa::region::{Allowed, Closed, region};
use crate::trust::http_url::HttpUrl;
use crate::trust::jwk::Thumbprint;
use crate::types::{ClientId, GrantType, Scopes, TransactionId, UserId};

pub(super) fn phone_number(input: &[u8]) {
    let Some(written) = text(input) else { return };
    let digits: String = written.chars().filter(char::is_ascii_digit).collect();
    let bare: String = written.chars().filter(|character| !" -()".contains(*character)).collect();
    let expected = [format!("+{digits}"), digits.clone()]
        .into_iter()
        .find(|form| *form == bare)
        .and_then(|form| form.strip_prefix('+').or_else(|| form.strip_prefix("00")).map(str::to_owned))
        .filter(|digits| matches!(digits.len(), 7..=15) && !digits.starts_with('0'))
        .filter(|_| !written.contains("(0)") && written.len() <= 64)
        .map(|digits| format!("+{digits}"));
    let own = PhoneNumber::parse(written).ok();
    assert_eq!(own.as_ref().map(PhoneNumber::expose), expected.as_deref());
    let Some(number) = own else { return };
    assert_eq!(PhoneNumber::parse(number.expose()), Ok(number.clone()));
    let digits = number.expose().strip_prefix('+').unwrap();
    let masked = number.masked();
    let (hidden, shown) = masked.split_at(masked.len() - 4);
    assert!(masked.len() == digits.len() && hidden.chars().all(|x| x == 'X') && digits.ends_with(shown));
    assert!(!format!("{number:?}").contains(digits));

    // Where it is.
    let Some(place) = region(&number).map(str::to_owned) else {
        return assert_eq!(Allowed::All.check(&number), Err(Closed::NoRegion));
    };
    // Of +76 it is said that it is Kazakhstan's.
    assert!(digits.starts_with(&place) || (place == "77" && digits.starts_with("76")), "{place}");
    assert_eq!(Allowed::All.check(&number), Ok(()));
    let only = Allowed::only(&[&place]).expect("a region by its own name");
    assert_eq!(only.check(&number), Ok(()));
    let elsewhere = Allowed::only(&[if place == "49" { "44" } else { "49" }]).unwrap();
    assert_eq!(elsewhere.check(&number), Err(Closed::NotAllowed));
}

pub(super) fn email_address(input: &[u8]) {
    let Some(written) = text(input) else { return };
    let atoms = |local: &str| {
        let is_atom = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
        (1..=64).contains(&local.len())
            && local.bytes().all(is_atom)
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
    };
    let labels = |domain: &str| {
        let labels: Vec<_> = domain.split('.').collect();
        let is_label = |label: &&str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        labels.len() >= 2
            && labels.iter().all(is_label)
            && labels[labels.len() - 1].bytes().any(|byte| !byte.is_ascii_digit())
    };
    let expected = match written.split('@').collect::<Vec<_>>()[..] {
        [local, domain] if atoms(local) && labels(domain) && written.len() <= 254 => {
            Some(format!("{local}@{}", domain.to_lowercase()))
        }
        _ => None,
    };
    let own = EmailAddress::parse(written).ok();
    assert_eq!(own.as_ref().map(EmailAddress::expose), expected.as_deref());
    let Some(address) = own else { return };
    assert_eq!(EmailAddress::parse(address.expose()), Ok(address.clone()));
    let index = EmailAddress::parse(&address.index_form()).expect("another spelling");
    assert_eq!((index.expose(), index.index_form()), (address.index_form().as_str(), address.index_form()));
    let masked = address.masked();
    let shown = |part: &str| part.chars().filter(|character| *character != '*').count();
    let (local, domain) = masked.split_once('@').unwrap();
    assert!(shown(local) <= 4 && shown(domain) <= 4 && local.ends_with("****") && domain.ends_with("****"));
}

/// Lines: `ui_locales`, `Accept-Language`, `locale`.
pub(super) fn languages(input: &[u8]) {
    let Some(input) = text(input) else { return };
    let mut given = input.splitn(3, '\n').map(Some).chain([None; 3]);
    let [asked, set, said] = [given.next().flatten(), given.next().flatten(), given.next().flatten()];
    let languages = Languages::named(asked, set, said);
    let written = languages.written();
    let tags: Vec<_> = written.split(' ').filter(|tag| !tag.is_empty()).collect();
    assert!(tags.len() <= 11, "five of each source, and the token's");
    assert_eq!(Languages::read(&written), languages);
    for (index, own) in tags.iter().enumerate() {
        assert_eq!(language::tag(own).as_deref(), Some(*own));
        assert!(own.len() <= 35 && own.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
        assert!(!tags[..index].contains(own), "{own} twice");
    }
    let looked_up: Vec<_> = languages.lookup("en").collect();
    assert_eq!(looked_up.last(), Some(&"en"));
    assert!(looked_up.iter().all(|tag| !tag.is_empty() && !tag.ends_with('-')));
    assert!(tags.iter().all(|tag| looked_up.contains(tag)));
    // A header alone: what it wants more comes first.
    if let Some(header) = set {
        let alone = Languages::named(None, Some(header), None).written();
        let weight = |tag: &str| {
            let ranges = header.split(',').filter(|range| {
                range.split(';').next().is_some_and(|own| language::tag(own).as_deref() == Some(tag))
            });
            let weights = ranges.map(|range| {
                let weight = range.split(';').map(str::trim).find_map(|part| part.strip_prefix("q="));
                weight.map_or(Some(1.0), |weight| weight.parse::<f64>().ok())
            });
            weights.flatten().fold(0.0, f64::max)
        };
        let weights: Vec<_> = alone.split(' ').filter(|tag| !tag.is_empty()).map(weight).collect();
        assert!(weights.iter().all(|weight| *weight > 0.0), "{alone}");
    }
}

pub(super) fn recovery_code(input: &[u8]) {
    let Some(typed) = text(input) else { return };
    let kept: Vec<char> =
        typed.chars().filter(|character| !character.is_whitespace() && *character != '-').collect();
    let is_code = kept.len() == 24 && kept.iter().all(char::is_ascii_alphanumeric);
    let own = RecoveryCode::parse(typed);
    assert_eq!(own.is_some(), is_code);
    let Some(code) = own else { return };
    let upper: String = kept.iter().map(char::to_ascii_uppercase).collect();
    assert_eq!(code.expose(), upper.replace(['I', 'L'], "1").replace('O', "0"));
    let dashed: Vec<_> =
        code.expose().as_bytes().chunks(4).map(|four| str::from_utf8(four).unwrap()).collect();
    for spelling in [code.expose().to_owned(), code.expose().to_lowercase(), dashed.join(" - ")] {
        assert_eq!(RecoveryCode::parse(&spelling), Some(code.clone()), "{spelling}");
    }
}

pub(super) fn binding_code(input: &[u8]) {
    let Some(typed) = text(input) else { return };
    let own = BindingCode::parse(typed);
    let trimmed = typed.trim_matches(char::is_whitespace);
    let is_code = trimmed.chars().count() == 6 && trimmed.chars().all(|digit| digit.is_ascii_digit());
    assert_eq!(own.as_ref().map(BindingCode::expose), Some(trimmed).filter(|_| is_code));
}

pub(super) fn idempotency_key(input: &[u8]) {
    let Some(header) = text(input) else { return };
    let asked = |header: &str| {
        let headers = Headers { idempotency_key: Some(header.to_owned()), ..Headers::default() };
        let request = request("application/json", b"{}", headers);
        let asked = IdempotentRequest::decode(&request, &decoded(&request).unwrap());
        let (user, client) = (UserId::new("idp", "alice"), ClientId("app".to_owned()));
        let token = TransactionId("t".to_owned());
        asked.ok().map(|asked| asked.expect("a header").by("associate", &user, &client, &token).key)
    };
    let written = header.trim();
    let bare = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(written);
    let is_key = (1..=255).contains(&bare.len())
        && bare.chars().all(|character| character.is_ascii_graphic() && !"\"\\".contains(character));
    let own = asked(header);
    assert_eq!(own.is_some(), is_key);
    if own.is_some() {
        assert_eq!(own, asked(bare));
        assert_eq!(own, asked(&format!(" \"{bare}\"\t")));
        assert_ne!(own, asked("another-key-than-that"));
    }
}

/// Ids of authenticators, users and grants, sets of scopes, names of keys: what is read is written as it was.
pub(super) fn identifiers(input: &[u8]) {
    let Some(written) = text(input) else { return };
    if let Some(id) = AuthenticatorId::parse(written) {
        assert_eq!(id.as_str(), written);
        assert!(written.starts_with(id.kind().as_str()) && written.is_ascii() && written.len() <= 26);
        if let Some(twin) = id.twin() {
            assert_eq!(twin.twin(), Some(id.clone()));
            assert_eq!(AuthenticatorId::parse(twin.as_str()), Some(twin));
        }
    }
    if let Some(user) = UserId::parse(written) {
        assert_eq!(user.as_str(), written);
        assert_eq!(UserId::new(user.issuer_name(), user.subject()), user);
        assert!(!user.issuer_name().contains('|') && !user.subject().is_empty());
    }
    let scopes = Scopes::parse(written);
    assert_eq!(Scopes::parse(&scopes.to_string()), scopes);
    assert!(written.split_ascii_whitespace().all(|scope| scopes.contains(scope)));
    assert_eq!(scopes.is_empty(), written.split_ascii_whitespace().next().is_none());
    if let Some(grant) = GrantType::parse(written) {
        assert_eq!(grant.as_str(), written);
    }
    let hash = super::super::reference::base64url(written).filter(|bytes| bytes.len() == 32);
    assert_eq!(Thumbprint::parse(written).as_ref().map(Thumbprint::as_str), hash.map(|_| written));
}

/// The runtime calls URLs as the URL standard reads them: what is decided here must be about the same host.
pub(super) fn http_url(input: &[u8]) {
    let Some(written) = text(input) else { return };
    let own = HttpUrl::parse(written);
    if let Ok(secure) = HttpUrl::parse_secure(written) {
        assert_eq!(own.as_ref(), Ok(&secure));
        assert!(secure.origin().starts_with("https://") || secure.is_loopback());
    }
    let Ok(own) = own else { return };
    // Punycode that stands for nothing, and forms of addresses that are none, are left to the runtime, which calls nobody.
    let Ok(standard) = url::Url::parse(written) else {
        return assert!(own.authority().contains("xn--") || own.authority().starts_with('['), "{written}");
    };
    if own.authority().starts_with('[') {
        return assert_eq!(own.is_loopback(), standard.host() == Some(url::Host::Ipv6(Ipv6Addr::LOCALHOST)));
    }
    assert_eq!(own.origin(), standard.origin().ascii_serialization());
    assert_eq!(own.has_query(), standard.query().is_some());
    assert!(standard.username().is_empty() && standard.password().is_none() && standard.fragment().is_none());
    let is_loopback = match standard.host().expect("a host") {
        url::Host::Ipv4(address) => address.octets()[0] == Ipv4Addr::LOCALHOST.octets()[0],
        url::Host::Ipv6(address) => address == Ipv6Addr::LOCALHOST,
        url::Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
    };
    assert_eq!(own.is_loopback(), is_loopback);
    let rest = own.path_and_query();
    let again = format!("{}{rest}", own.origin());
    let again = HttpUrl::parse(&again).expect("what was put together again");
    assert_eq!((again.origin(), again.path_and_query()), (own.origin(), rest));
}
