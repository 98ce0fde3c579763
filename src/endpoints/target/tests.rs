use super::*;
use crate::storage::clients::{ClientAuthentication, RegisteredAudience};
use crate::testing::Variables;
use crate::types::ClientId;

const API: &str = "https://api.example.com";
const MFA: &str = "https://mfa.example.com/mfa/";
const MFA_WITHOUT_SLASH: &str = "https://mfa.example.com/mfa";

fn client(audiences: &[(&str, &str)]) -> Client {
    Client {
        id: ClientId("app".to_owned()),
        version: 1,
        authentication: ClientAuthentication::None,
        issuers: Vec::new(),
        audiences: audiences
            .iter()
            .map(|(audience, scopes)| RegisteredAudience {
                audience: (*audience).to_owned(),
                scopes: Scopes::parse(scopes),
            })
            .collect(),
        require_authentication: false,
        domain: None,
        grants: Vec::new(),
        factors: Vec::new(),
        policy: None,
    }
}

/// Audience and scope of what `wish` comes to, for a client of two APIs.
fn resolved(wish: &Wish<'_>) -> Result<(String, String), WireError> {
    resolved_for(&client(&[(API, "read write"), (MFA, "enroll")]), wish)
}

fn resolved_for(client: &Client, wish: &Wish<'_>) -> Result<(String, String), WireError> {
    let config = Variables::new().config().unwrap();
    Target::resolve(&config, client, wish).map(|target| (target.audience, target.scopes.to_string()))
}

fn target(audience: &str, scopes: &str) -> Result<(String, String), WireError> {
    Ok((audience.to_owned(), scopes.to_owned()))
}

#[test]
fn who_wishes_nothing_gets_the_clients_first_audience_and_no_scope() {
    assert_eq!(resolved(&Wish::default()), target(API, ""));
}

#[test]
fn a_client_without_audiences_gets_no_token() {
    let nothing = client(&[]);
    assert_eq!(resolved_for(&nothing, &Wish::default()), Err(WireError::InvalidTarget));
    let wish = Wish { audience: Some(API), ..Wish::default() };
    assert_eq!(resolved_for(&nothing, &wish), Err(WireError::InvalidTarget));
}

#[test]
fn an_audience_that_is_not_registered_is_refused_wherever_it_was_asked_for() {
    for audience in ["https://other.example.com", "https://api.example.com/", "HTTPS://api.example.com"] {
        let at_login = Wish { login_audience: Some(audience), ..Wish::default() };
        assert_eq!(resolved(&at_login), Err(WireError::InvalidTarget), "{audience}");
        let at_exchange = Wish { audience: Some(audience), ..Wish::default() };
        assert_eq!(resolved(&at_exchange), Err(WireError::InvalidTarget), "{audience}");
    }
}

#[test]
fn the_exchange_may_repeat_the_logins_audience_and_not_change_it() {
    let wish = |login, asked| Wish { login_audience: login, audience: asked, ..Wish::default() };
    assert_eq!(resolved(&wish(Some(API), Some(API))), target(API, ""));
    assert_eq!(resolved(&wish(Some(API), None)), target(API, ""));
    assert_eq!(resolved(&wish(None, Some(MFA))), target(MFA, ""));
    for (login, asked) in [(API, MFA), (MFA, API), (API, "https://api.example.com/")] {
        assert_eq!(resolved(&wish(Some(login), Some(asked))), Err(WireError::InvalidTarget));
    }
}

#[test]
fn the_mfa_api_is_the_same_with_and_without_its_slash_and_written_with_it() {
    for registered in [MFA, MFA_WITHOUT_SLASH] {
        let client = client(&[(API, ""), (registered, "enroll")]);
        for asked in [MFA, MFA_WITHOUT_SLASH] {
            let wish = Wish { audience: Some(asked), scopes: Some("enroll"), ..Wish::default() };
            assert_eq!(resolved_for(&client, &wish), target(MFA, "enroll"));
            for login in [MFA, MFA_WITHOUT_SLASH] {
                let wish = Wish { login_audience: Some(login), ..wish };
                assert_eq!(resolved_for(&client, &wish), target(MFA, "enroll"));
            }
        }
        let only = self::client(&[(registered, "")]);
        assert_eq!(resolved_for(&only, &Wish::default()), target(MFA, ""));
    }
    let near = Wish { audience: Some("https://mfa.example.com/mfa//"), ..Wish::default() };
    assert_eq!(resolved(&near), Err(WireError::InvalidTarget));
}

#[test]
fn of_the_scopes_those_count_that_are_registered_for_this_audience() {
    let wish = |scopes| Wish { scopes: Some(scopes), ..Wish::default() };
    assert_eq!(resolved(&wish("write read admin")), target(API, "write read"));
    assert_eq!(resolved(&wish("enroll")), target(API, ""), "another audience's");
    assert_eq!(resolved(&wish("READ")), target(API, ""));
    assert_eq!(resolved(&wish("read read")), target(API, "read"));
}

#[test]
fn openid_connects_own_scopes_need_no_registration_and_offline_access_is_dropped() {
    let wish = |scopes| Wish { scopes: Some(scopes), ..Wish::default() };
    let all = "openid profile email offline_access read address phone";
    assert_eq!(resolved(&wish(all)), target(API, "openid profile email read"));
    let registered = client(&[(API, "offline_access read")]);
    assert_eq!(resolved_for(&registered, &wish("offline_access read")), target(API, "read"));
    let login = Scopes::parse("offline_access openid");
    let wish = Wish { login_scopes: Some(&login), ..Wish::default() };
    assert_eq!(resolved_for(&registered, &wish), target(API, "openid"));
}

#[test]
fn the_exchange_may_narrow_the_logins_scopes_and_not_widen_them() {
    let login = Scopes::parse("openid read enroll");
    let wish = |scopes| Wish { login_scopes: Some(&login), scopes, ..Wish::default() };
    assert_eq!(resolved(&wish(None)), target(API, "openid read"));
    assert_eq!(resolved(&wish(Some("read"))), target(API, "read"));
    assert_eq!(resolved(&wish(Some("read write email"))), target(API, "read"));
    assert_eq!(resolved(&wish(Some("write"))), target(API, ""));
    let none = Scopes::default();
    let wish = Wish { login_scopes: Some(&none), scopes: Some("read"), ..Wish::default() };
    assert_eq!(resolved(&wish), target(API, ""), "a login for nothing stays for nothing");
}
