//! The URI that an authenticator app reads, and the QR picture of it.

use std::fmt::Write;

use qrcodegen::{QrCode, QrCodeEcc};

/// Most characters of a label: apps show little more, and every character makes the picture finer.
const MAXIMUM_LABEL: usize = 64;

/// Most URIs are shorter, and need not be moved while they grow.
const USUAL_BYTES: usize = 256;

/// Light modules around the symbol (ISO/IEC 18004 asks for four).
const QUIET_ZONE: i32 = 4;

/// Whom an app shows the secret for: the first that says something of the user's e-mail address, name and subject, cut
/// to 64 characters.
#[must_use]
pub fn label(email: Option<&str>, name: Option<&str>, subject: &str) -> String {
    let chosen =
        [email, name].into_iter().flatten().map(str::trim).find(|text| !text.is_empty()).unwrap_or(subject);
    chosen.chars().take(MAXIMUM_LABEL).collect()
}

/// The `otpauth` URI of a TOTP secret, with the parameters and the order that apps have long seen.
///
/// Everything but RFC 3986's unreserved characters is percent-encoded, a `:` in the label too: an app that splits the
/// path at its first literal colon finds tenant and label apart.
#[must_use]
pub fn otpauth_uri(tenant_name: &str, label: &str, secret_base32: &str) -> String {
    let mut uri = String::with_capacity(USUAL_BYTES);
    uri.push_str("otpauth://totp/");
    percent_encode(tenant_name, &mut uri);
    uri.push(':');
    percent_encode(label, &mut uri);
    uri.push_str("?secret=");
    percent_encode(secret_base32, &mut uri);
    uri.push_str("&issuer=");
    percent_encode(tenant_name, &mut uri);
    uri.push_str("&algorithm=SHA1&digits=6&period=30");
    uri
}

/// `uri` as a QR code, a self-contained SVG picture without scripts or references: black modules, one path, on a white
/// ground, so that it can be read on a page of any colour.
///
/// `None` when the text exceeds the largest symbol at medium error correction (2331 bytes), which only a very long
/// tenant name makes happen.
#[must_use]
pub fn qr_svg(uri: &str) -> Option<String> {
    let code = QrCode::encode_binary(uri.as_bytes(), QrCodeEcc::Medium).ok()?;
    let side = code.size().saturating_add(QUIET_ZONE).saturating_add(QUIET_ZONE);
    Some(format!(
        concat!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" role="img" aria-label="QR code" "#,
            r##"shape-rendering="crispEdges"><rect width="{side}" height="{side}" fill="#fff"/>"##,
            r##"<path d="{path}" fill="#000"/></svg>"##,
        ),
        side = side,
        path = module_path(&code),
    ))
}

/// A rectangle of one module's height for each run of dark modules in a row.
fn module_path(code: &QrCode) -> String {
    let mut path = String::new();
    for y in 0..code.size() {
        let mut x = 0;
        while x < code.size() {
            let run = (x..code.size())
                .take_while(|column| code.get_module(*column, y))
                .fold(0_i32, |run, _| run.saturating_add(1));
            if run > 0 {
                let (left, top) = (x.saturating_add(QUIET_ZONE), y.saturating_add(QUIET_ZONE));
                // Writing to a String never fails.
                let _ = write!(path, "M{left} {top}h{run}v1h-{run}z");
            }
            // The module after a run is light.
            x = x.saturating_add(run).saturating_add(1);
        }
    }
    path
}

