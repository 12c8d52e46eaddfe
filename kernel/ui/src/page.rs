//! [`Page`]: what the layout needs to know about this request, and the texts in its language.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use kenroku_types::{JapaneseDate, Timestamp};

use crate::i18n::{Locale, Message, Phrase, format};
use crate::{Names, Shell, assets};

/// A link with its words.
#[derive(Clone, Debug)]
pub struct Link {
    /// The words.
    pub label: Phrase,
    /// Address.
    pub href: String,
    /// True when this is the page shown.
    pub current: bool,
}

impl Link {
    /// A link to another page.
    pub fn new(label: impl Into<Phrase>, href: impl Into<String>) -> Self {
        Link { label: label.into(), href: href.into(), current: false }
    }

    /// Marks it as the page shown.
    #[must_use]
    pub fn current(mut self, current: bool) -> Self {
        self.current = current;
        self
    }
}

/// The notice above everything: what happened, what to do, since when.
#[derive(Clone, Debug)]
pub struct Emergency {
    /// One sentence.
    pub title: Phrase,
    /// What to do.
    pub text: Phrase,
    /// Where to read more.
    pub link: Option<Link>,
    /// When it was issued, in words.
    pub issued: Phrase,
}

/// The frame of a staff page.
#[derive(Clone, Debug, Default)]
pub struct Console {
    /// Name of the tool.
    pub name: Phrase,
    /// The area or office it shows.
    pub place: Phrase,
    /// Who works here now: a role, or a person's display name.
    pub who: Phrase,
    /// How to hand over or leave: where a form without fields is posted.
    pub leave: Option<Link>,
    /// The menu.
    pub menu: Vec<Link>,
}

/// A page being made. Take it as an argument of the handler and keep it in the template as `page`.
#[derive(Clone, Debug)]
pub struct Page {
    shell: Arc<Shell>,
    /// The language of this page.
    pub locale: Locale,
    /// Title, also the last of the crumbs.
    pub title: Phrase,
    /// The way here, without this page.
    pub crumbs: Vec<Link>,
    /// True when anything shown is simulated: the strip 模擬データ appears.
    pub simulated: bool,
    /// The notice above everything.
    pub emergency: Option<Emergency>,
    /// True when the header leads to the person's own page instead of the sign-in. Whether the session still holds
    /// is asked by the page that needs it: this is the hint cookie only.
    pub signed_in: bool,
    /// Frame of a staff page.
    pub console: Console,
    /// Which request this is.
    pub request_id: String,
    path: String,
    query: String,
}

impl Page {
    /// A page for this address and these request headers.
    pub fn new(shell: Arc<Shell>, uri: &Uri, headers: &HeaderMap) -> Self {
        Page {
            locale: Locale::of(uri, headers),
            title: Phrase::default(),
            crumbs: Vec::new(),
            simulated: shell.is_simulated(),
            emergency: None,
            signed_in: hinted(headers),
            console: Console::default(),
            request_id: headers
                .get("x-request-id")
                .and_then(|v| v.to_str().ok())
                .map(|id| id.chars().take(64).collect())
                .unwrap_or_default(),
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            shell,
        }
    }

    /// Sets the title.
    #[must_use]
    pub fn title(mut self, title: impl Into<Phrase>) -> Self {
        self.title = title.into();
        self
    }

    /// Adds a step to the way here.
    #[must_use]
    pub fn crumb(mut self, label: impl Into<Phrase>, href: impl Into<String>) -> Self {
        self.crumbs.push(Link::new(label, href));
        self
    }

    /// Shows or hides the strip 模擬データ.
    #[must_use]
    pub fn simulated(mut self, simulated: bool) -> Self {
        self.simulated = simulated;
        self
    }

    /// Puts a notice above everything.
    #[must_use]
    pub fn emergency(mut self, notice: Option<Emergency>) -> Self {
        self.emergency = notice;
        self
    }

    /// Says whether somebody is signed in.
    #[must_use]
    pub fn signed_in(mut self, signed_in: bool) -> Self {
        self.signed_in = signed_in;
        self
    }

    /// Gives a staff page its frame.
    #[must_use]
    pub fn console(mut self, console: Console) -> Self {
        self.console = console;
        self
    }

    /// The message of a key in the language of this page.
    pub fn t<'a>(&'a self, key: &'a str) -> Message<'a> {
        self.shell.texts().get(self.locale, key)
    }

