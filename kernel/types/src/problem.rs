//! [`Problem`]: an error as the caller sees it (RFC 9457), whatever layer it came from.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

/// A problem document (RFC 9457) with this product's extension members: a stable `code`, what to do `next`,
/// the `request_id`, and `errors` for single fields.
///
/// It carries no secrets and no personal data: it is shown to the caller and written to the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Problem {
    /// Stable machine-readable code such as `snow.device-unknown`; part of the contract.
    pub code: Cow<'static, str>,
    /// HTTP status.
    pub status: u16,
    /// One short sentence that does not change from case to case.
    pub title: Cow<'static, str>,
    /// What happened this time.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What the caller can do about it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub next: Cow<'static, str>,
    /// Which request this was; quote it when asking for help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Seconds to wait before trying again, also sent as `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// Problems of single fields or rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// Why, for the log alone: it is never sent to the caller. Empty when there is nothing to add.
    #[serde(skip)]
    pub cause: String,
}

/// What is wrong with one field or one row of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldProblem {
    /// JSON Pointer (RFC 6901) into the request, or the name of the form field.
    pub pointer: String,
    /// Stable code.
    pub code: Cow<'static, str>,
    /// What is wrong and what would be accepted.
    pub detail: String,
}

impl Problem {
    /// A problem with its stable parts; add the rest with the builder methods.
    pub fn new(status: u16, code: impl Into<Cow<'static, str>>, title: impl Into<Cow<'static, str>>) -> Self {
        Problem {
            code: code.into(),
            status,
            title: title.into(),
            detail: String::new(),
            next: Cow::Borrowed(""),
            request_id: None,
            retry_after: None,
            errors: Vec::new(),
            cause: String::new(),
        }
    }

    /// What happened this time.
    #[must_use]
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        self.detail = text.into();
        self
    }

    /// What the caller can do.
    #[must_use]
    pub fn next(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.next = text.into();
        self
    }

    /// When to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Keeps the error behind the problem, with its sources, for the one log line written at the boundary.
    #[must_use]
    pub fn because(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(e) = source {
            let more = e.to_string();
            if !text.contains(&more) {
                text.push_str(": ");
                text.push_str(&more);
            }
            source = e.source();
        }
        self.cause = text;
        self
    }

    /// Adds what is wrong with one field.
    #[must_use]
    pub fn field(
        mut self,
        pointer: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        self.errors.push(FieldProblem { pointer: pointer.into(), code: code.into(), detail: detail.into() });
        self
    }

    /// 404 for what does not exist and for what the caller may not know to exist: the two must look the same.
    pub fn not_found() -> Self {
        Problem::new(404, "not-found", "There is nothing here")
            .next("Check the address; if it came from a page of this site, tell the operator the request id.")
    }

    /// 401: nobody is signed in, or the key is unknown.
    pub fn unauthenticated() -> Self {
        Problem::new(401, "unauthenticated", "Sign-in needed").next("Sign in, or send a valid key.")
    }

    /// 403: the caller is known, and may know that this exists, but may not do it.
    pub fn forbidden() -> Self {
        Problem::new(403, "forbidden", "Not allowed")
            .next("Ask the person responsible for the right to do this.")
    }

    /// 400 for a request that cannot be understood.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Problem::new(400, "bad-request", "The request could not be understood")
            .detail(detail)
            .next("Correct the request and send it again.")
    }

    /// 409: somebody else changed it first, or it is already so.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Problem::new(409, "conflict", "It was changed in the meantime")
            .detail(detail)
            .next("Load it again and repeat the change.")
    }

    /// 503: try again soon.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Problem::new(503, "unavailable", "Not available at the moment")
            .detail(detail)
            .next("Try again after the time given in Retry-After.")
            .retry_after(5)
    }

    /// 500: our fault. The cause goes to the log under the request id, never to the caller.
    pub fn internal() -> Self {
        Problem::new(500, "internal", "Something went wrong on our side")
            .next("Try again; if it happens again, tell the operator the request id.")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.title, self.code, self.detail)
    }
}
impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_members_are_left_out() {
        let json = serde_json::to_value(Problem::not_found()).unwrap();
        assert_eq!(json["status"], 404);
        assert!(json.get("errors").is_none() && json.get("detail").is_none());
    }

    #[test]
    fn the_cause_stays_inside() {
        let p = Problem::internal().because(&std::io::Error::other("disk on fire"));
        assert_eq!(p.cause, "disk on fire");
        assert!(!serde_json::to_string(&p).unwrap().contains("fire"));
    }

    #[test]
    fn fields_carry_a_pointer() {
        let p = Problem::bad_request("2 rows").field("/1/lat", "range", "latitude is −90…90");
        assert_eq!(serde_json::to_value(p).unwrap()["errors"][0]["pointer"], "/1/lat");
    }
}
