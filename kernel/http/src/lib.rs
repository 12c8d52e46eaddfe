//! HTTP for every module: the shared state, routes that declare who may use them, and the boundary that
//! every request crosses.
//!
//! **What it is.**
//! * [`App`] is what a handler may know: clock, database, the kernel's services and those of modules.
//! * [`Routes`] is how a module offers operations: `Routes::new().get("/snow", page).add(op!(ingest))`.
//! * [`extract`] holds `Json`, `Query`, `Path`, `Form`: their refusals are problem documents.
//! * [`boundary`] gives each request an id, logs it once, turns panics and errors into RFC 9457 problems,
//!   sets the security headers, limits rates and refuses forged cross-site requests.
//! * [`serve`] listens, drains and stops.
//!
//! **What it is not.** It renders no pages, not even of errors (`kenroku-ui`), decides no permissions (`kenroku-access`) and
//! names no module.
//!
//! **Architecture invariants.**
//! * An operation whose handler does not begin with [`Public`] or an `Authz<…>` argument does not compile.
//! * The cause of an internal error goes to the log under the request id and never to the caller.
//! * No log line holds a path, query, header or body: only the route's pattern.
//! * Whatever a client sends is bounded before it is held: headers, body, decoded body, time, connections.
//!
//! **How to add one more operation.** Write the handler, first argument [`Public`] or `Authz<Permission>`;
//! give JSON operations a `#[utoipa::path(…)]`; add it to the module's [`Routes`]; run the binary's tests with
//! `KENROKU_BLESS=1` to renew the OpenAPI snapshot, and add the line in `docs/authz-coverage.txt` by hand.

pub mod app;
mod authz;
pub mod boundary;
pub mod error;
pub mod etag;
pub mod extract;
pub mod health;
pub mod idempotency;
pub mod metrics;
pub mod net;
pub mod openapi;
pub mod paging;
mod pipeline;
pub mod rate;
pub mod request;
pub mod routes;
pub mod security;
pub mod serve;
pub mod settings;
#[cfg(any(test, feature = "testing"))]
pub mod test;

pub use app::{App, AppBuilder};
pub use error::{Error, Result};
pub use etag::ETag;
pub use extract::{Form, Json, Path, Query};
pub use idempotency::Idempotency;
pub use paging::{Cursor, Page, PageQuery};
pub use request::{Listener, RequestInfo};
pub use routes::{Audience, Gate, Guard, Op, Public, Routes};
pub use settings::Settings;

/// Names that [`op!`] expands to; not part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use utoipa;
    pub use utoipa_axum::paste;
}
