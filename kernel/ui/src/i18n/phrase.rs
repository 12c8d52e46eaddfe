//! [`Phrase`]: a short text in one language with the little markup that translators may use.
//!
//! | written | shown |
//! |---|---|
//! | `除雪《じょせつ》` | the run of kanji before 《 with its reading above it |
//! | `見て《みて》` | the same; kana that end both word and reading stay outside |
//! | `｜能美市《のみし》` | the same with the start of the base given |
//! | `**5区間**` | strong |
//!
//! Readings are shown in やさしい日本語 only, so a place name may carry its reading everywhere. Whatever comes
//! from outside enters through [`Phrase::text`], which takes the meaning from all of these signs.

use std::fmt::{self, Write};

use askama::filters::HtmlSafe;

use super::Locale;

/// Stand-ins (private use area) for markup signs inside values that are not markup.
const PLAIN: [(char, char); 4] =
    [('《', '\u{E000}'), ('》', '\u{E001}'), ('｜', '\u{E002}'), ('*', '\u{E003}')];

/// A text ready to be shown: [`fmt::Display`] gives escaped HTML, [`Phrase::plain`] the bare words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Phrase {
    markup: String,
    readings: bool,
}

impl Phrase {
    /// A text of ours in the markup above; readings are kept for やさしい日本語.
    pub fn markup(locale: Locale, markup: impl Into<String>) -> Self {
        Phrase { markup: markup.into(), readings: locale == Locale::Yasashii }
    }

    /// A text from outside, shown exactly as it is.
    pub fn text(text: &str) -> Self {
        Phrase { markup: disarm(text), readings: false }
    }

    /// A name with its reading; without a reading it is plain text.
    pub fn named(locale: Locale, name: &str, reading: &str) -> Self {
        if reading.is_empty() {
            return Phrase::text(name);
        }
        Phrase::markup(locale, format!("｜{}《{}》", disarm(name), disarm(reading)))
    }

    /// The markup, for putting one phrase into another.
    pub(crate) fn source(&self) -> &str {
        &self.markup
    }

    /// True when there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.markup.is_empty()
    }

    /// The bare words without readings or emphasis, for attributes, `<title>` and messages outside HTML.
    pub fn plain(&self) -> String {
        let mut out = String::with_capacity(self.markup.len());
        walk(&self.markup, &mut |piece| match piece {
            Piece::Char(c) | Piece::Base(c) => out.push(c),
            _ => {}
        });
        out
    }
}

impl HtmlSafe for Phrase {}

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::with_capacity(self.markup.len() + 16);
        walk(&self.markup, &mut |piece| match piece {
            Piece::Char(c) => escape(c, &mut out),
            Piece::Base(c) => escape(c, &mut out),
            Piece::RubyStart if self.readings => out.push_str("<ruby>"),
            Piece::Reading(text) if self.readings => {
                out.push_str("<rp>（</rp><rt>");
                text.chars().map(rearm).for_each(|c| escape(c, &mut out));
                out.push_str("</rt><rp>）</rp></ruby>");
            }
            Piece::RubyStart | Piece::Reading(_) => {}
            Piece::Strong(on) => out.push_str(if on { "<b>" } else { "</b>" }),
        });
        f.write_str(&out)
    }
}

impl From<&str> for Phrase {
    fn from(text: &str) -> Self {
        Phrase::text(text)
    }
}
impl From<String> for Phrase {
    fn from(text: String) -> Self {
        Phrase::text(&text)
    }
}
impl From<&Phrase> for Phrase {
    fn from(phrase: &Phrase) -> Self {
        phrase.clone()
    }
}

enum Piece<'a> {
    Char(char),
    RubyStart,
    Base(char),
    Reading(&'a str),
    Strong(bool),
}

/// Reads the markup once from left to right. What is not well-formed is shown as it is written.
fn walk<'a>(markup: &'a str, emit: &mut dyn FnMut(Piece<'a>)) {
    let mut rest = markup;
    let mut strong = false;
    let mut previous = ' ';
    while let Some(c) = rest.chars().next() {
        if let Some(word) = ruby_at(rest) {
            emit(Piece::RubyStart);
            word.base.chars().for_each(|c| emit(Piece::Base(rearm(c))));
            emit(Piece::Reading(word.reading));
            word.tail.chars().for_each(|c| emit(Piece::Char(c)));
            rest = word.rest;
            previous = '》';
            continue;
        }
        if let Some(after) = rest.strip_prefix("**")
            && (strong || after.contains("**"))
        {
            strong = !strong;
            emit(Piece::Strong(strong));
            rest = after;
            continue;
        }
        // A run of kanji without a reading goes out whole, so that no reading is sought in its middle.
        let run = if is_kanji(c) { kanji_run(rest) } else { c.len_utf8() };
        let (piece, after) = rest.split_at(run);
        if c == '\n' {
            // A message of several lines: a Japanese sentence needs no space where the line broke.
            if previous.is_ascii() && after.chars().next().is_some_and(|n| n.is_ascii()) {
                emit(Piece::Char(' '));
            }
        } else {
            piece.chars().for_each(|c| emit(Piece::Char(rearm(c))));
        }
        previous = c;
        rest = after;
    }
    if strong {
        emit(Piece::Strong(false));
    }
}

/// A word with a reading: `見て《みて》` is base 見, reading み, tail て.
struct Ruby<'a> {
    base: &'a str,
    reading: &'a str,
    tail: &'a str,
    rest: &'a str,
}

