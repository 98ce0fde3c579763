//! What a person reads or hears, in the form of its channel.

use super::template::Values;
use super::text_message;
use super::words::{Chosen, is_right_to_left};
use crate::mfa::factor::Kind;
use crate::types::Secret;

/// The content of a message.
#[derive(Debug)]
pub enum Content {
    /// A text message.
    Text(Secret),
    /// What is read out on the phone; the code's digits stand apart.
    Speech {
        /// The language that it is to be read in (BCP 47, with a region where a voice needs one).
        language: String,
        /// Sentence by sentence.
        sentences: Vec<Secret>,
    },
    /// An e-mail, as text and as HTML.
    Mail {
        /// The subject, without the code: it shows on locked screens.
        subject: String,
        /// Plain text.
        text: Secret,
        /// The same as HTML.
        html: Secret,
    },
}

/// What the words are about.
#[derive(Debug)]
pub struct About<'a> {
    /// Who writes, as the person knows it.
    pub tenant_name: &'a str,
    /// The code, if one is brought.
    pub code: Option<Code<'a>>,
    /// The host of the page that a code is typed into, for phones that fill it in.
    pub domain: &'a str,
}

/// A code, for as long as it is good.
#[derive(Debug)]
pub struct Code<'a> {
    /// Six digits.
    pub digits: &'a Secret,
    /// Whole minutes for which it is good.
    pub minutes: i64,
}

/// The words, filled in.
#[must_use]
pub fn compose(channel: Kind, words: &Chosen<'_>, about: &About<'_>) -> Content {
    let code = about.code.as_ref().map_or("", |code| code.digits.expose());
    let minutes = about.code.as_ref().map_or_else(String::new, |code| code.minutes.to_string());
    let values = Values { tenant: about.tenant_name, code, minutes: &minutes, method: words.method };
    match channel {
        Kind::Sms | Kind::Totp => Content::Text(Secret::new(text_message::written(
            words.text,
            &values,
            about.domain,
            about.code.is_some(),
        ))),
        Kind::Voice => speech(words, &values),
        Kind::Email => mail(words, &values),
    }
}

/// Twice, digit by digit: whoever writes it down needs the second time.
fn speech(words: &Chosen<'_>, values: &Values<'_>) -> Content {
    let digits: Vec<_> = values.code.chars().map(|digit| digit.to_string()).collect();
    let sentence = Values { code: &digits.join(", "), ..*values }.put_into(words.text);
    let sentences = vec![Secret::new(sentence.clone()), Secret::new(sentence)];
    Content::Speech { language: words.voice.to_owned(), sentences }
}

fn mail(words: &Chosen<'_>, values: &Values<'_>) -> Content {
    let subject = values.put_into(words.subject);
    let text = values.put_into(words.text);
    let html = match words.html {
        Some(own) => values.put_into_html(own),
        None => page(words.language, &subject, values.code, &text),
    };
    Content::Mail { subject, text: Secret::new(text), html: Secret::new(html) }
}

/// A page without anything that is fetched: the code, large, and the words.
fn page(language: &str, subject: &str, code: &str, text: &str) -> String {
    let direction = if is_right_to_left(language) { "rtl" } else { "ltr" };
    let code = if code.is_empty() {
        String::new()
    } else {
        format!("<p style=\"font-size:2em;letter-spacing:.2em\" dir=\"ltr\"><strong>{code}</strong></p>")
    };
    format!(
        "<!DOCTYPE html><html lang=\"{language}\" dir=\"{direction}\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         </head><body style=\"font:16px/1.5 sans-serif;max-width:32em;margin:2em auto;padding:0 1em\">{code}<p>{text}</p>\
         </body></html>",
        language = escaped(language),
        title = escaped(subject),
        text = escaped(text).replace('\n', "<br>"),
    )
}

