//! [`Routes`]: operations that say who may use them.
//!
//! The declaration is the handler's first argument, so it cannot be forgotten and cannot differ from what is
//! checked at run time:
//!
//! ```
//! use kenroku_http::{Public, Routes};
//! async fn welcome(_: Public) -> &'static str { "ようこそ" }
//! let routes = Routes::new().get("/", welcome);
//! ```
//!
//! ```compile_fail
//! use kenroku_http::{Public, Routes};
//! async fn welcome() -> &'static str { "ようこそ" }
//! let routes = Routes::new().get("/", welcome);
//! ```

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequestParts, Request};
use axum::handler::Handler;
use axum::http::Method;
use axum::http::request::Parts;
use axum::routing::{MethodFilter, MethodRouter};
use tower::ServiceExt as _;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{HttpMethod, Operation};
use utoipa::openapi::schema::Schema;

use crate::pipeline::Limits;
use crate::rate::RateLimiter;
use crate::{App, boundary, pipeline};

/// First argument of a handler that everybody may call, and that does not ask who they are. (A page that is open
/// to everybody but greets those who signed in takes [`Visitor`](kenroku_access::Visitor) instead.)
#[derive(Clone, Copy, Debug)]
pub struct Public;

/// Who may use an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Everybody.
    Public,
    /// Whoever has the named permission.
    Needs(&'static str),
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gate::Public => f.write_str("public"),
            Gate::Needs(permission) => f.write_str(permission),
        }
    }
}

/// A first argument that declares who may call.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say who may use the operation",
    note = "the first argument of a handler is `Public`, `Visitor` or `Authz<Permission, Resource>`"
)]
pub trait Guard {
    /// What is declared.
    fn gate() -> Gate;
}

impl Guard for Public {
    fn gate() -> Gate {
        Gate::Public
    }
}

impl<S: Sync> FromRequestParts<S> for Public {
    type Rejection = Infallible;
    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Public)
    }
}

/// The argument list of a handler whose first argument is a [`Guard`].
#[diagnostic::on_unimplemented(
    message = "this handler does not say who may use it",
    note = "make its first argument `Public`, `Visitor` or `Authz<Permission, Resource>`"
)]
pub trait Guarded {
    /// What the first argument declares.
    fn gate() -> Gate;
}

macro_rules! guarded {
    ($($rest:ident)*) => {
        impl<Via, First: Guard, $($rest),*> Guarded for (Via, First, $($rest,)*) {
            fn gate() -> Gate {
                First::gate()
            }
        }
    };
}
guarded!();
guarded!(A);
guarded!(A B);
guarded!(A B C);
guarded!(A B C D);
guarded!(A B C D E);
guarded!(A B C D E F);
guarded!(A B C D E F G);
guarded!(A B C D E F G H);

/// Which listeners know an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Audience {
    /// Public and staff listeners.
    #[default]
    Everybody,
    /// Only the staff listener, where there is one of its own (LGWAN).
    Staff,
    /// Only the admin listener, or this machine where there is none.
    Admin,
}

/// One operation: method, path, who may use it, limits.
pub struct Op {
    method: Method,
    path: String,
    gate: Gate,
    audience: Audience,
    limits: Limits,
    module: &'static str,
    router: MethodRouter<App>,
    doc: Option<Documented>,
}

/// What `#[utoipa::path]` knows of an operation.
#[doc(hidden)]
pub struct Documented {
    pub operation: Operation,
    pub tags: Vec<String>,
    pub schemas: Vec<(String, RefOr<Schema>)>,
}

/// Makes an [`Op`] of a handler that has a `#[utoipa::path(…)]`: method, path and documentation come from
/// there. `op!(list)`, `op!(api::ingest).body_limit(10 << 20)`.
#[macro_export]
macro_rules! op {
    (@ [$($before:tt)*] $handler:ident) => {
        $crate::__private::paste! {
            $crate::Op::documented::<$($before)* [<__path_ $handler>], _, _>($($before)* $handler)
        }
    };
    (@ [$($before:tt)*] $module:ident :: $($rest:tt)+) => {
        $crate::op!(@ [$($before)* $module ::] $($rest)+)
    };
    ($($path:tt)+) => { $crate::op!(@ [] $($path)+) };
}

impl Op {
    /// An operation without a place in the OpenAPI document: a page, a form's target, a foreign protocol.
    pub fn new<H, T>(method: Method, path: &str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: Guarded + 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        Op {
            method,
            path: path.to_owned(),
            gate: T::gate(),
            audience: Audience::Everybody,
            limits: Limits::default(),
            module: "",
            router: MethodRouter::new().on(filter, handler),
            doc: None,
        }
    }

