//! What a person reads or hears.

use crate::mfa::factor::Kind;
use crate::mfa::language::Language;
use crate::types::Secret;

/// The content of a message, in the form of its channel.
#[derive(Debug)]
pub enum Content {
    /// A text message.
    Text(Secret),
    /// What is read out on the phone; the code's digits stand apart.
    Speech {
        /// The language that it is to be read in (BCP 47, with a region).
        language: &'static str,
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
pub struct Code<'a> {
    /// Who asks for the code, as the person knows it.
    pub tenant_name: &'a str,
    /// Six digits.
    pub code: &'a Secret,
    /// Whole minutes for which it is good.
    pub minutes: i64,
    /// The host of the page that it is typed into, for phones that fill it in.
    pub domain: &'a str,
}

/// The words around a code.
#[must_use]
pub fn of_code(channel: Kind, language: Language, about: &Code<'_>) -> Content {
    match channel {
        Kind::Sms | Kind::Totp => Content::Text(Secret::new(text_message(language, about))),
        Kind::Voice => speech(language, about),
        Kind::Email => mail(language, about),
    }
}

/// One sentence of each language. Those in Latin script keep to the alphabet of text messages (GSM 03.38), which has no
/// "ó" and no "ã": one letter outside it would halve what fits.
fn sentence(language: Language, tenant: &str, code: &str, minutes: i64) -> String {
    match language {
        Language::English => {
            format!("{code} is your code for {tenant}. It is good for {minutes} minutes. Never share it.")
        }
        Language::German => {
            format!(
                "{code} ist Ihr Code für {tenant}. Er gilt {minutes} Minuten. Geben Sie ihn niemals weiter."
            )
        }
        Language::French => {
            format!(
                "{code} est votre code pour {tenant}. Valable {minutes} minutes. Ne le communiquez jamais."
            )
        }
        Language::Spanish => {
            format!("{code} es tu clave para {tenant}. Vale {minutes} minutos. Nunca la compartas.")
        }
        Language::Portuguese => {
            format!("{code} é a sua chave para {tenant}. Vale {minutes} minutos. Nunca a partilhe.")
        }
        Language::Japanese => {
            format!("{tenant}の確認コードは{code}です。有効期限は{minutes}分です。誰にも教えないでください。")
        }
        Language::Arabic => {
            format!("{code} هو رمزك لدى {tenant}. صالح لمدة {minutes} دقائق. لا تشاركه مع أحد.")
        }
    }
}

/// A text message: the sentence, and the line by which phones know which page the code is for and fill it in
/// ("origin-bound one-time codes"). In one part where the script allows: the tenant's name gives way.
fn text_message(language: Language, about: &Code<'_>) -> String {
    let code = about.code.expose();
    let line = format!("\n\n@{} #{code}", about.domain);
    let whole = |tenant: &str| format!("{}{line}", sentence(language, tenant, code, about.minutes));
    if matches!(language, Language::Japanese | Language::Arabic) {
        return whole(about.tenant_name);
    }
    let mut tenant = gsm_text(about.tenant_name);
    if tenant.is_empty() {
        about.domain.clone_into(&mut tenant);
    }
    while septets(&whole(&tenant)).is_none_or(|septets| septets > GSM_SEPTETS) && tenant.pop().is_some() {}
    whole(tenant.trim_end())
}

/// What one part of a text message holds in the alphabet of GSM 03.38.
const GSM_SEPTETS: usize = 160;
/// The alphabet's letters beyond ASCII's, as far as names have them.
const GSM_LETTERS: &str = "£¥èéùìòÇØøÅåÆæßÉÄÖÑÜ§äöñüà¡¿¤";
/// What takes two septets.
const GSM_EXTENSION: &str = "^{}\\[~]|€";
/// ASCII that the alphabet lacks.
const NOT_GSM: &str = "`";

/// How many septets a text takes, if it can be written with them.
fn septets(text: &str) -> Option<usize> {
    let mut septets: usize = 0;
    for character in text.chars() {
        let width = match character {
            _ if GSM_EXTENSION.contains(character) => 2,
            _ if NOT_GSM.contains(character) => return None,
            '\n' | ' '..='~' => 1,
            _ if GSM_LETTERS.contains(character) => 1,
            _ => return None,
        };
        septets = septets.saturating_add(width);
    }
    Some(septets)
}

/// The name in letters of the alphabet: accents that it lacks are dropped, other scripts left out.
fn gsm_text(name: &str) -> String {
    let plain = |character: char| match character {
        'á' | 'â' | 'ã' | 'ā' | 'ą' | 'ă' => 'a',
        'Á' | 'À' | 'Â' | 'Ã' => 'A',
        'ç' | 'ć' | 'č' => 'c',
        'Ć' | 'Č' => 'C',
        'ê' | 'ë' | 'ę' | 'ě' | 'ē' => 'e',
        'Ê' | 'È' | 'Ë' => 'E',
        'í' | 'î' | 'ï' | 'ı' => 'i',
        'Í' | 'Î' | 'İ' => 'I',
        'ł' => 'l',
        'Ł' => 'L',
        'ń' | 'ň' => 'n',
        'ó' | 'ô' | 'õ' | 'ő' => 'o',
        'Ó' | 'Ô' | 'Õ' => 'O',
        'ř' => 'r',
        'ś' | 'š' | 'ş' => 's',
        'Ś' | 'Š' | 'Ş' => 'S',
        'ú' | 'û' | 'ů' | 'ű' => 'u',
        'Ú' | 'Û' => 'U',
        'ý' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        'Ź' | 'Ż' | 'Ž' => 'Z',
        '’' | '‘' | '`' => '\'',
        '–' | '—' => '-',
        other => other,
    };
    let kept: String = name
        .chars()
        .map(plain)
        .filter(|character| septets(character.encode_utf8(&mut [0; 4])).is_some())
        .collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Twice, digit by digit: whoever writes it down needs the second time.
fn speech(language: Language, about: &Code<'_>) -> Content {
    let tenant = about.tenant_name;
    let digits: Vec<_> = about.code.expose().chars().map(|digit| digit.to_string()).collect();
    let digits = digits.join(", ");
    let (tag, sentence) = match language {
        Language::English => ("en-US", format!("Your code for {tenant} is: {digits}.")),
        Language::German => ("de-DE", format!("Ihr Code für {tenant} lautet: {digits}.")),
        Language::French => ("fr-FR", format!("Votre code pour {tenant} est : {digits}.")),
        Language::Spanish => ("es-ES", format!("Su código para {tenant} es: {digits}.")),
        Language::Portuguese => ("pt-BR", format!("O seu código para {tenant} é: {digits}.")),
        Language::Japanese => ("ja-JP", format!("{tenant}の確認コードは、{digits}、です。")),
        Language::Arabic => ("ar-XA", format!("رمزك لدى {tenant} هو: {digits}.")),
    };
    Content::Speech { language: tag, sentences: vec![Secret::new(sentence.clone()), Secret::new(sentence)] }
}

fn mail(language: Language, about: &Code<'_>) -> Content {
    let (tenant, code) = (about.tenant_name, about.code.expose());
    let subject = match language {
        Language::English => format!("Your code for {tenant}"),
        Language::German => format!("Ihr Code für {tenant}"),
        Language::French => format!("Votre code pour {tenant}"),
        Language::Spanish => format!("Su código para {tenant}"),
        Language::Portuguese => format!("O seu código para {tenant}"),
        Language::Japanese => format!("{tenant}の確認コード"),
        Language::Arabic => format!("رمزك لدى {tenant}"),
    };
    let text = sentence(language, tenant, code, about.minutes);
    let direction = if language == Language::Arabic { "rtl" } else { "ltr" };
    let html = format!(
        "<!DOCTYPE html><html lang=\"{tag}\" dir=\"{direction}\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\
         <body style=\"font:16px/1.5 sans-serif;max-width:32em;margin:2em auto;padding:0 1em\">\
         <p style=\"font-size:2em;letter-spacing:.2em\" dir=\"ltr\"><strong>{code}</strong></p><p>{text}</p></body></html>",
        tag = language.tag(),
        title = escaped(&subject),
        text = escaped(&text),
    );
    Content::Mail { subject, text: Secret::new(text), html: Secret::new(html) }
}

/// The text as it may stand in HTML and XML.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANTS: [&str; 9] = [
        "Example",
        "Bäckerei & Söhne <GmbH>",
        "São Tomé Telecomunicações",
        "株式会社例",
        "مثال",
        "A `quoted` {name} [with] ~all~ |of| it^",
        "x",
        "An unreasonably long name of a company that nobody would ever want to read on a phone",
        "ŁÓDŹ–Wrocław’s",
    ];
    const CODES: [&str; 3] = ["000000", "123456", "999999"];

