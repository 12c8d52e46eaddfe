//! `/healthz`, `/readyz`, `/metrics`: for load balancers, service managers and operators.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use kenroku_types::Problem;
use serde::Serialize;

use crate::{App, Error, Json, Op, Public, Routes};

/// The operations of this page.
pub fn routes() -> Routes {
    let get = axum::http::Method::GET;
    Routes::new()
        .get("/healthz", alive)
        .get("/readyz", ready)
        .add(Op::new(get.clone(), "/healthz/admin", alive).admin())
        .add(Op::new(get, "/metrics", metrics).admin())
}

/// The process answers: restart it when it does not.
async fn alive(_: Public) -> &'static str {
    "ok\n"
}

#[derive(Serialize)]
struct Ready {
    status: &'static str,
    checks: Vec<&'static str>,
}

/// Everything it needs is there: send requests here. Which check failed goes to the caller by name, why goes to
/// the log.
async fn ready(_: Public, app: App) -> Result<Response, Error> {
    if app.is_draining() {
        return Err(Problem::unavailable("The server is stopping.").into());
    }
    let mut passed = Vec::new();
    for (name, check) in app.ready_checks() {
        if let Err(why) = check(app.clone()).await {
            let mut problem = Problem::unavailable(format!("Not ready: {name}."));
            problem.cause = why;
            return Err(problem.into());
        }
        passed.push(*name);
    }
    Ok((StatusCode::OK, Json(Ready { status: "ready", checks: passed })).into_response())
}

async fn metrics(_: Public, app: App) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], app.metrics().render()).into_response()
}
