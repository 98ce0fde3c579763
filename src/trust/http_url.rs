//! The few things that must be known of a URL before it is trusted or called (RFC 3986).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An absolute http or https URL without user information or fragment, in plain ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl<'a> {
    scheme: Scheme,
    authority: String,
    host: String,
    rest: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl<'a> HttpUrl<'a> {
    /// Takes the URL apart.
    ///
    /// # Errors
    /// What is wrong, to follow "must be": a noun phrase for the operator.
    pub fn parse(text: &'a str) -> Result<Self, &'static str> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\')) {
            return Err("a URL in plain ASCII without spaces");
        }
        let (scheme, rest) = text.split_once("://").ok_or("an absolute URL that begins with https://")?;
        let scheme = match scheme {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return Err("an absolute URL that begins with https://"),
        };
        if rest.contains('#') {
            return Err("a URL without a fragment");
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err("a URL without user name or password");
        }
        let (host, port) = split_authority(authority).ok_or("a URL with a valid host name and port")?;
        let host = host.to_ascii_lowercase();
        let default_port = match scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        };
        let authority = match port {
            Some(port) if port != default_port => format!("{host}:{port}"),
            _ => host.clone(),
        };
        Ok(Self { scheme, authority, host, rest })
    }

    /// Takes the URL apart and refuses plain http, except to this very machine, where developers have their servers.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_secure(text: &'a str) -> Result<Self, &'static str> {
        let url = Self::parse(text)?;
        if url.scheme == Scheme::Http && !url.is_loopback() {
            return Err("an https:// URL (http:// is for loopback hosts only)");
        }
        Ok(url)
    }

    /// Scheme, lower-case host and, unless it is the default, port.
    #[must_use]
    pub fn origin(&self) -> String {
        match self.scheme {
            Scheme::Http => format!("http://{}", self.authority),
            Scheme::Https => format!("https://{}", self.authority),
        }
    }

    /// Lower-case host and, unless it is the default, port: as a `Host` header has it.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What follows the origin: path and query, possibly empty.
    #[must_use]
    pub fn path_and_query(&self) -> &'a str {
        self.rest
    }

    /// Whether there is a query.
    #[must_use]
    pub fn has_query(&self) -> bool {
        self.rest.contains('?')
    }

    /// The host, if it is an address.
    fn address(&self) -> Option<IpAddr> {
        let host = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host);
        host.parse().ok()
    }

    /// Whether the host is this very machine: `localhost`, a name below it (RFC 6761 section 6.3), 127.0.0.0/8, ::1.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.host.ends_with(".localhost")
            || self.address().is_some_and(|address| address.is_loopback())
    }
}

fn split_authority(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port = match port {
        None => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok().filter(|port| *port != 0)?)
        }
        Some(_) => return None,
    };
    is_host(host).then_some((host, port))
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let last = host.rsplit_once('.').map_or(host, |(_, last)| last);
    if is_number(last) {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    host.len() <= 253 && host.split('.').all(is_label)
}

/// Whether a host that ends in this label is an IPv4 address for the URL standard, in whatever spelling: `2130706433`,
/// `0x7f.1` and `127.1` are all 127.0.0.1 there (section 3.5, "ends in a number"). Here only the usual spelling is one.
fn is_number(label: &str) -> bool {
    let digits = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    let is_hexadecimal = digits.is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    is_hexadecimal || (!label.is_empty() && label.bytes().all(|digit| digit.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_in_one_way() {
        for (text, origin) in [
            ("https://MFA.Example.com", "https://mfa.example.com"),
            ("https://mfa.example.com:443/a?b", "https://mfa.example.com"),
            ("https://mfa.example.com:8443", "https://mfa.example.com:8443"),
            ("http://localhost:80/", "http://localhost"),
            ("http://[::1]:8787/x", "http://[::1]:8787"),
            ("http://[::1]", "http://[::1]"),
        ] {
            assert_eq!(HttpUrl::parse(text).unwrap().origin(), origin);
        }
        let url = HttpUrl::parse("https://a.example:1/p/q?r=s").unwrap();
        assert_eq!((url.authority(), url.path_and_query()), ("a.example:1", "/p/q?r=s"));
        assert!(url.has_query() && !url.is_loopback());
        assert_eq!(HttpUrl::parse("https://a.example?q").unwrap().path_and_query(), "?q");
    }

    #[test]
    fn what_is_no_plain_absolute_url_is_refused() {
        for text in [
            "",
            "example.com",
            "//example.com",
            "ftp://example.com",
            "HTTPS://example.com",
            "https://",
            "https:///path",
            "https://user@example.com",
            "https://user:password@example.com",
            "https://example.com#part",
            "https://exa mple.com",
            "https://example.com/\u{e9}",
            "https://example.com:",
            "https://example.com:0",
            "https://example.com:65536",
            "https://example.com:+1",
            "https://example..com",
            "https://-example.com",
            "https://example.com\\evil",
            "https://[::1",
            "https://[::g]",
            "https://[:::]",
            "https://2130706433",
            "https://0x7f000001",
            "https://127.1",
            "https://0177.0.0.1",
            "https://127.0.0.1.2",
            "https://256.0.0.1",
            "https://example.0x7f",
            "https://example.1",
            "https://exa%6dple.com",
        ] {
            assert!(HttpUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for text in [
            "http://localhost:1",
            "http://idp.localhost",
            "http://127.0.0.1:9/x",
            "http://127.8.9.1",
            "http://[::1]/",
            "http://[0:0:0:0:0:0:0:1]/",
        ] {
            assert!(HttpUrl::parse_secure(text).is_ok(), "{text}");
        }
        for text in [
            "http://example.com",
            "http://localhost.example.com",
            "http://128.0.0.1",
            "http://127.0.0.1.nip.io",
            "http://127.0.0.a",
        ] {
            assert!(HttpUrl::parse_secure(text).is_err(), "{text}");
        }
        assert!(HttpUrl::parse_secure("https://example.com").is_ok());
    }
}