    fn all() -> impl Iterator<Item = (Language, &'static str, &'static str)> {
        Language::ALL
            .into_iter()
            .flat_map(|language| TENANTS.into_iter().map(move |tenant| (language, tenant)))
            .flat_map(|(language, tenant)| CODES.into_iter().map(move |code| (language, tenant, code)))
    }

    fn content(channel: Kind, language: Language, tenant_name: &str, code: &str) -> Content {
        let code = Secret::new(code.to_owned());
        of_code(
            channel,
            language,
            &Code { tenant_name, code: &code, minutes: 5, domain: "login.example.com" },
        )
    }

    #[test]
    fn text_messages_fit_into_one_part_where_the_script_allows_and_end_in_the_line_for_phones() {
        for (language, tenant, code) in all() {
            let Content::Text(text) = content(Kind::Sms, language, tenant, code) else { panic!("no text") };
            let text = text.expose();
            assert!(text.ends_with(&format!("\n\n@login.example.com #{code}")), "{text}");
            assert_eq!(text.matches(code).count(), 2, "{text}");
            assert!(text.contains('5'), "{text}");
            if matches!(language, Language::Japanese | Language::Arabic) {
                assert!(text.encode_utf16().count() <= 3 * 67, "{text}");
            } else {
                assert!(septets(text).is_some_and(|septets| septets <= 160), "{:?}: {text}", septets(text));
            }
        }
    }