/// The word with a reading that starts here, if one does.
fn ruby_at(text: &str) -> Option<Ruby<'_>> {
    let (base, tail, after) = match text.strip_prefix('｜') {
        Some(marked) => marked.split_once('《').map(|(base, after)| (base, "", after))?,
        None => {
            let (base, after) = text.split_at(kanji_run(text));
            let kana = after.find(|c: char| !matches!(c, 'ぁ'..='ん')).unwrap_or(after.len());
            let (tail, after) = after.split_at(kana);
            (base, tail, after.strip_prefix('《')?)
        }
    };
    let (reading, rest) = after.split_once('》')?;
    let reading = reading.strip_suffix(tail)?;
    let clean = |s: &str| !s.is_empty() && !s.contains(['《', '》', '｜', '\n', '*']);
    (clean(base) && clean(reading)).then_some(Ruby { base, reading, tail, rest })
}

/// Bytes of the run of kanji at the start of the text.
fn kanji_run(text: &str) -> usize {
    text.char_indices().find(|(_, c)| !is_kanji(*c)).map_or(text.len(), |(i, _)| i)
}

/// Kanji and the signs that stand for one (々, ヶ between kanji is written with ｜).
pub(crate) fn is_kanji(c: char) -> bool {
    matches!(c, '々' | '〆' | '〇' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// The first kanji that has no reading, if any; やさしい日本語 puts one on each.
pub(crate) fn kanji_without_reading(markup: &str) -> Option<char> {
    let mut found = None;
    walk(markup, &mut |piece| {
        if let Piece::Char(c) = piece
            && is_kanji(c)
        {
            found = found.or(Some(c));
        }
    });
    found
}

pub(crate) fn disarm(text: &str) -> String {
    text.chars().map(|c| PLAIN.iter().find(|(sign, _)| *sign == c).map_or(c, |(_, s)| *s)).collect()
}

fn rearm(c: char) -> char {
    PLAIN.iter().find(|(_, s)| *s == c).map_or(c, |(sign, _)| *sign)
}

/// Writes one character as HTML text that is also safe inside a quoted attribute.
pub(crate) fn escape(c: char, out: &mut String) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        c => out.push(c),
    }
}

/// A text as HTML that is also safe inside a quoted attribute.
pub(crate) fn escaped(text: impl fmt::Display) -> String {
    let mut out = String::new();
    struct Escaping<'a>(&'a mut String);
    impl Write for Escaping<'_> {
        fn write_str(&mut self, s: &str) -> fmt::Result {
            s.chars().for_each(|c| escape(c, self.0));
            Ok(())
        }
    }
    // Writing into a String cannot fail; a failing Display leaves what it wrote.
    let _ = write!(Escaping(&mut out), "{text}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn html(markup: &str) -> String {
        Phrase::markup(Locale::Yasashii, markup).to_string()
    }

    #[test]
    fn readings_stand_over_the_kanji_before_them() {
        assert_eq!(html("道《みち》の雪"), "<ruby>道<rp>（</rp><rt>みち</rt><rp>）</rp></ruby>の雪");
        assert_eq!(html("見て《みて》"), "<ruby>見<rp>（</rp><rt>み</rt><rp>）</rp></ruby>て");
        assert_eq!(html("道の《みち》"), "道の《みち》", "a reading that cannot be the word's is shown");
        assert_eq!(
            html("この除雪《じょせつ》"),
            "この<ruby>除雪<rp>（</rp><rt>じょせつ</rt><rp>）</rp></ruby>"
        );
        assert_eq!(
            html("｜四ヶ所《よんかしょ》"),
            "<ruby>四ヶ所<rp>（</rp><rt>よんかしょ</rt><rp>）</rp></ruby>"
        );
        let ja = Phrase::markup(Locale::Ja, "除雪《じょせつ》は**5区間**");
        assert_eq!(ja.to_string(), "除雪は<b>5区間</b>");
        assert_eq!(ja.plain(), "除雪は5区間");
    }

    #[test]
    fn what_is_not_markup_is_shown() {
        assert_eq!(html("《かな》"), "《かな》");
        assert_eq!(html("道《みち"), "道《みち");
        assert_eq!(html("2 * 3 ** 4"), "2 * 3 ** 4");
        assert_eq!(html("a\nb"), "a b");
        assert_eq!(html("です。\nまた"), "です。また");
    }

    #[test]
    fn values_from_outside_stay_text() {
        let name = Phrase::text("<b>道《みち》**x**｜");
        assert_eq!(name.to_string(), "&lt;b&gt;道《みち》**x**｜");
        assert_eq!(name.plain(), "<b>道《みち》**x**｜");
    }

    #[test]
    fn a_kanji_without_reading_is_found() {
        assert_eq!(kanji_without_reading("道《みち》の雪"), Some('雪'));
        assert_eq!(kanji_without_reading("道《みち》の雪《ゆき》"), None);
    }

    proptest! {
        #[test]
        fn text_never_becomes_an_element(text in "[a<>&\"'《》｜*道\n]{0,40}") {
            let shown = Phrase::text(&text).to_string();
            let no_tag = !shown.contains('<');
            prop_assert!(no_tag, "{}", shown);
        }

        #[test]
        fn elements_are_closed(text in "[a<《》｜*道雪\n]{0,40}") {
            let shown = html(&text);
            prop_assert_eq!(shown.matches("<ruby>").count(), shown.matches("</ruby>").count());
            prop_assert_eq!(shown.matches("<b>").count(), shown.matches("</b>").count());
        }
    }
}
