//! A text with places for what differs from message to message: `{{code}}`, `{{tenant}}`, `{{minutes}}`, `{{method}}`.

use std::borrow::Cow;

use super::words::CODE;
use crate::mfa::factor::Kind;
use crate::mfa::language;
use crate::mfa::notice::Notice;
use crate::storage::deliveries::Template;

/// The longest text of an own template, in bytes.
pub const MAXIMUM_TEXT: usize = 2_000;
/// The longest HTML of an own template, in bytes.
pub const MAXIMUM_HTML: usize = 64_000;
/// The longest subject of an own template, in bytes.
pub const MAXIMUM_SUBJECT: usize = 200;

/// What stands in the places.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// `{{tenant}}`: who writes, as the person knows it.
    pub tenant: &'a str,
    /// `{{code}}`, in a message that brings one.
    pub code: &'a str,
    /// `{{minutes}}`: how long the code is good, in whole minutes.
    pub minutes: &'a str,
    /// `{{method}}`: the authenticator that a notice is about.
    pub method: &'a str,
}

impl<'a> Values<'a> {
    fn of(&self, name: &str) -> Option<&'a str> {
        match name {
            "tenant" => Some(self.tenant),
            "code" => Some(self.code),
            "minutes" => Some(self.minutes),
            "method" => Some(self.method),
            _ => None,
        }
    }

    /// Puts the values in their places, once: what looks like a place within a value stays as it is.
    #[must_use]
    pub fn put_into(&self, template: &str) -> String {
        self.put(template, Cow::Borrowed)
    }

    /// The same into HTML: the values are text there, whatever they hold.
    #[must_use]
    pub fn put_into_html(&self, template: &str) -> String {
        self.put(template, |value| Cow::Owned(super::content::escaped(value)))
    }

    fn put(&self, template: &str, written: impl Fn(&'a str) -> Cow<'a, str>) -> String {
        let mut text = String::with_capacity(template.len());
        for part in parts(template) {
            match part {
                Part::Text(own) => text.push_str(own),
                Part::Place(name) => text.push_str(&self.of(name).map(&written).unwrap_or_default()),
            }
        }
        text
    }
}

