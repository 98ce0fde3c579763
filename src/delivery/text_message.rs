//! Text messages in as few parts as can be: a part holds 160 letters of an alphabet of its own (GSM 03.38), and 70 of
//! all others. Each part is paid for.

use super::template::Values;

/// What one part holds in that alphabet.
const SEPTETS: usize = 160;
/// The alphabet's letters beyond ASCII's, as far as names have them.
const LETTERS: &str = "£¥èéùìòÇØøÅåÆæßÉÄÖÑÜ§äöñüà¡¿¤";

/// The text of a message, with the line at its end by which phones know which page a code is for and fill it in
/// ("origin-bound one-time codes"). Where the script allows, the alphabet is kept to by dropping accents that it lacks,
/// and the message to one part by shortening the tenant's name, for which the `domain` stands where nothing is left of it.
#[must_use]
pub fn written(template: &str, values: &Values<'_>, domain: &str, has_line: bool) -> String {
    let line = if has_line { format!("\n\n@{domain} #{}", values.code) } else { String::new() };
    let (Some(template), Some(method)) = (plain(template), plain(values.method)) else {
        return values.put_into(template) + &line;
    };
    let whole = |tenant: &str| Values { tenant, method: &method, ..*values }.put_into(&template) + &line;
    let mut tenant = plain_letters(values.tenant);
    if tenant.is_empty() {
        domain.clone_into(&mut tenant);
    }
    let fits = |tenant: &str| septets(&whole(tenant)).is_some_and(|septets| septets <= SEPTETS);
    if fits("") {
        while !fits(&tenant) && tenant.pop().is_some() {}
    }
    whole(tenant.trim_end())
}

/// How many septets a text takes, if it can be written with them.
fn septets(text: &str) -> Option<usize> {
    let mut septets: usize = 0;
    for character in text.chars() {
        let width = match character {
            '^' | '{' | '}' | '\\' | '[' | '~' | ']' | '|' | '€' => 2,
            // ASCII that the alphabet lacks.
            '`' => return None,
            '\n' | ' '..='~' => 1,
            _ if LETTERS.contains(character) => 1,
            _ => return None,
        };
        septets = septets.saturating_add(width);
    }
    Some(septets)
}

/// How many parts a text is sent in. Of several, each gives up some room to say which it is.
#[must_use]
pub fn parts(text: &str) -> usize {
    let (length, one, of_several) = match septets(text) {
        Some(septets) => (septets, SEPTETS, 153),
        None => (text.encode_utf16().count(), 70, 67),
    };
    if length <= one { 1 } else { length.div_ceil(of_several) }
}

/// The text in letters of the alphabet, if none is lost.
fn plain(text: &str) -> Option<String> {
    let plain: String = text.chars().map(plain_letter).collect();
    septets(&plain).map(|_| plain)
}

/// What can be written of a name with letters of the alphabet.
fn plain_letters(name: &str) -> String {
    let kept: String = name
        .chars()
        .map(plain_letter)
        .filter(|character| septets(character.encode_utf8(&mut [0; 4])).is_some())
        .collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The letter without the accent that the alphabet lacks.
const fn plain_letter(character: char) -> char {
    match character {
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
        '“' | '”' | '„' => '"',
        '–' | '—' => '-',
        // French sets such spaces before its punctuation.
        '\u{a0}' | '\u{202f}' => ' ',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(tenant: &str) -> Values<'_> {
        Values { tenant, code: "123456", minutes: "5", method: "" }
    }

    fn german(tenant: &str) -> String {
        let template = "{{code}} ist Ihr Code für {{tenant}}. Er gilt {{minutes}} Minuten. Geben Sie ihn niemals weiter.";
        written(template, &values(tenant), "login.example.com", true)
    }

    #[test]
    fn a_short_name_is_kept_and_a_long_one_shortened() {
        assert!(german("Bäckerei & Söhne").contains("für Bäckerei & Söhne. Er gilt 5 Minuten."));
        assert!(german("São Tomé").contains("für Sao Tomé. "));
        assert!(german("株式会社例").contains("für login.example.com. "));
        assert!(german("ŁÓDŹ–Wrocław’s").contains("für LODZ-Wroclaw's. "));
        let long = german(&"An unreasonably long name ".repeat(9));
        assert!(long.contains("für An unreasonably long"), "{long}");
        assert_eq!(septets(&long).map(|septets| septets <= SEPTETS), Some(true));
    }

    #[test]
    fn accents_that_cost_a_part_are_dropped_and_other_scripts_left_alone() {
        let text = |template| written(template, &values("Café"), "example.com", false);
        assert_eq!(text("Se não foi você, avise {{tenant}} — já"), "Se nao foi voce, avise Café - ja");
        assert_eq!(text("Код: {{code}}, {{tenant}}"), "Код: 123456, Café");
    }

    #[test]
    fn what_cannot_fit_keeps_its_name() {
        let template = format!("{{{{tenant}}}} {}", "x".repeat(160));
        assert!(written(&template, &values("Example"), "example.com", false).starts_with("Example "));
    }

    #[test]
    fn parts_are_counted_as_they_are_paid_for() {
        for (text, expected) in [
            ("x".repeat(160), 1),
            ("x".repeat(161), 2),
            ("x".repeat(306), 2),
            ("x".repeat(307), 3),
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            ("例".repeat(70), 1),
            ("例".repeat(71), 2),
            ("例".repeat(135), 3),
            (String::new(), 1),
        ] {
            assert_eq!(parts(&text), expected, "{text}");
        }
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
}
