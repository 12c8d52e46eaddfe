//! The errors of the API (GS CIM 009 §5.5.2, §6.3.2).

use std::fmt;

/// What kind of mistake it was: the standard's error types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request itself is wrong.
    InvalidRequest,
    /// The data is wrong.
    BadRequestData,
    /// It exists already.
    AlreadyExists,
    /// It is not supported.
    OperationNotSupported,
    /// There is no such thing.
    ResourceNotFound,
    /// Something inside failed.
    InternalError,
    /// Too much is asked at once.
    TooComplexQuery,
    /// More than is given at once.
    TooManyResults,
    /// An @context cannot be read.
    LdContextNotAvailable,
    /// There is no such tenant.
    NonexistentTenant,
    /// A registration already speaks for it.
    Conflict,
}

impl Fault {
    /// The last part of the error's type.
    pub const fn name(self) -> &'static str {
        match self {
            Fault::InvalidRequest => "InvalidRequest",
            Fault::BadRequestData => "BadRequestData",
            Fault::AlreadyExists => "AlreadyExists",
            Fault::OperationNotSupported => "OperationNotSupported",
            Fault::ResourceNotFound => "ResourceNotFound",
            Fault::InternalError => "InternalError",
            Fault::TooComplexQuery => "TooComplexQuery",
            Fault::TooManyResults => "TooManyResults",
            Fault::LdContextNotAvailable => "LdContextNotAvailable",
            Fault::NonexistentTenant => "NonexistentTenant",
            Fault::Conflict => "Conflict",
        }
    }

    /// The HTTP status (§6.3.2, table 6.3.2-1).
    pub const fn status(self) -> u16 {
        match self {
            Fault::InvalidRequest | Fault::BadRequestData => 400,
            Fault::ResourceNotFound | Fault::NonexistentTenant => 404,
            Fault::TooComplexQuery | Fault::TooManyResults => 403,
            Fault::AlreadyExists | Fault::Conflict => 409,
            Fault::OperationNotSupported => 422,
            Fault::InternalError => 500,
            Fault::LdContextNotAvailable => 504,
        }
    }

    /// A sentence for people.
    pub const fn title(self) -> &'static str {
        match self {
            Fault::InvalidRequest => "The request is not valid",
            Fault::BadRequestData => "The data of the request is not valid",
            Fault::AlreadyExists => "It exists already",
            Fault::OperationNotSupported => "This operation is not supported",
            Fault::ResourceNotFound => "There is no such resource",
            Fault::InternalError => "Something failed inside the broker",
            Fault::TooComplexQuery => "The query asks for too much",
            Fault::TooManyResults => "The query has too many results",
            Fault::LdContextNotAvailable => "An @context cannot be read",
            Fault::NonexistentTenant => "There is no such tenant",
            Fault::Conflict => "Another context source is responsible for it",
        }
    }
}

/// A mistake with what it was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NgsiError {
    /// Its kind.
    pub fault: Fault,
    /// What was wrong this time and what would be accepted.
    pub detail: String,
}

impl NgsiError {
    /// One.
    pub fn new(fault: Fault, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if detail.len() > 400 {
            detail = detail.chars().take(400).collect();
        }
        NgsiError { fault, detail }
    }

    /// The data is wrong.
    pub fn data(detail: impl Into<String>) -> Self {
        Self::new(Fault::BadRequestData, detail)
    }

    /// The request is wrong.
    pub fn request(detail: impl Into<String>) -> Self {
        Self::new(Fault::InvalidRequest, detail)
    }

    /// There is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(Fault::ResourceNotFound, detail)
    }

    /// The address that names the kind of error.
    pub fn type_uri(&self) -> String {
        format!("https://uri.etsi.org/ngsi-ld/errors/{}", self.fault.name())
    }

    /// The problem document (RFC 7807 as §5.5.3 uses it).
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "type": self.type_uri(),
            "title": self.fault.title(),
            "detail": self.detail,
            "status": self.fault.status(),
        })
    }
}

impl fmt::Display for NgsiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.fault.name(), self.detail)
    }
}

impl std::error::Error for NgsiError {}

impl From<kenroku_jsonld::Error> for NgsiError {
    fn from(e: kenroku_jsonld::Error) -> Self {
        let fault = match &e {
            kenroku_jsonld::Error::Missing(_) | kenroku_jsonld::Error::InvalidRemote(_) => {
                Fault::LdContextNotAvailable
            }
            _ => Fault::BadRequestData,
        };
        NgsiError::new(fault, e.to_string())
    }
}
