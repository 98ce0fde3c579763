//! The words that come with the program, one file for each language, and which words a message is made of.

use crate::mfa::factor::Kind;
use crate::mfa::language::Languages;
use crate::storage::deliveries::Template;

pub use crate::storage::deliveries::CODE;
/// The language of whoever has named none that there are words in, unless `DEFAULT_LANGUAGE` names another.
pub const LAST_RESORT: &str = "en";

/// A language's words.
#[derive(Debug)]
pub struct Words {
    /// The language's tag.
    pub tag: &'static str,
    /// `name: text`, line by line.
    lines: &'static str,
}

/// All languages that come with the program.
pub static BUILT_IN: [Words; 7] = [
    Words { tag: "en", lines: include_str!("words/en.txt") },
    Words { tag: "de", lines: include_str!("words/de.txt") },
    Words { tag: "fr", lines: include_str!("words/fr.txt") },
    Words { tag: "es", lines: include_str!("words/es.txt") },
    Words { tag: "pt", lines: include_str!("words/pt.txt") },
    Words { tag: "ja", lines: include_str!("words/ja.txt") },
    Words { tag: "ar", lines: include_str!("words/ar.txt") },
];

impl Words {
    /// The words of the language with this tag.
    #[must_use]
    pub fn of(tag: &str) -> Option<&'static Self> {
        BUILT_IN.iter().find(|words| words.tag.eq_ignore_ascii_case(tag))
    }

    fn line(&self, message: &str, part: &str) -> &'static str {
        let named = |line: &'static str| {
            line.strip_prefix(message)?
                .strip_prefix(if message.is_empty() { "" } else { "." })?
                .strip_prefix(part)?
                .strip_prefix(": ")
        };
        self.lines.lines().find_map(named).unwrap_or_default()
    }

    /// The tag of the voice that reads it out (BCP 47, with a region).
    fn speech(&self) -> &'static str {
        self.line("", "speech")
    }

    /// What an authenticator of this kind is called.
    fn method(&self, kind: Kind) -> &'static str {
        self.line(
            "method",
            match kind {
                Kind::Totp => "app",
                Kind::Sms | Kind::Voice => "phone",
                Kind::Email => "email",
            },
        )
    }
}

/// The words of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen<'a> {
    /// The tag of the language that they are in.
    pub language: &'a str,
    /// The tag of the voice that reads them out.
    pub voice: &'a str,
    /// The template of a mail's subject.
    pub subject: &'a str,
    /// The template of what is read, or read out.
    pub text: &'a str,
    /// The template of a mail's HTML, if the operator has written one.
    pub html: Option<&'a str>,
    /// What the authenticator that a notice is about is called.
    pub method: &'static str,
}

/// Picks the first of the person's languages that there are words in: the operator's own before those of the program,
/// then those of the `default` language, at last English. `message` is [`CODE`] or a notice's name, `about` the
/// authenticator that it is about.
#[must_use]
pub fn choose<'a>(
    message: &str,
    about: Option<Kind>,
    channel: Kind,
    languages: &'a Languages,
    default: &'a str,
    own: &'a [Template],
) -> Chosen<'a> {
    let built_in = languages.lookup(default).find_map(Words::of).unwrap_or(&BUILT_IN[0]);
    let method = about.map_or("", |kind| built_in.method(kind));
    let found = languages.lookup(default).find_map(|tag| {
        let own = own.iter().find(|own| {
            own.message == message
                && own.channel == channel.as_str()
                && own.language.eq_ignore_ascii_case(tag)
        });
        match own {
            Some(own) => Some(chosen_own(own, method)),
            None => Words::of(tag).map(|words| chosen_built_in(words, message, channel, method)),
        }
    });
    found.unwrap_or_else(|| chosen_built_in(built_in, message, channel, method))
}

fn chosen_own<'a>(own: &'a Template, method: &'static str) -> Chosen<'a> {
    // A voice is of a region; of a language alone the usual one is taken.
    let voice = Words::of(&own.language).map_or(own.language.as_str(), |words| words.speech());
    Chosen {
        language: &own.language,
        voice,
        subject: own.subject.as_deref().unwrap_or_default(),
        text: &own.text,
        html: own.html.as_deref(),
        method,
    }
}