    /// What [`op!`] expands to.
    #[doc(hidden)]
    pub fn documented<D, H, T>(handler: H) -> Self
    where
        D: utoipa::Path + for<'t> utoipa::__dev::Tags<'t> + utoipa::__dev::SchemaReferences,
        H: Handler<T, App>,
        T: Guarded + 'static,
    {
        let method = D::methods().first().map_or(Method::GET, method_of);
        let mut op = Op::new(method, &D::path(), handler);
        let mut schemas = Vec::new();
        D::schemas(&mut schemas);
        let tags = D::tags().into_iter().map(ToOwned::to_owned).collect();
        op.doc = Some(Documented { operation: D::operation(), tags, schemas });
        op
    }

    /// Only for the staff listener.
    #[must_use]
    pub fn staff(mut self) -> Self {
        self.audience = Audience::Staff;
        self
    }

    /// Only for the admin listener.
    #[must_use]
    pub fn admin(mut self) -> Self {
        self.audience = Audience::Admin;
        self
    }

    /// Another bound for the body, as sent and (at least) as decoded, in bytes.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.limits.body = Some(bytes);
        self
    }

    /// Another time limit.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limits.timeout = Some(limit);
        self
    }

    /// The body is handed on as it arrives (uploads of files): not decoded, not held in memory, no
    /// `Idempotency-Key`. The handler bounds what it reads.
    #[must_use]
    pub fn streaming(mut self) -> Self {
        self.limits.streaming = true;
        self
    }

    /// Pages of other sites may call it by script. It must not know cookies: who calls shows it in the request
    /// itself (OAuth endpoints for clients in browsers).
    #[must_use]
    pub fn cross_site(mut self) -> Self {
        self.limits.cross_site = true;
        self
    }

    /// A rate limit of its own per client network, on top of the general one (sign-in, codes).
    #[must_use]
    pub fn rate(mut self, per_second: f64, burst: f64) -> Self {
        self.limits.rate = Some(Arc::new(RateLimiter::new(per_second, burst)));
        self
    }

    /// Method, path, gate and audience.
    pub fn info(&self) -> OpInfo {
        OpInfo {
            method: self.method.clone(),
            path: self.path.clone(),
            gate: self.gate,
            audience: self.audience,
            documented: self.doc.is_some(),
        }
    }

    pub(crate) fn doc(&self) -> Option<&Documented> {
        self.doc.as_ref()
    }
}

fn method_of(m: &HttpMethod) -> Method {
    match m {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Delete => Method::DELETE,
        HttpMethod::Options => Method::OPTIONS,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Trace => Method::TRACE,
    }
}

/// One line of the coverage list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpInfo {
    /// HTTP method.
    pub method: Method,
    /// Path pattern.
    pub path: String,
    /// Who may use it.
    pub gate: Gate,
    /// Which listeners know it.
    pub audience: Audience,
    /// Whether it is in the OpenAPI document.
    pub documented: bool,
}

/// The operations of a module, or of all of them.
#[derive(Default)]
pub struct Routes {
    ops: Vec<Op>,
}

/// Operations that cannot be served together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The same method and path twice.
    #[error("{0} is offered twice; give one of the two another path")]
    Twice(String),
    /// A path the router cannot hold.
    #[error(
        "the path {0} is not valid: start with “/”, write parameters as {{name}} and the rest as {{*rest}}"
    )]
    Path(String),
}

