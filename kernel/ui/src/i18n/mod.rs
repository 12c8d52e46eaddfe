//! Texts in three languages: each module hands in its `.ftl` files, a template asks by key.
//!
//! ```text
//! i18n/ja.ftl             snow-done = 除雪の対象{ $all }区間のうち、**{ $n }区間**が済んでいます。
//! i18n/ja-x-yasashii.ftl  snow-done = { $all }の 道《みち》のうち、**{ $n }の 道《みち》**の 雪《ゆき》を どけました。
//! i18n/en.ftl             snow-done = **{ $n } of { $all } road sections** have been cleared.
//! template                {{ page.t("snow-done").with("n", done).with("all", all) }}
//! ```
//!
//! Keys start with the module's name. A key missing in やさしい日本語 is shown in Japanese, a key that exists
//! nowhere as `⟦key⟧`; [`check`] (one test per module) keeps both from happening.

mod checking;
pub mod format;
mod locale;
pub(crate) mod phrase;

use std::borrow::Cow;
use std::fmt;

use askama::filters::HtmlSafe;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

pub use checking::check;
pub(crate) use locale::asked;
pub use locale::{COOKIE_NAME, Locale};
pub use phrase::Phrase;

/// One `.ftl` file of one module, usually made by [`locales!`](crate::locales).
#[derive(Clone, Copy, Debug)]
pub struct LocaleFile {
    /// Name of the module: the first word of all its keys.
    pub module: &'static str,
    /// The language of the file.
    pub locale: Locale,
    /// Fluent source.
    pub text: &'static str,
}

/// The three files of a module: `locales!("snow", "../i18n")` reads `ja.ftl`, `ja-x-yasashii.ftl` and
/// `en.ftl` from the folder, whose path is relative to the calling source file, at compile time.
#[macro_export]
macro_rules! locales {
    ($module:literal, $dir:literal) => {
        [
            $crate::i18n::LocaleFile {
                module: $module,
                locale: $crate::i18n::Locale::Ja,
                text: include_str!(concat!($dir, "/ja.ftl")),
            },
            $crate::i18n::LocaleFile {
                module: $module,
                locale: $crate::i18n::Locale::Yasashii,
                text: include_str!(concat!($dir, "/ja-x-yasashii.ftl")),
            },
            $crate::i18n::LocaleFile {
                module: $module,
                locale: $crate::i18n::Locale::En,
                text: include_str!(concat!($dir, "/en.ftl")),
            },
        ]
    };
}

/// The texts of this crate: layout, components, errors. Every [`Texts`] has them.
pub const OWN: [LocaleFile; 3] = crate::locales!("ui", "../../i18n");

/// Why a set of `.ftl` files cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextsError {
    /// The file is not Fluent.
    #[error("{module}/i18n/{locale}.ftl: {what}; see projectfluent.org for the syntax")]
    Syntax {
        /// Module that handed the file in.
        module: &'static str,
        /// Tag of its language.
        locale: &'static str,
        /// The parser's words, with the byte range.
        what: String,
    },
    /// Two files define the same key.
    #[error("{module}/i18n/{locale}.ftl defines {key} a second time; keys start with their module's name")]
    Twice {
        /// Module that handed the second file in.
        module: &'static str,
        /// Tag of its language.
        locale: &'static str,
        /// The key.
        key: String,
    },
}

/// All texts of the product in all languages.
pub struct Texts {
    bundles: [FluentBundle<FluentResource>; 3],
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Texts")
    }
}

impl Texts {
    /// The texts of this crate and those of the modules.
    pub fn new(files: &[LocaleFile]) -> Result<Texts, TextsError> {
        let mut bundles = Locale::ALL.map(bundle);
        for file in OWN.iter().chain(files) {
            let (module, locale) = (file.module, file.locale.tag());
            let resource = FluentResource::try_new(file.text.to_owned()).map_err(|(_, errors)| {
                let what = errors.first().map_or(String::new(), ToString::to_string);
                TextsError::Syntax { module, locale, what }
            })?;
            bundles[index(file.locale)].add_resource(resource).map_err(|errors| {
                let key = errors.first().map_or(String::new(), ToString::to_string);
                TextsError::Twice { module, locale, key }
            })?;
        }
        Ok(Texts { bundles })
    }

