//! Which language a person is written to in.

/// A language that there are words in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English, where nothing else is known.
    #[default]
    English,
    /// German.
    German,
    /// French.
    French,
    /// Spanish.
    Spanish,
    /// Portuguese.
    Portuguese,
    /// Japanese.
    Japanese,
    /// Arabic.
    Arabic,
}

/// More tags than anybody states.
const MAXIMUM_TAGS: usize = 5;
/// Longer tags than any that is in use (RFC 5646, section 4.4.1).
const MAXIMUM_TAG_BYTES: usize = 35;

impl Language {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::English,
        Self::German,
        Self::French,
        Self::Spanish,
        Self::Portuguese,
        Self::Japanese,
        Self::Arabic,
    ];

    /// Its tag (BCP 47).
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
            Self::Portuguese => "pt",
            Self::Japanese => "ja",
            Self::Arabic => "ar",
        }
    }

    /// The language of a tag, whatever region and script it names (lookup of RFC 4647, section 3.4).
    #[must_use]
    pub fn of_tag(tag: &str) -> Option<Self> {
        if tag.len() > MAXIMUM_TAG_BYTES {
            return None;
        }
        // Java writes its locales with an underscore, and Android's SDK sends them so.
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    /// The first that there are words in of what the request asks for (`ui_locales`), what the browser is set to
    /// (`Accept-Language`), and what the token says of the person (`locale`).
    #[must_use]
    pub fn choose(ui_locales: Option<&str>, accept_language: Option<&str>, locale: Option<&str>) -> Self {
        let asked = ui_locales.unwrap_or_default().split_ascii_whitespace().take(MAXIMUM_TAGS);
        asked
            .filter_map(Self::of_tag)
            .next()
            .or_else(|| preferred(accept_language.unwrap_or_default()))
            .or_else(|| locale.and_then(Self::of_tag))
            .unwrap_or_default()
    }
}

/// The best of an `Accept-Language` header (RFC 9110, section 12.5.4): by weight, then by place.
fn preferred(header: &str) -> Option<Language> {
    let mut best: Option<(u32, Language)> = None;
    for range in header.split(',').take(MAXIMUM_TAGS) {
        let mut parts = range.split(';').map(str::trim);
        let Some(language) = parts.next().and_then(Language::of_tag) else { continue };
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1000), weight);
        if let Some(weight) = weight.filter(|weight| *weight > 0)
            && best.is_none_or(|(heaviest, _)| weight > heaviest)
        {
            best = Some((weight, language));
        }
    }
    best.map(|(_, language)| language)
}

/// A weight in thousandths: `1`, `0`, or one with up to three decimals.
fn weight(text: &str) -> Option<u32> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{decimals:0<3}").parse::<u32>().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_looked_up_by_its_language() {
        for (tag, language) in [
            ("de", Some(Language::German)),
            ("de-AT", Some(Language::German)),
            ("PT-br", Some(Language::Portuguese)),
            ("en_US", Some(Language::English)),
            ("ja-Latn-JP", Some(Language::Japanese)),
            ("ar-001", Some(Language::Arabic)),
            ("nl", None),
            ("deu", None),
            ("", None),
            ("*", None),
        ] {
            assert_eq!(Language::of_tag(tag), language, "{tag}");
        }
        assert_eq!(Language::of_tag(&format!("de-{}", "x".repeat(33))), None);
    }

    #[test]
    fn what_is_asked_for_comes_before_the_browser_and_the_browser_before_the_token() {
        let choose = Language::choose;
        assert_eq!(choose(None, None, None), Language::English);
        assert_eq!(choose(Some("nl fr-CA de"), Some("es"), Some("ja")), Language::French);
        assert_eq!(choose(Some("nl"), Some("es"), Some("ja")), Language::Spanish);
        assert_eq!(choose(None, Some("nl, *"), Some("ja")), Language::Japanese);
        assert_eq!(choose(Some("a b c d e de"), None, None), Language::English, "five tags are enough");
    }

    #[test]
    fn the_browsers_weights_are_heeded() {
        for (header, language) in [
            ("de", Some(Language::German)),
            ("en;q=0.5, de", Some(Language::German)),
            ("en;q=0.8,fr;q=0.9,de;q=0.7", Some(Language::French)),
            ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", Some(Language::French)),
            ("es;q=0.5,pt;q=0.5", Some(Language::Spanish)),
            ("de;q=0", None),
            ("de;q=1.001, fr;q=0.1", Some(Language::French)),
            ("de;q=0.0001, fr;q=x, es;q=1.000", Some(Language::Spanish)),
            (";;;,,,", None),
        ] {
            assert_eq!(preferred(header), language, "{header}");
        }
    }
}