    #[test]
    fn a_short_name_is_kept_and_a_long_one_shortened() {
        let text = |tenant: &str| match content(Kind::Sms, Language::German, tenant, "123456") {
            Content::Text(text) => text.expose().to_owned(),
            _ => panic!("no text"),
        };
        assert!(text("Bäckerei & Söhne").contains("für Bäckerei & Söhne. Er gilt 5 Minuten."));
        assert!(text("São Tomé").contains("für Sao Tomé. "));
        assert!(text("株式会社例").contains("für login.example.com. "));
        assert!(text("ŁÓDŹ–Wrocław’s").contains("für LODZ-Wroclaw's. "));
        let long = text(TENANTS[7]);
        assert!(long.contains("für An unreasonably long"), "{long}");
    }

    #[test]
    fn what_counts_twice_counts_twice() {
        assert_eq!(septets("abc"), Some(3));
        assert_eq!(septets("[€]"), Some(6));
        assert_eq!(septets("äöüßéÇ"), Some(6));
        for outside in ["ç", "ó", "`", "例", "’"] {
            assert_eq!(septets(outside), None, "{outside}");
        }
    }

    #[test]
    fn calls_say_each_digit_apart_twice_in_their_language() {
        for (language, tenant, code) in all() {
            let Content::Speech { language: tag, sentences } = content(Kind::Voice, language, tenant, code)
            else {
                panic!("no speech")
            };
            assert_eq!(Language::of_tag(tag), Some(language));
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
            let direction = if language == Language::Arabic { "rtl" } else { "ltr" };
            assert!(html.contains(&format!("lang=\"{}\" dir=\"{direction}\"", language.tag())));
            for outside in ["http", "src=", "href=", "url(", "<script"] {
                assert!(!html.contains(outside), "{outside}");
            }
        }
    }
}
