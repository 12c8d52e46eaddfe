//! Signing out: at a client's wish (RP-Initiated Logout 1.0), and telling clients that a session is over
//! (Back-Channel Logout 1.0).

use std::sync::Arc;

use askama::Template;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use kenroku_bus::{Bus, Done, Enqueue, Failed, Handle, Job, Received, Running, Work};
use kenroku_contracts::identity::{EndReason, SessionEnded};
use kenroku_http::{App, Public};
use kenroku_oidc::jws::Unverified;
use kenroku_oidc::logout::{LOGOUT_TOKEN_TYPE, LogoutToken, may_return};
use kenroku_oidc::{Params, redirect};
use kenroku_outbound::{Caller, Outbound, OutboundError};
use kenroku_store::Tx;
use kenroku_ui::{Html, Page};
use serde::{Deserialize, Serialize};

use super::answer::{Came, Outcome, onward, refused, see_other};
use super::authorize::shown;
use super::clients::Client;
use super::grants::sid_for;
use super::provider::{Provider, T, Visit};
use super::sql;
use crate::Identity;
use crate::session::{self, Session};

#[derive(Template)]
#[template(path = "op-logout.html")]
struct Logout {
    page: Page,
    fields: Vec<(String, String)>,
    done: bool,
}

/// What a client's wish says, checked.
struct Wish {
    client: Option<Arc<Client>>,
    /// The session that the hint names, as the client knows it.
    sid: Option<String>,
    /// Where to go afterwards.
    to: Option<String>,
}

async fn wish(op: &Provider, params: &Params, issuer: &str) -> Outcome<Wish> {
    let (mut client, mut sid) = (params.get("client_id").map(ToOwned::to_owned), None);
    if let Some(hint) = params.get("id_token_hint") {
        // §2: an expired ID token of ours still says for whom it was.
        let ring = op.ring().await?;
        let claims = Unverified::parse(hint).ok().and_then(|t| t.verify_with(ring.public()).ok());
        let claims = claims.filter(|c| c.text("iss") == Some(issuer)).ok_or_else(|| {
            refused(kenroku_oidc::Code::InvalidRequest, "id_token_hint is not an ID token of this provider")
        })?;
        let of = claims.text("aud").map(ToOwned::to_owned);
        if client.is_some() && client != of {
            return Err(refused(
                kenroku_oidc::Code::InvalidRequest,
                "client_id is not that of id_token_hint",
            ));
        }
        client = of;
        sid = claims.text("sid").map(ToOwned::to_owned);
    }
    let client = match client {
        Some(id) => op.client(&id).await?,
        None => None,
    };
    let to = match (params.get("post_logout_redirect_uri"), &client) {
        (None, _) => None,
        (Some(uri), Some(c)) if may_return(&c.metadata, uri) => Some(match params.get("state") {
            Some(state) => redirect::with_query(uri, &[("state", state)]),
            None => uri.to_owned(),
        }),
        _ => {
            return Err(refused(
                kenroku_oidc::Code::InvalidRequest,
                "post_logout_redirect_uri is not registered for this client",
            ));
        }
    };
    Ok(Wish { client, sid, to })
}

/// GET /oidc/logout
pub(super) async fn get(_: Public, v: Visit) -> Response {
    handle(&v, v.query(), Came::Directly, false).await.unwrap_or_else(shown)
}

/// POST /oidc/logout: comes from another site without the session; a GET takes it up.
pub(super) async fn post(_: Public, body: Bytes) -> Response {
    match Params::parse(&String::from_utf8_lossy(&body)) {
        Ok(params) => {
            let pairs: Vec<(&str, &str)> = params.iter().collect();
            see_other(&redirect::with_query("/oidc/logout", &pairs))
        }
        Err(e) => shown(e.into()),
    }
}

/// POST /oidc/logout/confirm: the person pressed the button on our page.
pub(super) async fn confirm(_: Public, v: Visit, body: Bytes) -> Response {
    handle(&v, &String::from_utf8_lossy(&body), Came::ByForm, true).await.unwrap_or_else(shown)
}

async fn handle(v: &Visit, text: &str, came: Came, confirmed: bool) -> Outcome<Response> {
    let page = v.page.clone();
    let params = Params::parse(text)?;
    let wish = wish(&v.op, &params, &v.issuer).await?;
    let Some(session) = v.session().await? else { return Ok(after(page, &wish, came)) };
    // Without proof that the client knows this very session, any page could sign people out: ask (§2, §6).
    let known = wish.client.as_ref().is_some_and(|c| wish.sid == Some(sid_for(&c.id, session.sid)));
    if !confirmed && !known {
        let fields = params.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let title = page.t("identity-op-logout").phrase();
        return Ok(Html(Logout { page: page.title(title), fields, done: false }).into_response());
    }
    end(&v.app, &session).await?;
    let mut response = after(page, &wish, came);
    session::clear_cookies(v.app.access(), &v.parts, response.headers_mut());
    Ok(response)
}