/// The text as it may stand in HTML and XML.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::words::{BUILT_IN, CODE, choose};
    use crate::mfa::language::Languages;
    use crate::mfa::notice::Notice;
    use crate::storage::deliveries::Template;

    const TENANTS: [&str; 9] = [
        "Example",
        "Bäckerei & Söhne <GmbH>",
        "São Tomé Telecomunicações",
        "株式会社例",
        "مثال",
        "A `quoted` {{code}} [with] ~all~ |of| it^",
        "x",
        "An unreasonably long name of a company that nobody would ever want to read on a phone",
        "ŁÓDŹ–Wrocław’s",
    ];
    const CODES: [&str; 3] = ["000000", "123456", "999999"];

    fn all() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
        BUILT_IN
            .iter()
            .flat_map(|words| TENANTS.into_iter().map(move |tenant| (words.tag, tenant)))
            .flat_map(|(language, tenant)| CODES.into_iter().map(move |code| (language, tenant, code)))
    }

    fn content(channel: Kind, language: &str, tenant_name: &str, code: &str) -> Content {
        let code = Secret::new(code.to_owned());
        let languages = Languages::read(language);
        let about = About {
            tenant_name,
            code: Some(Code { digits: &code, minutes: 5 }),
            domain: "login.example.com",
        };
        compose(channel, &choose(CODE, None, channel, &languages, "en", &[]), &about)
    }

    fn is_other_script(language: &str) -> bool {
        matches!(language, "ja" | "ar")
    }

    /// In one part's septets, none of whose letters is outside the alphabet.
    fn is_one_part(text: &str) -> bool {
        let outside =
            |character: char| !character.is_ascii() && !"£¥èéùìòÇØøÅåÆæßÉÄÖÑÜ§äöñüà¡¿¤€".contains(character);
        let width = |character| if "^{}\\[~]|€".contains(character) { 2 } else { 1 };
        !text.contains('`') && !text.chars().any(outside) && text.chars().map(width).sum::<usize>() <= 160
    }

    #[test]
    fn text_messages_fit_into_one_part_where_the_script_allows_and_end_in_the_line_for_phones() {
        for (language, tenant, code) in all() {
            let Content::Text(text) = content(Kind::Sms, language, tenant, code) else { panic!("no text") };
            let text = text.expose();
            assert!(text.ends_with(&format!("\n\n@login.example.com #{code}")), "{text}");
            assert_eq!(text.matches(code).count(), 2, "{text}");
            assert!(text.contains('5'), "{text}");
            if is_other_script(language) {
                assert!(text.encode_utf16().count() <= 3 * 67, "{text}");
            } else {
                assert!(is_one_part(text), "{text}");
            }
        }
    }

    #[test]
    fn calls_say_each_digit_apart_twice_in_their_language() {
        for (language, tenant, code) in all() {
            let Content::Speech { language: voice, sentences } = content(Kind::Voice, language, tenant, code)
            else {
                panic!("no speech")
            };
            assert!(voice.starts_with(&format!("{language}-")));
            let digits = code.chars().map(|digit| digit.to_string()).collect::<Vec<_>>().join(", ");
            assert_eq!(sentences.len(), 2);
            for sentence in sentences {
                assert!(sentence.expose().contains(&digits) && sentence.expose().contains(tenant));
            }
        }
    }

    #[test]
    fn mails_have_the_code_in_both_forms_and_not_in_the_subject_and_nothing_unescaped() {
        for (language, tenant, code) in all() {
            let Content::Mail { subject, text, html } = content(Kind::Email, language, tenant, code) else {
                panic!("no mail")
            };
            assert!(!subject.contains(code) && subject.contains(tenant));
            assert!(text.expose().contains(code) && text.expose().contains(tenant));
            let html = html.expose();
            assert!(html.contains(&format!("<strong>{code}</strong>")));
            assert!(html.contains(&escaped(tenant)) && !html.contains("<GmbH>"));
            let direction = if language == "ar" { "rtl" } else { "ltr" };
            assert!(html.contains(&format!("lang=\"{language}\" dir=\"{direction}\"")));
            for outside in ["http", "src=", "href=", "url(", "<script"] {
                assert!(!html.contains(outside), "{outside}");
            }
        }
    }

    #[test]
    fn notices_say_what_happened_in_one_part_and_bring_no_code() {
        for words in &BUILT_IN {
            for tenant in TENANTS {
                for (name, kind) in
                    Notice::NAMES.into_iter().flat_map(|name| Kind::ALL.map(|kind| (name, kind)))
                {
                    let notice = Notice::parse(name, Some(kind)).unwrap();
                    let languages = Languages::read(words.tag);
                    let about = About { tenant_name: tenant, code: None, domain: "login.example.com" };
                    let composed = |channel| {
                        compose(channel, &choose(name, notice.kind(), channel, &languages, "en", &[]), &about)
                    };
                    let Content::Text(text) = composed(Kind::Sms) else { panic!("no text") };
                    let text = text.expose();
                    assert!(!text.contains("{{") || tenant.contains("{{"), "{text}");
                    assert!(!text.contains('#'), "{text}");
                    assert!(is_other_script(words.tag) || is_one_part(text), "{}: {text}", text.len());
                    let Content::Mail { subject, text, html } = composed(Kind::Email) else {
                        panic!("no mail")
                    };
                    assert!(subject.contains(tenant) && text.expose().contains(tenant));
                    assert!(
                        html.expose().contains("</title></head><body") && !html.expose().contains("<strong>")
                    );
                }
            }
        }
    }

    #[test]
    fn own_html_is_taken_as_it_is_and_its_values_are_text() {
        let own = [Template {
            message: CODE.to_owned(),
            channel: "email".to_owned(),
            language: "it".to_owned(),
            subject: Some("Codice di {{tenant}}".to_owned()),
            text: "Il codice: {{code}}".to_owned(),
            html: Some("<p class=\"{{tenant}}\">{{code}}</p>".to_owned()),
        }];
        let languages = Languages::read("it");
        let code = Secret::new("123456".to_owned());
        let about = About {
            tenant_name: "<\"&>",
            code: Some(Code { digits: &code, minutes: 5 }),
            domain: "example.com",
        };
        let words = choose(CODE, None, Kind::Email, &languages, "en", &own);
        let Content::Mail { subject, text, html } = compose(Kind::Email, &words, &about) else {
            panic!("no mail")
        };
        assert_eq!(subject, "Codice di <\"&>");
        assert_eq!(text.expose(), "Il codice: 123456");
        assert_eq!(html.expose(), "<p class=\"&lt;&quot;&amp;&gt;\">123456</p>");
    }
}