/// Appends `text`, percent-encoded with upper-case digits (RFC 3986, section 2.1); only unreserved characters (section 2.3)
/// stay.
fn percent_encode(text: &str, uri: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            uri.push(char::from(byte));
        } else {
            // Writing to a String never fails.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "HJ6XM2DNERXDAVCUONGWKRTCMNTU6VDF";

    fn percent_encoded(text: &str) -> String {
        let mut uri = String::new();
        percent_encode(text, &mut uri);
        uri
    }

    /// What a reader of the URI makes of an encoded part.
    fn decoded(encoded: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = encoded.as_bytes();
        while let [first, tail @ ..] = rest {
            if *first == b'%' {
                let digits = std::str::from_utf8(&tail[..2]).expect("hexadecimal digits");
                bytes.push(u8::from_str_radix(digits, 16).expect("hexadecimal digits"));
                rest = &tail[2..];
            } else {
                bytes.push(*first);
                rest = tail;
            }
        }
        String::from_utf8(bytes).expect("UTF-8")
    }

    /// Tenant, label, query parameters: read as an app does, splitting before decoding.
    fn read(uri: &str) -> (String, String, Vec<(String, String)>) {
        let (path, query) =
            uri.strip_prefix("otpauth://totp/").expect("prefix").split_once('?').expect("query");
        let (tenant, label) = path.split_once(':').expect("colon");
        let parameters = query
            .split('&')
            .map(|parameter| parameter.split_once('=').expect("value"))
            .map(|(name, value)| (name.to_owned(), decoded(value)))
            .collect();
        (decoded(tenant), decoded(label), parameters)
    }

    #[test]
    fn the_uri_has_the_recorded_form() {
        assert_eq!(
            otpauth_uri("My Test Tenant", "user@example.com", SECRET),
            "otpauth://totp/My%20Test%20Tenant:user%40example.com?secret=HJ6XM2DNERXDAVCUONGWKRTCMNTU6VDF\
             &issuer=My%20Test%20Tenant&algorithm=SHA1&digits=6&period=30"
        );
    }

    #[test]
    fn awkward_names_come_out_as_they_went_in() {
        for (tenant, label) in [
            ("Acme", "auth0|5f7c8ec7c33c6c004bbafe82"),
            ("Acme", "urn:user:1"),
            ("Acme & Sons?", "a&secret=AAAA#x"),
            ("100%", "%40 is not @"),
            ("Bücher", "jürgen@example.com"),
            ("商店", "👩‍👩‍👧 family"),
            ("a/b\\c", "\"<script>\"+plus=="),
            ("-._~", "line\nbreak\0"),
            ("Acme", ""),
        ] {
            let uri = otpauth_uri(tenant, label, SECRET);
            assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()), "{uri}");
            assert!(!uri.contains(['"', '<', '>', '\\', '+', '#', '|']), "{uri}");
            let (read_tenant, read_label, parameters) = read(&uri);
            assert_eq!((read_tenant.as_str(), read_label.as_str()), (tenant, label));
            let expected = [
                ("secret", SECRET),
                ("issuer", tenant),
                ("algorithm", "SHA1"),
                ("digits", "6"),
                ("period", "30"),
            ];
            assert_eq!(parameters, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
    }

    #[test]
    fn only_unreserved_characters_stay_unencoded() {
        for byte in 0..=127_u8 {
            let text = char::from(byte).to_string();
            let stays = matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~');
            let expected = if stays { text.clone() } else { format!("%{byte:02X}") };
            assert_eq!(percent_encoded(&text), expected);
        }
        assert_eq!(percent_encoded("é€"), "%C3%A9%E2%82%AC");
    }

    #[test]
    fn the_label_is_the_address_else_the_name_else_the_subject() {
        assert_eq!(label(Some("user@example.com"), Some("Ann"), "1"), "user@example.com");
        assert_eq!(label(None, Some("Ann"), "1"), "Ann");
        assert_eq!(label(Some(""), Some("Ann"), "1"), "Ann");
        assert_eq!(label(Some(" \t"), Some(" Ann "), "1"), "Ann");
        assert_eq!(label(Some(""), Some(""), "1"), "1");
        assert_eq!(label(None, None, "idp|1"), "idp|1");
    }

    #[test]
    fn the_label_is_cut_to_64_characters_wherever_their_bytes_end() {
        for character in ["a", "é", "€", "👩"] {
            for count in [63, 64, 65, 1000] {
                let cut = label(None, Some(&character.repeat(count)), "1");
                assert_eq!(cut, character.repeat(count.min(64)));
            }
        }
    }

    /// The modules that a picture paints black, by filling the rectangles of its path.
    fn painted(svg: &str) -> (i32, std::collections::HashSet<(i32, i32)>) {
        let attribute = |name: &str| {
            let (_, rest) = svg.split_once(&format!("{name}=\"")).expect(name);
            rest.split_once('"').expect(name).0.to_owned()
        };
        let side = attribute("viewBox").rsplit_once(' ').expect("four numbers").1.parse().expect("number");
        let mut modules = std::collections::HashSet::new();
        for rectangle in attribute("<path d").split('M').filter(|part| !part.is_empty()) {
            let (start, run) = rectangle.split_once('h').expect("h");
            let (x, y) = start.split_once(' ').expect("space");
            let (x, y): (i32, i32) = (x.parse().expect("x"), y.parse().expect("y"));
            let (width, rest) = run.split_once('v').expect("v");
            assert_eq!(rest, format!("1h-{width}z"));
            let width: usize = width.parse().expect("width");
            assert!(width > 0);
            for column in (x..).take(width) {
                assert!(modules.insert((column, y)), "painted twice");
            }
        }
        (side, modules)
    }

    #[test]
    fn the_picture_paints_exactly_the_dark_modules_inside_a_quiet_zone() {
        for name in ["A", "user@example.com", &"👩".repeat(64)] {
            let uri = otpauth_uri("My Test Tenant", name, SECRET);
            let code = QrCode::encode_text(&uri, QrCodeEcc::Medium).expect("fits");
            let (side, modules) = painted(&qr_svg(&uri).expect("fits"));
            assert_eq!(side, code.size() + 8);
            for y in 0..side {
                for x in 0..side {
                    assert_eq!(modules.contains(&(x, y)), code.get_module(x - 4, y - 4), "{x} {y}");
                }
            }
        }
    }

    #[test]
    fn the_picture_is_one_path_on_a_white_ground_and_nothing_active() {
        let svg = qr_svg(&otpauth_uri("Acme", "user@example.com", SECRET)).expect("fits");
        assert!(svg.starts_with(r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 "#));
        assert!(svg.contains(r#"role="img""#) && svg.contains(r#"shape-rendering="crispEdges""#));
        assert!(svg.ends_with(r##"" fill="#000"/></svg>"##));
        assert_eq!(svg.matches("<path").count(), 1);
        assert_eq!(svg.matches("<rect").count(), 1);
        // svg, rect, path and the end of svg.
        assert_eq!(svg.matches('<').count(), 4);
        assert!(svg.contains(r##"fill="#fff"/><path"##));
        for active in ["script", "href", "style", "on", "&"] {
            assert!(!svg.contains(active), "{active}");
        }
    }

    #[test]
    fn error_correction_is_at_least_medium() {
        let uri = otpauth_uri("Acme", "user@example.com", SECRET);
        let code = QrCode::encode_text(&uri, QrCodeEcc::Medium).expect("fits");
        assert!(code.error_correction_level() >= QrCodeEcc::Medium);
    }

    #[test]
    fn what_no_symbol_holds_has_no_picture() {
        assert!(qr_svg(&"x".repeat(2331)).is_some());
        assert!(qr_svg(&"x".repeat(2332)).is_none());
        assert!(qr_svg(&"x".repeat(100_000)).is_none());
    }
}
