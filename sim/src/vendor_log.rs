//! The vendor's own log of who used data, told to those who show it to the person: `findUsage`, `usagePeriod` and
//! `heartbeat`. It can be made silent on its own page, to see 応答なし.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use kenroku_types::{Clock, Timestamp};
use serde_json::{Value, json};

/// How long a silent vendor lets callers wait: longer than anybody does.
const SILENCE: Duration = Duration::from_secs(30);
/// Rows kept of one person.
const KEPT: usize = 200;
/// The vendor looks every few seconds; a person's list names it once in this time.
const ONCE_IN_US: i64 = 10 * 60 * 1_000_000;

/// The log. Cheap to clone.
#[derive(Clone)]
pub struct VendorLog(Arc<Inner>);

struct Inner {
    key: String,
    clock: Clock,
    began: Timestamp,
    silent: AtomicBool,
    rows: Mutex<BTreeMap<String, Vec<Timestamp>>>,
}

impl fmt::Debug for VendorLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VendorLog")
    }
}

impl VendorLog {
    /// An empty log that answers to whoever shows this key.
    pub fn new(key: &str, clock: Clock) -> Self {
        let (began, silent) = (clock.now(), AtomicBool::new(false));
        VendorLog(Arc::new(Inner { key: key.to_owned(), clock, began, silent, rows: Mutex::default() }))
    }

    /// The midwife looks at what the vendor received about a person.
    pub(crate) fn note(&self, subject: &str) {
        let now = self.0.clock.now();
        let mut rows = self.0.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = rows.entry(subject.to_owned()).or_default();
        if rows.last().is_none_or(|last| now.since(*last) >= ONCE_IN_US) && rows.len() < KEPT {
            rows.push(now);
        }
    }

    /// Whether it answers nobody.
    pub fn silence(&self, silent: bool) {
        self.0.silent.store(silent, Ordering::SeqCst);
    }

    /// Its addresses: the protocol below `/v2`, and a page that makes it silent.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(page))
            .route("/silence", post(|s: State<VendorLog>| switch(s, true)))
            .route("/answer", post(|s: State<VendorLog>| switch(s, false)))
            .route("/v2/findUsage", get(find))
            .route("/v2/usagePeriod", get(period))
            .route("/v2/heartbeat", get(heartbeat))
            .with_state(self.clone())
    }

    /// Lets nobody in without the key; answers nobody when it is silent.
    async fn refused(&self, headers: &HeaderMap) -> Option<Response> {
        if self.0.silent.load(Ordering::SeqCst) {
            tokio::time::sleep(SILENCE).await;
            return Some(StatusCode::SERVICE_UNAVAILABLE.into_response());
        }
        let shown = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        let known = shown.and_then(|v| v.strip_prefix("Bearer ")) == Some(self.0.key.as_str());
        (!known).then(|| StatusCode::UNAUTHORIZED.into_response())
    }
}

fn answer(body: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

async fn find(State(log): State<VendorLog>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    if let Some(refused) = log.refused(&headers).await {
        return refused;
    }
    let query = reqwest::Url::parse(&format!("x:?{}", query.unwrap_or_default())).ok();
    let asked: BTreeMap<String, String> =
        query.map(|u| u.query_pairs().into_owned().collect()).unwrap_or_default();
    let (Some(who), true) = (asked.get("userCode"), headers.contains_key("x-road-userid")) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let time = |name: &str| asked.get(name).and_then(|t| t.parse::<Timestamp>().ok());
    let number = |name: &str, other: usize| asked.get(name).and_then(|n| n.parse().ok()).unwrap_or(other);
    let (from, until) = (time("periodStart"), time("periodEnd"));
    let rows = log.0.rows.lock().unwrap_or_else(PoisonError::into_inner);
    let within = |t: &&Timestamp| from.is_none_or(|f| **t >= f) && until.is_none_or(|u| **t <= u);
    let found: Vec<&Timestamp> = rows.get(who).into_iter().flatten().filter(within).collect();
    let shown = found.iter().rev().skip(number("offset", 0)).take(number("limit", 1_000));
    let usages: Vec<Value> = shown
        .map(|t| {
            json!({ "logtime": t, "action": "家庭訪問の準備（模擬データ）", "receiverCode": "midwife-1",
                "receiverName": "助産師（見本）", "receiverSystem": "visit-support" })
        })
        .collect();
    answer(&json!({ "totalUsages": found.len(), "usages": usages }))
}

async fn period(State(log): State<VendorLog>, headers: HeaderMap) -> Response {
    match log.refused(&headers).await {
        Some(refused) => refused,
        None => answer(&json!({ "periodStart": log.0.began })),
    }
}

async fn heartbeat(State(log): State<VendorLog>, headers: HeaderMap) -> Response {
    match log.refused(&headers).await {
        Some(refused) => refused,
        None => answer(&json!({ "status": "OK" })),
    }
}

async fn switch(State(log): State<VendorLog>, silent: bool) -> Redirect {
    log.silence(silent);
    Redirect::to("/")
}

async fn page(State(log): State<VendorLog>) -> Html<String> {
    let silent = log.0.silent.load(Ordering::SeqCst);
    let (state, action, button) = match silent {
        true => ("だまっています。「だれが見たか」には応答なしと出ます。", "/answer", "答える"),
        false => ("答えています。", "/silence", "だまる"),
    };
    Html(format!(
        "<!doctype html><html lang=\"ja\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>産前産後サポートの記録（模擬）</title><h1>産前産後サポートの記録（模擬）</h1>\
         <p>見本の事業者が自分で持つ「だれが使ったか」の記録です。{state}</p>\
         <form method=\"post\" action=\"{action}\"><button>{button}</button></form></html>"
    ))
}
