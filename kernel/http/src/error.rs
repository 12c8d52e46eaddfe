//! [`Error`]: what a handler returns when it fails.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kenroku_types::Problem;

/// The result of a handler.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A problem on its way to the caller. Everything that turns into a [`Problem`] turns into this with `?`:
/// a module writes one `From<ModuleError> for Problem` and nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct Error(pub Box<Problem>);

impl<E: Into<Problem>> From<E> for Error {
    fn from(e: E) -> Self {
        Error(Box::new(e.into()))
    }
}

impl Error {
    /// A failure of ours: 500 to the caller, the error and its sources to the log.
    pub fn internal(e: &(dyn std::error::Error + 'static)) -> Self {
        Error(Box::new(Problem::internal().because(e)))
    }
}

/// An unfinished answer that carries the problem in its extensions; the boundary gives it its form, its request
/// id and its log line. `kenroku-access` refuses requests in the same way.
pub fn carry(problem: Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = status.into_response();
    response.extensions_mut().insert(problem);
    response
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        carry(*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_that_is_a_problem_becomes_an_error() {
        fn fails() -> Result<()> {
            Err(Problem::not_found())?
        }
        fn passes_on() -> Result<()> {
            fails()?;
            Ok(())
        }
        assert_eq!(passes_on().unwrap_err().0.status, 404);
    }
}
