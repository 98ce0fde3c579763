//! A text with places for what differs from message to message: `{{code}}`, `{{tenant}}`, `{{minutes}}`, `{{method}}`.

use std::borrow::Cow;

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

/// What a template of the operator's consists of. Its `html` is taken as it is, its `text` made into HTML where it has
/// none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// `code`, or a notice's name.
    pub message: String,
    /// `sms`, `voice` or `email`.
    pub channel: String,
    /// The language's tag.
    pub language: String,
    /// The subject of a mail.
    pub subject: Option<String>,
    /// What is read, or read out.
    pub text: String,
    /// The same as HTML, for mail.
    pub html: Option<String>,
}

impl Own {
    /// Whether it can be sent. `npm run templates` asks the same before it stores one; the rows that both are held to
    /// stand in `tests/support/template-cases.json`.
    ///
    /// # Errors
    /// What is wrong, as a sentence about "it".
    pub fn check(&self) -> Result<(), String> {
        let is_code = self.message == "code";
        let allowed: &[&str] = if is_code { &["code", "minutes", "tenant"] } else { &["method", "tenant"] };
        let is_mail = self.channel == "email";
        if is_mail != self.subject.is_some() {
            return Err("must have a subject if it is mail, and none if it is not".to_owned());
        }
        if self.html.is_some() && !is_mail {
            return Err("has HTML, but is no mail".to_owned());
        }
        for (name, part, maximum) in [
            ("subject", self.subject.as_ref(), MAXIMUM_SUBJECT),
            ("text", Some(&self.text), MAXIMUM_TEXT),
            ("html", self.html.as_ref(), MAXIMUM_HTML),
        ] {
            let Some(part) = part else { continue };
            if part.trim().is_empty() || part.len() > maximum {
                return Err(format!("must have from 1 to {maximum} bytes of {name}"));
            }
            let is_unfit =
                |character: char| character.is_control() && (name == "subject" || character != '\n');
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

    #[test]
    fn own_templates_are_judged_as_the_command_line_judges_them() {
        let cases: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/support/template-cases.json")).unwrap();
        let cases = cases.as_array().unwrap();
        assert!(cases.len() > 20);
        for case in cases {
            let template = &case["template"];
            let text =
                |name: &str| template[name].as_str().map(|text| text.replace("<long>", &"x".repeat(70_000)));
            let own = Own {
                message: text("message").unwrap(),
                channel: text("channel").unwrap(),
                language: "de".to_owned(),
                subject: text("subject"),
                text: text("text").unwrap(),
                html: text("html"),
            };
            assert_eq!(own.check().err().as_deref(), case["problem"].as_str(), "{template}");
        }
    }
}
