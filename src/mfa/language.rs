//! Which languages a person reads, as tags (BCP 47, RFC 5646).

/// More tags than anybody states, from each source.
const MAXIMUM_TAGS: usize = 5;
/// Longer tags than any that is in use (RFC 5646, section 4.4.1).
const MAXIMUM_TAG_BYTES: usize = 35;

/// The languages that a person is to be written to in, best first. In which of them there are words is found out when a
/// message is sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Languages(Vec<String>);

impl Languages {
    /// What the request asks for (`ui_locales`), then what the browser is set to (`Accept-Language`), then what the
    /// token says of the person (`locale`).
    #[must_use]
    pub fn named(ui_locales: Option<&str>, accept_language: Option<&str>, locale: Option<&str>) -> Self {
        let asked = ui_locales.unwrap_or_default().split_ascii_whitespace().take(MAXIMUM_TAGS);
        let set = preferred(accept_language.unwrap_or_default());
        let mut named = Self::default();
        for tag in asked.chain(set).chain(locale).filter_map(tag) {
            if !named.0.contains(&tag) {
                named.0.push(tag);
            }
        }
        named
    }

    /// The tags, separated by spaces.
    #[must_use]
    pub fn written(&self) -> String {
        self.0.join(" ")
    }

    /// Reads what [`Languages::written`] gave.
    #[must_use]
    pub fn read(written: &str) -> Self {
        Self(written.split_ascii_whitespace().filter_map(tag).collect())
    }

    /// The tags to look words up by: each as it was named, and shortened from its end, subtag by subtag, before the next
    /// (lookup of RFC 4647, section 3.4). After them comes `default`, where none of them has words.
    pub fn lookup<'a>(&'a self, default: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(String::as_str).chain([default]).flat_map(shortened)
    }
}

/// The tag, then what is left of it without its last subtag, and so on.
fn shortened(tag: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(tag), |tag| {
        let (shorter, _) = tag.rsplit_once('-')?;
        // A single letter begins an extension and says nothing alone.
        Some(match shorter.rsplit_once('-') {
            Some((rest, last)) if last.len() == 1 => rest,
            _ => shorter,
        })
    })
}

/// The tag as it is written here: subtags of letters and digits with hyphens between them. `None` of what is none, the
/// wildcard `*` among it.
#[must_use]
pub fn tag(text: &str) -> Option<String> {
    // Java writes its locales with an underscore, and Android's SDK sends them so.
    let tag = text.trim().replace('_', "-");
    let is_subtag = |subtag: &str| {
        matches!(subtag.len(), 1..=8) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    (tag.len() <= MAXIMUM_TAG_BYTES && tag.split('-').all(is_subtag)).then_some(tag)
}

/// The tags of an `Accept-Language` header (RFC 9110, section 12.5.4), the heaviest first; of equal ones the first.
fn preferred(header: &str) -> Vec<&str> {
    let mut weighted: Vec<(u32, &str)> = Vec::new();
    for (weight, tag) in header.split(',').take(MAXIMUM_TAGS).filter_map(range) {
        let place = weighted.partition_point(|(other, _)| *other >= weight);
        weighted.insert(place, (weight, tag));
    }
    weighted.into_iter().map(|(_, tag)| tag).collect()
}

/// A range with its weight; `None` of what is not wanted or cannot be read.
fn range(range: &str) -> Option<(u32, &str)> {
    let mut parts = range.split(';').map(str::trim);
    let tag = parts.next()?;
    let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1000), weight)?;
    (weight > 0).then_some((weight, tag))
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

    fn named(ui_locales: &str, accept_language: &str, locale: &str) -> String {
        let given = |text| Some(text).filter(|text: &&str| !text.is_empty());
        Languages::named(given(ui_locales), given(accept_language), given(locale)).written()
    }

    #[test]
    fn what_is_asked_for_comes_before_the_browser_and_the_browser_before_the_token() {
        assert_eq!(named("", "", ""), "");
        assert_eq!(named("nl fr-CA de", "es", "ja"), "nl fr-CA de es ja");
        assert_eq!(named("", "nl, *", "ja"), "nl ja");
        assert_eq!(named("de", "de, en", "de"), "de en");
        assert_eq!(named("a b c d e f", "", ""), "a b c d e", "five tags are enough");
    }

    #[test]
    fn a_tag_is_looked_up_whole_and_then_shortened_before_the_next() {
        let looked_up = |tags: &str, default| {
            Languages::read(tags).lookup(default).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(looked_up("de-Latn-AT fr", "en"), ["de-Latn-AT", "de-Latn", "de", "fr", "en"]);
        assert_eq!(
            looked_up("zh-Hant-CN-x-private", "en-GB"),
            ["zh-Hant-CN-x-private", "zh-Hant-CN", "zh-Hant", "zh", "en-GB", "en"]
        );
        assert_eq!(looked_up("", "en"), ["en"]);
    }

    #[test]
    fn what_is_no_tag_is_left_out() {
        assert_eq!(tag("en_US"), Some("en-US".to_owned()));
        assert_eq!(tag(" PT-br "), Some("PT-br".to_owned()));
        let long = format!("de-{}", "abcdefgh-".repeat(4));
        for text in ["", "*", "de-", "-de", "de--at", "dé", "de at", "de;q=1", "{{code}}", "abcdefghi", &long]
        {
            assert_eq!(tag(text), None, "{text}");
        }
    }

    #[test]
    fn the_browsers_weights_are_heeded() {
        for (header, tags) in [
            ("de", "de"),
            ("en;q=0.5, de", "de en"),
            ("en;q=0.8,fr;q=0.9,de;q=0.7", "fr en de"),
            ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", "fr-CH fr en de"),
            ("es;q=0.5,pt;q=0.5", "es pt"),
            ("de;q=0", ""),
            ("de;q=1.001, fr;q=0.1", "fr"),
            ("de;q=0.0001, fr;q=x, es;q=1.000", "es"),
            (";;;,,,", ""),
        ] {
            assert_eq!(named("", header, ""), tags, "{header}");
        }
    }
}
