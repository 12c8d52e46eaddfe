//! [`Shell`] (what all pages of an installation share), [`mount`] (the layer around all pages), [`Html`].

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, SET_COOKIE, VARY};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

use crate::i18n::{self, Locale};
use crate::{Page, Texts, error};

/// The keys of the words that name an installation; the default calls it by the product's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// Name of the site, in the header and in every title.
    pub site: &'static str,
    /// One line under it.
    pub sub: &'static str,
    /// Who runs it, at the foot.
    pub sign: &'static str,
    /// The words of the sign-in button.
    pub sign_in: &'static str,
}

impl Default for Names {
    fn default() -> Self {
        Names { site: "ui-site", sub: "ui-site-sub", sign: "ui-sign", sign_in: "ui-sign-in" }
    }
}

/// What all pages of an installation share.
#[derive(Debug)]
pub struct Shell {
    texts: Texts,
    names: Names,
    simulated: bool,
    sign_in: Option<String>,
    own_page: Option<String>,
    footer: Vec<(String, String)>,
}

impl Shell {
    /// A shell with these texts, real data, no sign-in and an empty foot.
    pub fn new(texts: Texts) -> Self {
        Shell {
            texts,
            names: Names::default(),
            simulated: false,
            sign_in: None,
            own_page: None,
            footer: Vec::new(),
        }
    }

    /// Names the installation in words of one of its modules.
    #[must_use]
    pub fn names(mut self, names: Names) -> Self {
        self.names = names;
        self
    }

    /// Says on every page that its data is simulated.
    #[must_use]
    pub fn simulated(mut self, simulated: bool) -> Self {
        self.simulated = simulated;
        self
    }

    /// Where people sign in.
    #[must_use]
    pub fn sign_in(mut self, href: impl Into<String>) -> Self {
        self.sign_in = Some(href.into());
        self
    }

    /// Where those who signed in find what is theirs.
    #[must_use]
    pub fn own_page(mut self, href: impl Into<String>) -> Self {
        self.own_page = Some(href.into());
        self
    }

    /// Adds a link to the foot of every page: the key of its words and its address.
    #[must_use]
    pub fn footer(mut self, key: impl Into<String>, href: impl Into<String>) -> Self {
        self.footer.push((key.into(), href.into()));
        self
    }

    /// The texts.
    pub fn texts(&self) -> &Texts {
        &self.texts
    }

    pub(crate) fn name_keys(&self) -> Names {
        self.names
    }

    pub(crate) fn is_simulated(&self) -> bool {
        self.simulated
    }

    pub(crate) fn sign_in_href(&self) -> Option<&str> {
        self.sign_in.as_deref()
    }

    pub(crate) fn own_page_href(&self) -> Option<&str> {
        self.own_page.as_deref()
    }

    pub(crate) fn footer_links(&self) -> &[(String, String)] {
        &self.footer
    }
}

/// Dresses all pages of a router: hands the shell to [`Page`], remembers a language chosen with `?lang=`,
/// sets the language headers, and turns a problem document into a page for somebody who asked for a page.
/// Routes added to the router afterwards are not dressed.
pub fn mount<S: Clone + Send + Sync + 'static>(router: Router<S>, shell: Shell) -> Router<S> {
    router.layer(middleware::from_fn_with_state(Arc::new(shell), dress))
}

async fn dress(State(shell): State<Arc<Shell>>, mut request: Request, next: Next) -> Response {
    let page = Page::new(shell.clone(), request.uri(), request.headers());
    let chosen = i18n::asked(request.uri());
    let wants_page = error::wants_page(&request);
    request.extensions_mut().insert(shell);

    let locale = page.locale;
    let mut response = next.run(request).await;
    if wants_page {
        response = error::page_for(response, page).await;
    }
    let headers = response.headers_mut();
    let is_html = headers.get(CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"text/html"));
    if !is_html {
        return response;
    }
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(locale.tag()));
    headers.append(VARY, HeaderValue::from_static("Accept-Language, Cookie"));
    if let Some(cookie) = chosen.and_then(|l| HeaderValue::from_str(&remember(l)).ok()) {
        headers.append(SET_COOKIE, cookie);
    }
    response
}

/// A year; `Lax` so that a link from outside opens in the language chosen before.
fn remember(locale: Locale) -> String {
    format!("{}={}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly", i18n::COOKIE_NAME, locale.tag())
}

/// Answers with a rendered template. Browsers ask again before showing a stored copy.
#[derive(Clone, Debug)]
pub struct Html<T>(pub T);

impl<T: Template> IntoResponse for Html<T> {
    fn into_response(self) -> Response {
        match self.0.render() {
            Ok(body) => html(StatusCode::OK, body),
            Err(e) => {
                tracing::error!(error = %e, template = std::any::type_name::<T>(), "a template failed");
                (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong on our side.").into_response()
            }
        }
    }
}

pub(crate) fn html(status: StatusCode, body: String) -> Response {
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-cache")];
    (status, headers, body).into_response()
}
