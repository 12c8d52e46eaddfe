//! Why a context or document cannot be used. The codes are those of JSON-LD 1.1 API §9.6.

/// What is wrong, with the term or address it concerns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A remote context is not at hand; fetch it and ask again.
    #[error("the @context {0} is not at hand")]
    Missing(String),
    /// More remote contexts, terms or levels than are allowed; usually a context that imports itself.
    #[error("the @context is too large or imports itself: {0}")]
    Overflow(String),
    /// The document is nested deeper than is allowed.
    #[error("the document is nested deeper than {0} levels")]
    TooDeep(usize),
    /// An address that is none.
    #[error("“{0}” is not an address a @context can be read from")]
    Address(String),
    /// A remote document without a usable `@context`.
    #[error("{0} holds no @context")]
    InvalidRemote(String),
    /// `code` of the standard, with what it is about.
    #[error("{code}: {about}")]
    Invalid {
        /// The standard's words: `invalid term definition`, `cyclic IRI mapping` …
        code: &'static str,
        /// The term or value.
        about: String,
    },
}

impl Error {
    /// One of the standard's errors.
    pub(crate) fn invalid(code: &'static str, about: impl AsRef<str>) -> Self {
        Error::Invalid { code, about: about.as_ref().chars().take(200).collect() }
    }
}