impl Routes {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an operation.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "a builder's add, not arithmetic")]
    pub fn add(mut self, op: Op) -> Self {
        self.ops.push(op);
        self
    }

    /// Adds a page.
    #[must_use]
    pub fn get<H: Handler<T, App>, T: Guarded + 'static>(self, path: &str, handler: H) -> Self {
        self.add(Op::new(Method::GET, path, handler))
    }

    /// Adds a form's target.
    #[must_use]
    pub fn post<H: Handler<T, App>, T: Guarded + 'static>(self, path: &str, handler: H) -> Self {
        self.add(Op::new(Method::POST, path, handler))
    }

    /// Adds public pages that a crate below this one serves by a router of its own; only the listed paths are
    /// reached.
    #[must_use]
    pub fn public_pages(self, paths: &[&str], router: &Router) -> Self {
        paths.iter().fold(self, |routes, path| {
            let router = router.clone();
            routes.get(path, move |_: Public, req: Request| async move {
                match router.oneshot(req).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                }
            })
        })
    }

    /// Adds all operations of `other`.
    #[must_use]
    pub fn merge(mut self, other: Routes) -> Self {
        self.ops.extend(other.ops);
        self
    }

    /// Says whose operations these are: a resident who comes to one of them is known by that module's pseudonym.
    #[must_use]
    pub fn of_module(mut self, module: &'static str) -> Self {
        self.ops.iter_mut().for_each(|op| op.module = module);
        self
    }

    /// All operations.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The coverage list: one line per operation with who may use it, sorted by path.
    pub fn coverage(&self) -> String {
        let mut lines: Vec<_> = self
            .ops
            .iter()
            .map(|op| {
                let audience = match op.audience {
                    Audience::Everybody => "",
                    Audience::Staff => "  (staff listener)",
                    Audience::Admin => "  (admin listener)",
                };
                (
                    op.path.clone(),
                    format!("{:<6} {:<48} {}{audience}\n", op.method.as_str(), op.path, op.gate),
                )
            })
            .collect();
        lines.sort();
        lines.into_iter().map(|(_, line)| line).collect()
    }

    /// Whether these operations can be served together.
    ///
    /// # Errors
    /// The first pair or path that cannot.
    pub fn check(&self) -> Result<(), RouteError> {
        let mut seen = std::collections::BTreeSet::new();
        let mut shapes: BTreeMap<String, &str> = BTreeMap::new();
        for op in &self.ops {
            let shape = shape(&op.path).ok_or_else(|| RouteError::Path(op.path.clone()))?;
            if *shapes.entry(shape.clone()).or_insert(&op.path) != op.path
                || !seen.insert((op.method.to_string(), shape))
            {
                return Err(RouteError::Twice(format!("{} {}", op.method, op.path)));
            }
        }
        Ok(())
    }

    /// The service to listen with: every operation behind its limits, everything behind the boundary.
    ///
    /// # Errors
    /// As [`Routes::check`].
    pub fn into_router(self, app: &App) -> Result<Router, RouteError> {
        self.check()?;
        let mut by_path: BTreeMap<String, MethodRouter<App>> = BTreeMap::new();
        for op in self.ops {
            let limits =
                Arc::new(pipeline::OpLimits { audience: op.audience, module: op.module, limits: op.limits });
            let layer = axum::middleware::from_fn_with_state((app.clone(), limits), pipeline::run);
            let router = op.router.route_layer(layer);
            let slot = by_path.entry(op.path).or_default();
            *slot = std::mem::take(slot).merge(router);
        }
        let router = by_path.into_iter().fold(Router::new(), |r, (path, methods)| r.route(&path, methods));
        Ok(boundary::around(router, app).with_state(app.clone()))
    }
}

/// The path with its parameters' names blanked, or `None` when it is malformed: `/a/{x}` and `/a/{y}` clash.
fn shape(path: &str) -> Option<String> {
    let rest = path.strip_prefix('/')?;
    let mut out = String::new();
    let last = rest.split('/').count() - 1;
    for (i, segment) in rest.split('/').enumerate() {
        out.push('/');
        let (open, close) = (segment.matches('{').count(), segment.matches('}').count());
        match (open, close) {
            (0, 0) if !segment.starts_with([':', '*']) => out.push_str(segment),
            (1, 1) => {
                let (start, end) = (segment.find('{')?, segment.find('}')?);
                let name = segment.get(start + 1..end)?;
                let whole = start == 0 && end + 1 == segment.len();
                let rest_of_path = name.starts_with('*');
                if name.trim_start_matches('*').is_empty() || (rest_of_path && (!whole || i != last)) {
                    return None;
                }
                out.push_str(&segment[..start]);
                out.push_str(if rest_of_path { "{*}" } else { "{}" });
                out.push_str(&segment[end + 1..]);
            }
            _ => return None,
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn page(_: Public) -> &'static str {
        "ok"
    }

    #[test]
    fn clashes_and_bad_paths_are_told_before_serving() {
        let ok = Routes::new().get("/a/{x}", page).post("/a/{x}", page).get("/t/{z}/{file}.pbf", page);
        assert_eq!(ok.check(), Ok(()));
        let twice = Routes::new().get("/a/{x}", page).get("/a/{y}", page);
        assert!(matches!(twice.check(), Err(RouteError::Twice(_))));
        for bad in ["a", "/:id", "/{}", "/{*x}/y", "/{a}{b}"] {
            assert!(matches!(Routes::new().get(bad, page).check(), Err(RouteError::Path(_))), "{bad}");
        }
    }

    #[test]
    fn the_coverage_list_names_everybody() {
        let list = Routes::new().get("/b", page).add(Op::new(Method::POST, "/a", page).staff()).coverage();
        let lines: Vec<_> = list.lines().collect();
        assert!(lines[0].starts_with("POST   /a ") && lines[0].ends_with("public  (staff listener)"));
        assert!(lines[1].starts_with("GET    /b ") && lines[1].ends_with("public"));
    }
}