enum Part<'a> {
    Text(&'a str),
    Place(&'a str),
}

/// The texts and places of a template, in their order. Braces that are never closed are text.
fn parts(template: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = template;
    let mut place = None;
    std::iter::from_fn(move || {
        if let Some(name) = place.take() {
            return Some(Part::Place(name));
        }
        if rest.is_empty() {
            return None;
        }
        let opened = rest.split_once("{{").and_then(|(before, after)| {
            let (name, after) = after.split_once("}}")?;
            Some((before, name, after))
        });
        match opened {
            Some((before, name, after)) => {
                rest = after;
                place = Some(name.trim());
                Some(Part::Text(before))
            }
            None => Some(Part::Text(std::mem::take(&mut rest))),
        }
    })
}

/// The names of a template's places.
pub fn places(template: &str) -> impl Iterator<Item = &str> {
    parts(template).filter_map(|part| match part {
        Part::Place(name) => Some(name),
        Part::Text(_) => None,
    })
}

/// Whether it can be sent. `npm run templates` asks the same before it stores one; a row that was
/// written in another way and cannot be sent is passed over.
///
/// # Errors
/// What is wrong, as a sentence about "it".
pub fn check(template: &Template) -> Result<(), String> {
    let is_code = template.message == CODE;
    if !is_code && !Notice::NAMES.contains(&template.message.as_str()) {
        return Err(format!("is for the message {:?}, which there is not", template.message));
    }
    match Kind::parse(&template.channel) {
        Some(Kind::Sms | Kind::Email) => {}
        Some(Kind::Voice) if is_code => {}
        _ => return Err(format!("is for the channel {:?}, by which that is not sent", template.channel)),
    }
    if language::tag(&template.language).as_ref() != Some(&template.language) {
        return Err(format!("is in the language {:?}, which is no tag", template.language));
    }
    let allowed: &[&str] = if is_code { &["code", "minutes", "tenant"] } else { &["method", "tenant"] };
    let is_mail = template.channel == "email";
    if is_mail != template.subject.is_some() {
        return Err("must have a subject if it is mail, and none if it is not".to_owned());
    }
    if template.html.is_some() && !is_mail {
        return Err("has HTML, but is no mail".to_owned());
    }
    for (name, part, maximum) in [
        ("subject", template.subject.as_ref(), MAXIMUM_SUBJECT),
        ("text", Some(&template.text), MAXIMUM_TEXT),
        ("html", template.html.as_ref(), MAXIMUM_HTML),
    ] {
        let Some(part) = part else { continue };
        if part.trim().is_empty() || part.len() > maximum {
            return Err(format!("must have from 1 to {maximum} bytes of {name}"));
        }
        let is_unfit = |character: char| character.is_control() && (name == "subject" || character != '\n');
        if part.chars().any(is_unfit) {
            return Err(format!("has control characters in its {name}"));
        }
        if let Some(unknown) = places(part).find(|place| !allowed.contains(place)) {
            return Err(format!("has the place {{{{{unknown}}}}} in its {name}, which it cannot fill"));
        }
        let has_code = places(part).any(|place| place == "code");
        if name == "subject" && has_code {
            return Err("has the code in its subject, which shows on locked screens".to_owned());
        }
        if name != "subject" && is_code && !has_code {
            return Err(format!("has no {{{{code}}}} in its {name}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: Values<'_> = Values { tenant: "A & {{code}}", code: "123456", minutes: "5", method: "app" };

    #[test]
    fn values_stand_in_their_places_and_are_not_read_again() {
        for (template, text) in [
            ("{{code}} for {{tenant}}: {{minutes}} minutes", "123456 for A & {{code}}: 5 minutes"),
            ("{{ code }}{{code}}", "123456123456"),
            ("{{unknown}}|{{code|}}", "|"),
            ("{{code", "{{code"),
            ("code}} {code}", "code}} {code}"),
            ("", ""),
        ] {
            assert_eq!(VALUES.put_into(template), text, "{template}");
        }
        assert_eq!(VALUES.put_into_html("<b>{{tenant}}</b>"), "<b>A &amp; {{code}}</b>");
    }

    /// A template whose text is `text`; mail has a subject.
    fn own(message: &str, channel: &str, text: &str) -> Template {
        Template {
            message: message.to_owned(),
            channel: channel.to_owned(),
            language: "de".to_owned(),
            subject: (channel == "email").then(|| "A code for {{tenant}}".to_owned()),
            text: text.to_owned(),
            html: None,
        }
    }

    fn with_html(html: &str) -> Template {
        Template { html: Some(html.to_owned()), ..own("code", "email", "{{code}}") }
    }

    fn with_subject(subject: &str) -> Template {
        Template { subject: Some(subject.to_owned()), ..own("code", "email", "{{code}}") }
    }

    #[test]
    fn what_can_be_sent_is_right() {
        for template in [
            own("code", "sms", "{{code}} is your code."),
            own("code", "sms", "{{tenant}}: {{ code }}, {{minutes}} min"),
            own("code", "voice", "Your code is {{code}}.\nGoodbye."),
            own("code", "email", "{{code}}"),
            with_html("<p>{{code}}</p>\n<p>{{minutes}}</p>"),
            own("authenticator_added", "sms", "{{tenant}}: {{method}} added"),
            own("guesses_locked", "email", "Too many codes."),
            own("code", "sms", &"{{code}}".repeat(MAXIMUM_TEXT / 8)),
        ] {
            assert_eq!(check(&template), Ok(()), "{template:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_template_is_named() {
        let long = |maximum: usize| format!("{{{{code}}}}{}", "x".repeat(maximum));
        let in_language = |tag: &str| Template { language: tag.to_owned(), ..own("code", "sms", "{{code}}") };
        for (template, problem) in [
            (own("hello", "sms", "{{tenant}}"), "is for the message \"hello\", which there is not"),
            (own("code", "fax", "{{code}}"), "is for the channel \"fax\", by which that is not sent"),
            (own("code", "totp", "{{code}}"), "is for the channel \"totp\", by which that is not sent"),
            (
                own("guesses_locked", "voice", "{{tenant}}"),
                "is for the channel \"voice\", by which that is not sent",
            ),
            (in_language("it_IT"), "is in the language \"it_IT\", which is no tag"),
            (in_language(""), "is in the language \"\", which is no tag"),
            (own("code", "sms", "ends in {{code"), "has no {{code}} in its text"),
            (own("code", "voice", "no code"), "has no {{code}} in its text"),
            (own("code", "sms", " \n"), "must have from 1 to 2000 bytes of text"),
            (own("code", "sms", &long(MAXIMUM_TEXT)), "must have from 1 to 2000 bytes of text"),
            (own("code", "sms", "{{code}}\u{7}"), "has control characters in its text"),
            (own("code", "sms", "{{code}}\u{85}"), "has control characters in its text"),
            (
                own("code", "sms", "{{code}} {{name}}"),
                "has the place {{name}} in its text, which it cannot fill",
            ),
            (
                own("code", "sms", "{{code}} {{method}}"),
                "has the place {{method}} in its text, which it cannot fill",
            ),
            (
                own("guesses_locked", "sms", "{{code}}"),
                "has the place {{code}} in its text, which it cannot fill",
            ),
            (
                Template { subject: Some("A code".to_owned()), ..own("code", "sms", "{{code}}") },
                "must have a subject if it is mail, and none if it is not",
            ),
            (
                Template { subject: None, ..own("code", "email", "{{code}}") },
                "must have a subject if it is mail, and none if it is not",
            ),
            (
                Template { html: Some("{{code}}".to_owned()), ..own("code", "voice", "{{code}}") },
                "has HTML, but is no mail",
            ),
            (with_subject("{{code}}"), "has the code in its subject, which shows on locked screens"),
            (with_subject("Your\ncode"), "has control characters in its subject"),
            (with_subject(""), "must have from 1 to 200 bytes of subject"),
            (with_subject(&"x".repeat(201)), "must have from 1 to 200 bytes of subject"),
            (with_html("<p></p>"), "has no {{code}} in its html"),
            (with_html(&long(MAXIMUM_HTML)), "must have from 1 to 64000 bytes of html"),
        ] {
            assert_eq!(check(&template), Err(problem.to_owned()), "{template:?}");
        }
    }
}
