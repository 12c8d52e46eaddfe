//! [`Locale`]: which of the three forms of the text a person reads, and how a request says so.

use axum::http::header::{ACCEPT_LANGUAGE, COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};

/// The cookie that remembers a choice made with `?lang=`. It holds nothing but the language tag.
pub const COOKIE_NAME: &str = "kr-lang";

/// A language of the pages. Japanese comes first everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Locale {
    /// 日本語
    #[default]
    Ja,
    /// やさしい日本語: short sentences, everyday words, a reading on every kanji.
    Yasashii,
    /// English
    En,
}

impl Locale {
    /// All locales in the order in which the page offers them.
    pub const ALL: [Locale; 3] = [Locale::Ja, Locale::Yasashii, Locale::En];

    /// The language tag (BCP 47) used in `lang`, `?lang=`, the cookie and file names.
    pub const fn tag(self) -> &'static str {
        match self {
            Locale::Ja => "ja",
            Locale::Yasashii => "ja-x-yasashii",
            Locale::En => "en",
        }
    }

    /// The tag for link text written in that language: a reader's voice knows no private-use tag.
    pub const fn voice(self) -> &'static str {
        match self {
            Locale::Ja | Locale::Yasashii => "ja",
            Locale::En => "en",
        }
    }

    /// The name of the language in itself.
    pub const fn name(self) -> &'static str {
        match self {
            Locale::Ja => "日本語",
            Locale::Yasashii => "やさしい日本語",
            Locale::En => "English",
        }
    }

    /// The locale of an exact tag, upper or lower case.
    pub fn from_tag(tag: &str) -> Option<Locale> {
        Locale::ALL.into_iter().find(|l| l.tag().eq_ignore_ascii_case(tag))
    }

    /// The locale of a request: `?lang=`, then the cookie, then `Accept-Language`, then Japanese.
    pub fn of(uri: &Uri, headers: &HeaderMap) -> Locale {
        asked(uri)
            .or_else(|| remembered(headers))
            .or_else(|| headers.get(ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok()).and_then(preferred))
            .unwrap_or_default()
    }
}

impl<S: Sync> axum::extract::FromRequestParts<S> for Locale {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Locale::of(&parts.uri, &parts.headers))
    }
}

/// The locale that the address asks for with `?lang=`.
pub(crate) fn asked(uri: &Uri) -> Option<Locale> {
    uri.query()?.split('&').find_map(|pair| Locale::from_tag(pair.strip_prefix("lang=")?))
}

fn remembered(headers: &HeaderMap) -> Option<Locale> {
    headers.get_all(COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';')).find_map(
        |pair| {
            let (name, value) = pair.trim().split_once('=')?;
            if name == COOKIE_NAME { Locale::from_tag(value) } else { None }
        },
    )
}

/// The best locale for an `Accept-Language` (RFC 9110 §12.5.4). Somebody whose browser speaks neither
/// Japanese nor English gets やさしい日本語, which was made for people who learn Japanese while living here.
fn preferred(header: &str) -> Option<Locale> {
    let mut ranges: Vec<(u16, &str)> = header
        .split(',')
        .take(32)
        .filter_map(|part| {
            let mut fields = part.split(';');
            let tag = fields.next()?.trim();
            let q = fields.find_map(|f| f.trim().strip_prefix("q="));
            let weight = q.map_or(Some(1.0), |q| q.trim().parse::<f32>().ok())?;
            (weight > 0.0 && !tag.is_empty()).then_some(((weight.min(1.0) * 1000.0) as u16, tag))
        })
        .collect();
    ranges.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    let of = |tag: &str| {
        Locale::from_tag(tag).or_else(|| match tag.split('-').next()?.to_ascii_lowercase().as_str() {
            "ja" => Some(Locale::Ja),
            "en" => Some(Locale::En),
            _ => None,
        })
    };
    match ranges.iter().find_map(|(_, tag)| of(tag)) {
        Some(locale) => Some(locale),
        None if ranges.iter().any(|(_, tag)| *tag != "*") => Some(Locale::Yasashii),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    fn locale(uri: &str, headers: &[(&'static str, &'static str)]) -> Locale {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        Locale::of(&uri.parse().unwrap(), &map)
    }

    #[test]
    fn address_beats_cookie_beats_browser() {
        let browser = ("accept-language", "en-GB,en;q=0.9,ja;q=0.5");
        let cookie = ("cookie", "a=b; kr-lang=ja-x-yasashii");
        assert_eq!(locale("/snow", &[]), Locale::Ja);
        assert_eq!(locale("/snow", &[browser]), Locale::En);
        assert_eq!(locale("/snow", &[browser, cookie]), Locale::Yasashii);
        assert_eq!(locale("/snow?area=17211&lang=ja", &[browser, cookie]), Locale::Ja);
        assert_eq!(locale("/snow?lang=tlh", &[cookie]), Locale::Yasashii, "an unknown tag changes nothing");
    }

    #[test]
    fn weights_decide_and_other_languages_get_plain_japanese() {
        assert_eq!(preferred("en;q=0.2, ja;q=0.8"), Some(Locale::Ja));
        assert_eq!(preferred("ja;q=0, en"), Some(Locale::En));
        assert_eq!(preferred("vi-VN,vi;q=0.9"), Some(Locale::Yasashii));
        assert_eq!(preferred("vi,en;q=0.1"), Some(Locale::En));
        assert_eq!(preferred("*"), None);
        assert_eq!(preferred(""), None);
    }

    proptest! {
        #[test]
        fn no_header_breaks_it(text in ".{0,200}") {
            let _ = preferred(&text);
        }
    }
}