    /// The same with one kind of values: `page.ta("snow-lead", [("n", n)])`.
    pub fn ta<'a, V, const N: usize>(&'a self, key: &'a str, values: [(&'a str, V); N]) -> Message<'a>
    where
        V: Into<crate::i18n::Value>,
    {
        values.into_iter().fold(self.t(key), |message, (name, value)| message.with(name, value))
    }

    /// A name that may carry its reading (shown in やさしい日本語), such as a municipality's.
    pub fn named(&self, name: &str, reading: &str) -> Phrase {
        Phrase::named(self.locale, name, reading)
    }

    /// Time of day in Japan.
    pub fn time(&self, t: impl Given<Timestamp>) -> Phrase {
        format::time(self.locale, t.given())
    }

    /// Month, day and time of day in Japan.
    pub fn day_time(&self, t: impl Given<Timestamp>) -> Phrase {
        format::day_time(self.locale, t.given())
    }

    /// Full date with 和暦 where it is usual.
    pub fn date(&self, date: impl Given<JapaneseDate>) -> Phrase {
        format::date(self.locale, date.given())
    }

    /// Month and day.
    pub fn day(&self, date: impl Given<JapaneseDate>) -> Phrase {
        format::day(self.locale, date.given())
    }

    /// The value of `<time datetime>`.
    pub fn machine(&self, t: impl Given<Timestamp>) -> String {
        format::machine(t.given())
    }

    /// A number in groups of three.
    pub fn number(&self, n: impl std::fmt::Display) -> String {
        format::grouped(&n.to_string())
    }

    /// Where staff sign out: for [`Console::leave`].
    pub fn sign_out(&self) -> Link {
        Link::new(self.t("ui-console-leave"), "/staff/sign-out")
    }

    /// The first page of staff, with all their tools: for [`Console::menu`].
    pub fn staff_home(&self) -> Link {
        Link::new(self.t("ui-console-home"), "/staff")
    }

    /// The languages, each with the address of this page in it.
    pub fn languages(&self) -> Vec<(Locale, String)> {
        Locale::ALL.map(|l| (l, self.with_query("lang", l.tag()))).into()
    }

    /// This address with one query parameter set and the others kept.
    pub fn with_query(&self, name: &str, value: &str) -> String {
        let kept = self.query.split('&').filter(|p| !p.is_empty() && p.split('=').next() != Some(name));
        let mut query: Vec<&str> = kept.collect();
        let pair = format!("{name}={}", percent(value));
        query.push(&pair);
        format!("{}?{}", self.path, query.join("&"))
    }

    /// Address of an asset such as `kr.css`.
    pub fn asset(&self, name: &str) -> String {
        assets::url(name)
    }

    /// Address of the sign-in page, if this installation has one.
    pub fn sign_in(&self) -> Option<&str> {
        self.shell.sign_in_href()
    }

    /// Address of the page of those who signed in, if this installation has one.
    pub fn own_page(&self) -> Option<&str> {
        self.shell.own_page_href()
    }

    /// Address of the sign-in page that leads back here; none on pages of staff, who have a door of their own.
    pub fn sign_in_and_back(&self) -> Option<String> {
        let href = self.sign_in().filter(|_| !self.path.starts_with("/staff"))?;
        Some(format!("{href}?next={}", percent(&self.path)))
    }

    /// The keys of the words that name this installation.
    pub fn names(&self) -> Names {
        self.shell.name_keys()
    }

    /// The links at the foot of every page in the language of this page.
    pub fn footer(&self) -> Vec<Link> {
        self.shell.footer_links().iter().map(|(key, href)| Link::new(self.t(key), href.as_str())).collect()
    }
}

/// The cookie that says no more than “somebody signed in here”: the header of every page can follow it without
/// asking whose session it is. It opens nothing.
pub const SIGNED_IN_COOKIE: &str = "kr-in";

fn hinted(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(axum::http::header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    lines.flat_map(|l| l.split(';')).any(|pair| pair.trim().split_once('=') == Some((SIGNED_IN_COOKIE, "1")))
}

/// A small value given as such or by reference: templates pass what they loop over by reference.
pub trait Given<T> {
    /// The value.
    fn given(self) -> T;
}
impl<T> Given<T> for T {
    fn given(self) -> T {
        self
    }
}
impl<T: Copy> Given<T> for &T {
    fn given(self) -> T {
        *self
    }
}
impl<T: Copy> Given<T> for &&T {
    fn given(self) -> T {
        **self
    }
}

/// Percent-encodes everything but the unreserved characters (RFC 3986 §2.3).
fn percent(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for b in value.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

impl<S: Sync> FromRequestParts<S> for Page {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let shell = parts.extensions.get::<Arc<Shell>>().cloned().unwrap_or_else(|| {
            tracing::error!("a page outside kenroku_ui::mount has no texts but those of the layout");
            Arc::new(Shell::new(crate::Texts::own()))
        });
        // Inside a nested router the path is shortened; links need the whole one.
        let uri = parts.extensions.get::<axum::extract::OriginalUri>().map_or(&parts.uri, |o| &o.0);
        Ok(Page::new(shell, uri, &parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Texts;
    use proptest::prelude::*;

    fn page(uri: &str) -> Page {
        Page::new(Arc::new(Shell::new(Texts::own())), &uri.parse().unwrap(), &HeaderMap::new())
    }

    #[test]
    fn a_language_link_keeps_the_query() {
        let links = page("/snow?area=17211&lang=en&q=a+b").languages();
        assert_eq!(links[1].1, "/snow?area=17211&q=a+b&lang=ja-x-yasashii");
        assert_eq!(page("/snow").languages()[0].1, "/snow?lang=ja");
    }

    #[test]
    fn query_values_are_encoded() {
        assert_eq!(page("/a?after=1").with_query("after", "雪&b=c"), "/a?after=%E9%9B%AA%26b%3Dc");
    }

    #[test]
    fn messages_come_in_the_language_of_the_page() {
        assert_eq!(page("/?lang=en").t("ui-skip").plain(), "Skip to the content");
        assert_eq!(page("/").t("ui-skip").plain(), "本文へ移動");
    }

    proptest! {
        #[test]
        fn encoded_values_hold_no_delimiter(value in ".{0,20}") {
            let encoded = percent(&value);
            prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
        }
    }
}