fn chosen_built_in(words: &Words, message: &str, channel: Kind, method: &'static str) -> Chosen<'static> {
    Chosen {
        language: words.tag,
        voice: words.speech(),
        subject: words.line(message, "subject"),
        text: words.line(message, if channel == Kind::Voice { "speech" } else { "text" }),
        html: None,
        method,
    }
}

/// Whether a language is written from right to left.
#[must_use]
pub fn is_right_to_left(tag: &str) -> bool {
    let primary = tag.split('-').next().unwrap_or_default();
    ["ar", "arc", "ckb", "dv", "fa", "he", "ps", "sd", "syr", "ug", "ur", "yi"]
        .iter()
        .any(|own| own.eq_ignore_ascii_case(primary))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::template::{check, places};
    use crate::mfa::notice::Notice;

    #[test]
    fn every_language_has_every_word_and_no_other() {
        let names = |words: &Words| -> Vec<_> {
            words.lines.lines().map(|line| line.split_once(": ").unwrap().0).collect()
        };
        let expected = names(&BUILT_IN[0]);
        assert_eq!(expected.len(), 19);
        for words in &BUILT_IN {
            assert_eq!(names(words), expected, "{}", words.tag);
            assert!(words.lines.lines().all(|line| !line.split_once(": ").unwrap().1.trim().is_empty()));
            assert!(words.speech().split_once('-').is_some_and(|(primary, _)| primary == words.tag));
        }
    }

    #[test]
    fn the_words_of_the_program_pass_the_check_of_own_ones() {
        for words in &BUILT_IN {
            for message in Notice::NAMES.into_iter().chain([CODE]) {
                for (channel, kind) in [("sms", Kind::Sms), ("voice", Kind::Voice), ("email", Kind::Email)] {
                    if message != CODE && kind == Kind::Voice {
                        continue;
                    }
                    let chosen = chosen_built_in(words, message, kind, "");
                    let own = Template {
                        message: message.to_owned(),
                        channel: channel.to_owned(),
                        language: words.tag.to_owned(),
                        subject: (kind == Kind::Email).then(|| chosen.subject.to_owned()),
                        text: chosen.text.to_owned(),
                        html: None,
                    };
                    assert_eq!(check(&own), Ok(()), "{own:?}");
                    assert!(places(chosen.text).any(|place| place == "tenant"), "{own:?}");
                    let is_about = message.starts_with("authenticator_");
                    assert_eq!(places(chosen.text).any(|place| place == "method"), is_about, "{own:?}");
                }
            }
        }
    }

    fn own(language: &str, channel: &str) -> Template {
        Template {
            message: CODE.to_owned(),
            channel: channel.to_owned(),
            language: language.to_owned(),
            subject: None,
            text: format!("{language} {{{{code}}}}"),
            html: None,
        }
    }

    #[test]
    fn the_first_language_that_has_words_is_taken_and_own_words_come_first() {
        let all = [own("it", "sms"), own("de-CH", "sms"), own("fr", "voice"), own("en", "sms")];
        let choose = |tags: &str, default: &str, channel| {
            let languages = Languages::read(tags);
            let chosen = choose(CODE, None, channel, &languages, default, &all);
            (chosen.language.to_owned(), chosen.voice.to_owned(), chosen.text.starts_with(chosen.language))
        };
        for (tags, default, language, is_own) in [
            ("it-CH de", "en", "it", true),
            ("de-CH", "en", "de-CH", true),
            ("de-AT", "en", "de", false),
            ("DE-ch-1996", "en", "de-CH", true),
            ("nl fr", "en", "fr", false),
            ("nl", "ja", "ja", false),
            ("nl", "it-IT", "it", true),
            ("nl", "pl", "en", false),
            ("", "en", "en", true),
        ] {
            let (chosen, _, own) = choose(tags, default, Kind::Sms);
            assert_eq!((chosen.as_str(), own), (language, is_own), "{tags} {default}");
        }
        assert_eq!(choose("fr-CA", "en", Kind::Voice), ("fr".to_owned(), "fr-FR".to_owned(), true));
        assert_eq!(choose("es", "en", Kind::Voice), ("es".to_owned(), "es-ES".to_owned(), false));
    }

    #[test]
    fn a_notice_names_the_authenticator_in_a_language_that_has_a_word_for_it() {
        let all = [Template { message: "authenticator_added".to_owned(), ..own("it", "sms") }];
        let languages = Languages::read("it de");
        let chosen = choose("authenticator_added", Some(Kind::Voice), Kind::Sms, &languages, "en", &all);
        assert_eq!((chosen.language, chosen.method), ("it", "Telefonnummer"));
    }

    #[test]
    fn arabic_and_hebrew_are_written_from_right_to_left() {
        for (tag, expected) in [("ar", true), ("AR-EG", true), ("he", true), ("en", false), ("arn", false)] {
            assert_eq!(is_right_to_left(tag), expected, "{tag}");
        }
    }
}