    /// Only this crate's texts.
    pub fn own() -> Texts {
        Texts::new(&[]).unwrap_or_else(|e| {
            // A test of this crate parses these files, so this cannot be reached in a tested build.
            tracing::error!(error = %e, "the texts of the user interface are broken");
            Texts { bundles: Locale::ALL.map(bundle) }
        })
    }

    /// Looks a message up; give it its values with [`Message::with`].
    pub fn get<'a>(&'a self, locale: Locale, key: &'a str) -> Message<'a> {
        Message { texts: self, locale, key, args: Vec::new() }
    }

    /// True when some language has this key.
    pub fn has(&self, key: &str) -> bool {
        self.bundles.iter().any(|b| b.has_message(key))
    }
}

fn bundle(locale: Locale) -> FluentBundle<FluentResource> {
    // Plural rules know no private-use subtag, so やさしい日本語 counts as Japanese.
    let id = LanguageIdentifier::from_bytes(locale.voice().as_bytes()).unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![id]);
    // Isolation marks are for mixing writing directions; here they would only show up in copied text.
    bundle.set_use_isolating(false);
    bundle.set_formatter(Some(|value, _| match value {
        FluentValue::Number(n) => Some(format::grouped(&n.as_string())),
        _ => None,
    }));
    bundle
}

const fn index(locale: Locale) -> usize {
    match locale {
        Locale::Ja => 0,
        Locale::Yasashii => 1,
        Locale::En => 2,
    }
}

/// A value inside a message: numbers choose plural forms and are grouped, text stays text, a [`Phrase`]
/// keeps its readings.
#[derive(Clone, Debug)]
pub struct Value(FluentValue<'static>);

macro_rules! numbers {
    ($($t:ty),*) => {$(
        impl From<$t> for Value {
            fn from(n: $t) -> Self {
                Value(FluentValue::from(n))
            }
        }
        impl From<&$t> for Value {
            fn from(n: &$t) -> Self {
                Value(FluentValue::from(*n))
            }
        }
        impl From<&&$t> for Value {
            fn from(n: &&$t) -> Self {
                Value(FluentValue::from(**n))
            }
        }
    )*};
}
numbers!(u8, u16, u32, u64, usize, i8, i16, i32, i64, f32, f64);

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value(FluentValue::String(Cow::Owned(phrase::disarm(text))))
    }
}
impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Value::from(text.as_str())
    }
}
// A template passes what it loops over by reference, once more than Rust code would.
impl From<&&str> for Value {
    fn from(text: &&str) -> Self {
        Value::from(*text)
    }
}
impl From<&&String> for Value {
    fn from(text: &&String) -> Self {
        Value::from(text.as_str())
    }
}
impl From<&&Phrase> for Value {
    fn from(phrase: &&Phrase) -> Self {
        Value::from(*phrase)
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::from(text.as_str())
    }
}
impl From<&Phrase> for Value {
    fn from(phrase: &Phrase) -> Self {
        Value(FluentValue::String(Cow::Owned(phrase.source().to_owned())))
    }
}
impl From<Phrase> for Value {
    fn from(phrase: Phrase) -> Self {
        Value::from(&phrase)
    }
}
impl From<Message<'_>> for Value {
    fn from(message: Message<'_>) -> Self {
        Value::from(message.phrase())
    }
}

/// A message on its way into a page. Shown in a template it is escaped HTML with readings.
#[derive(Clone, Debug)]
#[must_use = "a message does nothing until it is shown"]
pub struct Message<'a> {
    texts: &'a Texts,
    locale: Locale,
    key: &'a str,
    args: Vec<(&'a str, Value)>,
}

impl<'a> Message<'a> {
    /// Sets the value of `{ $name }`.
    pub fn with(mut self, name: &'a str, value: impl Into<Value>) -> Self {
        self.args.push((name, value.into()));
        self
    }