async fn end(app: &App, session: &Session) -> Outcome<()> {
    app.get::<Identity>()?.end_session(session.person, session.sid, EndReason::SignedOut).await?;
    Ok(())
}

fn after(page: Page, wish: &Wish, came: Came) -> Response {
    match (&wish.to, came) {
        (Some(to), Came::Directly) => see_other(to),
        (Some(to), Came::ByForm) => onward(page, to),
        (None, _) => {
            let title = page.t("identity-op-logout-done").phrase();
            Html(Logout { page: page.title(title), fields: Vec::new(), done: true }).into_response()
        }
    }
}

// --- telling clients ---

/// Tells one client that a session is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TellClient {
    client: String,
    subject: String,
    sid: String,
    /// Our name in its tokens.
    issuer: String,
}

impl Job for TellClient {
    const KIND: &'static str = "identity.tell-client";
}

/// Ends what clients hold for a session that is over, and has them told.
#[derive(Clone, Debug)]
pub struct EndedSessions {
    provider: Provider,
    bus: Bus,
}

impl EndedSessions {
    /// For the consumer `identity.ended-sessions`.
    pub fn new(provider: Provider, bus: Bus) -> Self {
        EndedSessions { provider, bus }
    }
}

impl Handle<SessionEnded> for EndedSessions {
    async fn handle(&self, tx: &mut Tx, e: Received<SessionEnded>) -> Result<(), Failed> {
        let (op, sid) = (&self.provider, e.event.sid);
        let told = sql::clients_of_session(tx, sid).await?;
        sql::end_grants_of_session(tx, sid, op.env.now()).await?;
        for (client, subject, issuer) in told {
            let known = sql::client(tx, &client).await?;
            if known.is_some_and(|c| c.metadata.backchannel_logout_uri.is_some()) {
                let key = format!("{client} {sid}");
                let job = TellClient { sid: sid_for(&client, sid), client, subject, issuer };
                self.bus.enqueue(tx, T, &job, Enqueue::now().unique(key)).await?;
            }
        }
        Ok(())
    }
}

/// Sends logout tokens.
#[derive(Clone, Debug)]
pub struct Messenger {
    provider: Provider,
    out: Outbound,
}

impl Messenger {
    /// Sends for this provider.
    ///
    /// # Errors
    /// When the system's roots cannot be read.
    pub fn new(provider: Provider) -> Result<Self, OutboundError> {
        Ok(Messenger { provider, out: Outbound::new()? })
    }
}

impl Work<TellClient> for Messenger {
    async fn work(&self, run: &Running, job: TellClient) -> Result<Done, Failed> {
        let op = &self.provider;
        let client = op.client(&job.client).await.map_err(|e| Failed::again(e.to_string()))?;
        let target = client.as_ref().and_then(|c| c.metadata.backchannel_logout_uri.clone());
        let (Some(client), Some(target)) = (client, target) else {
            return run.finish(run.begin().await?).await;
        };
        let ring = op.ring().await.map_err(|_| Failed::again("the keys cannot be read"))?;
        let alg = client.metadata.id_token_alg();
        let key = ring
            .signing(alg)
            .ok_or_else(|| Failed::again("there is no key for the algorithm of this client"))?;
        let jti = run.id().uuid().simple().to_string();
        let claims = LogoutToken::new(&job.issuer, &client.id, &job.subject, &job.sid, &jti, op.env.now());
        let token = key.sign(LOGOUT_TOKEN_TYPE, &claims).map_err(|e| Failed::never(e.to_string()))?;
        match self.out.post_form(&target, Caller::Nobody, &[("logout_token", token)]).await {
            // §2.8: 400 is the client's refusal; asking again would not change it.
            Ok(r) if r.is_ok() || r.status == 400 => {
                if !r.is_ok() {
                    tracing::warn!(client = %client.id, "the client refused a logout token");
                }
                run.finish(run.begin().await?).await
            }
            Ok(r) => Err(Failed::again(format!("{} answered {}", client.id, r.status))),
            Err(e) => Err(Failed::again(format!("{}: {e}", client.id))),
        }
    }
}