    /// The finished text.
    pub fn phrase(&self) -> Phrase {
        // A key that やさしい日本語 lacks is better shown in Japanese than not at all.
        let order =
            if self.locale == Locale::Yasashii { [self.locale, Locale::Ja] } else { [self.locale; 2] };
        for locale in order {
            let bundle = &self.texts.bundles[index(locale)];
            let Some(pattern) = bundle.get_message(self.key).and_then(|m| m.value()) else { continue };
            let args: FluentArgs<'_> = self.args.iter().map(|(k, v)| (*k, v.0.clone())).collect();
            let mut errors = Vec::new();
            let text = bundle.format_pattern(pattern, Some(&args), &mut errors);
            if !errors.is_empty() {
                tracing::warn!(key = self.key, locale = locale.tag(), ?errors, "a message lacks a value");
            }
            return Phrase::markup(self.locale, text);
        }
        tracing::warn!(key = self.key, locale = self.locale.tag(), "no such message");
        Phrase::text(&format!("⟦{}⟧", self.key))
    }

    /// True when there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.phrase().is_empty()
    }

    /// The bare words, for attributes and for text outside HTML.
    pub fn plain(&self) -> String {
        self.phrase().plain()
    }
}

impl HtmlSafe for Message<'_> {}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.phrase().fmt(f)
    }
}

impl From<Message<'_>> for Phrase {
    fn from(message: Message<'_>) -> Self {
        message.phrase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Texts {
        let file = |locale, text| LocaleFile { module: "t", locale, text };
        Texts::new(&[
            file(Locale::Ja, "t-n = 全{ $n }件\nt-name = { $who }さん\nt-only = 日本語だけ"),
            file(Locale::Yasashii, "t-n = { $n }件《けん》\nt-name = { $who }さん"),
            file(
                Locale::En,
                "t-n = { $n ->\n    [one] { $n } result\n   *[other] { $n } results\n }\nt-name = { $who }",
            ),
        ])
        .unwrap()
    }

    #[test]
    fn numbers_are_grouped_and_choose_plurals() {
        let texts = texts();
        assert_eq!(texts.get(Locale::En, "t-n").with("n", 1).to_string(), "1 result");
        assert_eq!(texts.get(Locale::En, "t-n").with("n", 1_124_501).to_string(), "1,124,501 results");
        assert_eq!(texts.get(Locale::Ja, "t-n").with("n", 8_835u32).to_string(), "全8,835件");
    }

    #[test]
    fn values_cannot_smuggle_markup() {
        let shown = texts().get(Locale::Yasashii, "t-name").with("who", "<i>**道《みち》").to_string();
        assert_eq!(shown, "&lt;i&gt;**道《みち》さん");
        let named = Phrase::named(Locale::Yasashii, "能美", "のみ");
        let shown = texts().get(Locale::Yasashii, "t-name").with("who", named).to_string();
        assert_eq!(shown, "<ruby>能美<rp>（</rp><rt>のみ</rt><rp>）</rp></ruby>さん");
    }

    #[test]
    fn a_missing_text_falls_back_and_is_seen() {
        let texts = texts();
        assert_eq!(texts.get(Locale::Yasashii, "t-only").to_string(), "日本語だけ");
        assert_eq!(texts.get(Locale::En, "t-only").to_string(), "⟦t-only⟧");
        assert_eq!(texts.get(Locale::Ja, "t-n").to_string(), "全{$n}件");
    }

    #[test]
    fn two_modules_cannot_share_a_key() {
        let file = LocaleFile { module: "x", locale: Locale::Ja, text: "ui-skip = x" };
        assert!(matches!(Texts::new(&[file]), Err(TextsError::Twice { module: "x", locale: "ja", .. })));
        let broken = LocaleFile { module: "x", locale: Locale::En, text: "= ?" };
        assert!(matches!(Texts::new(&[broken]), Err(TextsError::Syntax { .. })));
        let good = LocaleFile { module: "x", locale: Locale::Ja, text: "x-skip = x" };
        assert!(Texts::new(&[good]).is_ok());
    }
}
