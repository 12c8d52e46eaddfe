//! The token endpoint, and pushed authorization requests.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use kenroku_http::Public;
use kenroku_oidc::authorize::PAR_PREFIX;
use kenroku_oidc::client::{AUTHORIZATION_CODE, CLIENT_CREDENTIALS, DEVICE_CODE, REFRESH_TOKEN};
use kenroku_oidc::jwk::Alg;
use kenroku_oidc::token::{
    ACCESS_TOKEN_TYPE, AccessToken, Confirmation, ID_TOKEN_TYPE, IdToken, TokenAnswer, at_hash,
};
use kenroku_oidc::{Code, Scopes, pkce, sha256};
use kenroku_store::Tx;
use serde::Deserialize;
use serde_json::json;

use super::answer::{Outcome, json as json_answer, refused};
use super::authorize;
use super::clients::Client;
use super::grants::{GrantedClaims, sid_for};
use super::provider::{Call, missing};
use super::sql::{self, GrantId, GrantRow};
use crate::Identity;

/// How long a pushed request may wait for the browser (RFC 9126 §2.2: 5 to 600 s).
const PUSHED_LIFE: Duration = Duration::from_secs(90);

/// POST /oidc/token
pub(super) async fn token(_: Public, call: Call) -> Response {
    let outcome = async {
        let client = call.client().await?;
        let grant = call.params.need("grant_type")?;
        if ![AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS, DEVICE_CODE].contains(&grant) {
            return Err(refused(Code::UnsupportedGrantType, "this grant_type does not exist here"));
        }
        if !client.metadata.may(grant) {
            return Err(refused(Code::UnauthorizedClient, "this client may not use that grant_type"));
        }
        let jkt = call.proof(None).await?.map(|p| p.thumbprint);
        if client.metadata.dpop_bound_access_tokens && jkt.is_none() {
            return Err(refused(Code::InvalidDpopProof, "this client sends a DPoP proof with every request"));
        }
        let asked = Asked { call: &call, client: &client, jkt };
        let answer = match grant {
            AUTHORIZATION_CODE => asked.code().await?,
            REFRESH_TOKEN => asked.refresh().await?,
            CLIENT_CREDENTIALS => asked.for_itself().await?,
            _ => asked.device().await?,
        };
        Ok(json_answer(StatusCode::OK, &answer))
    };
    call.answer(outcome.await)
}

/// A request for tokens by a client that proved who it is.
struct Asked<'a> {
    call: &'a Call,
    client: &'a Client,
    /// Thumbprint of the key that the tokens are bound to.
    jkt: Option<String>,
}

/// A grant that gives tokens, with the next refresh token.
struct Held {
    grant: GrantRow,
    refresh: Option<String>,
}

/// What a code keeps of its request.
#[derive(Deserialize)]
struct OfCode {
    redirect_uri: String,
    code_challenge: Option<String>,
    nonce: Option<String>,
    dpop_jkt: Option<String>,
}

impl Asked<'_> {
    /// RFC 6749 §4.1.3
    async fn code(&self) -> Outcome<TokenAnswer> {
        let (op, params) = (&self.call.op, &self.call.params);
        let hash = sha256(params.need("code")?.as_bytes());
        let now = op.env.now();
        let mut tx = op.db.begin().await?;
        let Some((grant, request)) = sql::use_code(&mut tx, &hash, &self.client.id, now).await? else {
            // RFC 6749 §4.1.2: a code that comes twice was stolen; everything it gave ends.
            if let Some(grant) = sql::grant_of_used_code(&mut tx, &hash, &self.client.id).await? {
                sql::end_grant(&mut tx, grant, "code-replayed", now).await?;
                tracing::warn!(client = %self.client.id, "a code came twice; its grant was ended");
            }
            tx.commit().await?;
            return Err(refused(Code::InvalidGrant, "the code is unknown, used or too old"));
        };
        let request: OfCode = serde_json::from_value(request)?;
        let checked = self.check_code(&request);
        // Used up whatever is wrong: a thief gets one attempt.
        let held = self.hold(tx, grant, checked).await?;
        self.for_person(held, None, request.nonce.as_deref()).await
    }

    fn check_code(&self, request: &OfCode) -> Outcome<()> {
        let params = &self.call.params;
        if params.get("redirect_uri") != Some(request.redirect_uri.as_str()) {
            return Err(refused(Code::InvalidGrant, "redirect_uri is not that of the request"));
        }
        pkce::check_verifier(request.code_challenge.as_deref(), params.get("code_verifier"))?;
        if request.dpop_jkt.is_some() && request.dpop_jkt != self.jkt {
            return Err(refused(Code::InvalidGrant, "the code is bound to another DPoP key"));
        }
        Ok(())
    }

    /// RFC 6749 §6, RFC 9700 §4.14.2
    async fn refresh(&self) -> Outcome<TokenAnswer> {
        let (op, params) = (&self.call.op, &self.call.params);
        let hash = sha256(params.need("refresh_token")?.as_bytes());
        let now = op.env.now();
        let narrower = params.get("scope").map(Scopes::parse).transpose()?;
        let mut tx = op.db.begin().await?;
        let Some((grant, jkt)) = sql::use_refresh(&mut tx, &hash, &self.client.id, now).await? else {
            // One of two holders is a thief, and it cannot be told which: the family ends.
            let known = sql::refresh(&mut tx, &hash).await?;
            if let Some((grant, client, Some(_), _)) = known
                && client == self.client.id
            {
                sql::end_grant(&mut tx, grant, "refresh-reused", now).await?;
                tracing::warn!(client = %self.client.id, "a refresh token came twice; its grant was ended");
            }
            tx.commit().await?;
            return Err(refused(Code::InvalidGrant, "the refresh token is unknown, used or too old"));
        };
        let checked = if jkt.is_some() && jkt != self.jkt {
            Err(refused(Code::InvalidGrant, "the refresh token is bound to another DPoP key"))
        } else {
            Ok(())
        };
        let held = self.hold(tx, grant, checked).await?;
        if narrower.as_ref().is_some_and(|n| !n.is_within(&held.grant.scopes())) {
            return Err(refused(Code::InvalidScope, "a refresh cannot add a scope"));
        }
        // Core §12.2: the new ID token has no nonce of its own.
        self.for_person(held, narrower, None).await
    }

    /// RFC 8628 §3.4–3.5
    async fn device(&self) -> Outcome<TokenAnswer> {
        let op = &self.call.op;
        let hash = sha256(self.call.params.need("device_code")?.as_bytes());
        let now = op.env.now();
        let mut tx = op.db.begin().await?;
        let Some(device) = sql::device(&mut tx, &hash, &self.client.id).await? else {
            tx.rollback().await?;
            return Err(refused(Code::InvalidGrant, "the device_code is unknown"));
        };
        sql::polled(&mut tx, &hash, now).await?;
        let won = device.state == "allowed" && sql::use_device(&mut tx, &hash).await?;
        if won && device.expires_at > now {
            let grant = device.grant.ok_or_else(|| missing("the grant of a device"))?;
            let held = self.hold(tx, grant, Ok(())).await?;
            return self.for_person(held, None, None).await;
        }
        tx.commit().await?;
        if device.expires_at <= now {
            return Err(refused(Code::ExpiredToken, "the device_code is too old; begin again"));
        }
        match device.state.as_str() {
            "waiting" => {
                let early = device.polled_at.is_some_and(|t| t.plus(super::device::INTERVAL) > now);
                let code = if early { Code::SlowDown } else { Code::AuthorizationPending };
                Err(refused(code, "the person has not decided yet"))
            }
            "denied" => Err(refused(Code::AccessDenied, "the person did not agree")),
            _ => Err(refused(Code::InvalidGrant, "the device_code was used")),
        }
    }

    /// RFC 6749 §4.4
    async fn for_itself(&self) -> Outcome<TokenAnswer> {
        let op = &self.call.op;
        let allowed = self.client.policy.scopes.iter().filter(|s| !op.scopes.has(s)).collect::<Vec<_>>();
        let allowed = Scopes::parse(&allowed.join(" "))?;
        let scope = match self.call.params.get("scope") {
            None => allowed,
            Some(text) => {
                let asked = Scopes::parse(text)?;
                if !asked.is_within(&allowed) {
                    return Err(refused(Code::InvalidScope, "the operator has not allowed this scope"));
                }
                asked
            }
        };
        let access_token = self.access_token(&self.client.id, &scope, None).await?;
        Ok(self.answer(access_token, scope))
    }

    /// Ends the transaction that used something up. When the request was good and the grant has not ended, the next
    /// refresh token is stored with it: one durable commit for one redemption.
    async fn hold(&self, mut tx: Tx, id: GrantId, checked: Outcome<()>) -> Outcome<Held> {
        let op = &self.call.op;
        let now = op.env.now();
        let grant = sql::grant(&mut tx, id, now).await?.filter(GrantRow::lives);
        let found =
            checked.and_then(|()| grant.ok_or_else(|| refused(Code::InvalidGrant, "the grant has ended")));
        let mut refresh = None;
        if let Ok(grant) = &found
            && self.client.metadata.may(REFRESH_TOKEN)
        {
            let fresh = op.secret();
            // RFC 9449 §5: a public client's refresh tokens are bound to its key.
            let jkt = self.jkt.as_deref().filter(|_| !self.client.metadata.is_confidential());
            let until = now.plus(op.settings.refresh);
            sql::add_refresh(&mut tx, &sha256(fresh.as_bytes()), grant, jkt, until).await?;
            refresh = Some(fresh);
        }
        tx.commit().await?;
        Ok(Held { grant: found?, refresh })
    }

    async fn access_token(&self, subject: &str, scope: &Scopes, grant: Option<&GrantRow>) -> Outcome<String> {
        let op = &self.call.op;
        let ring = op.ring().await?;
        let key = ring.must_sign(Alg::Es256)?;
        let now = op.env.now();
        let cnf = self.jkt.clone().map(|jkt| Confirmation { jkt });
        let gid = grant.map(|g| g.id.to_string());
        let claims = AccessToken {
            iss: &self.call.issuer,
            sub: subject,
            aud: &self.call.issuer,
            client_id: &self.client.id,
            scope,
            jti: &op.env.uuid().simple().to_string(),
            iat: now,
            exp: now.plus(op.settings.access),
            auth_time: grant.map(|g| g.auth_time),
            acr: grant.map(|g| g.acr.as_str()).filter(|a| !a.is_empty()),
            cnf: cnf.as_ref(),
            gid: gid.as_deref(),
            act: grant.and_then(GrantRow::act),
        };
        Ok(key.sign(ACCESS_TOKEN_TYPE, &claims)?)
    }

    fn answer(&self, access_token: String, scope: Scopes) -> TokenAnswer {
        TokenAnswer {
            access_token,
            token_type: if self.jkt.is_some() { "DPoP" } else { "Bearer" },
            expires_in: self.call.op.settings.access.as_secs(),
            refresh_token: None,
            id_token: None,
            scope,
        }
    }

    async fn for_person(
        &self,
        held: Held,
        narrower: Option<Scopes>,
        nonce: Option<&str>,
    ) -> Outcome<TokenAnswer> {
        let grant = &held.grant;
        let scope = narrower.unwrap_or_else(|| grant.scopes());
        let access_token = self.access_token(&grant.subject, &scope, Some(grant)).await?;
        let mut answer = self.answer(access_token, scope);
        if answer.scope.has("openid") {
            answer.id_token = Some(self.id_token(grant, nonce, &answer.access_token).await?);
        }
        answer.refresh_token = held.refresh;
        Ok(answer)
    }

    async fn id_token(&self, grant: &GrantRow, nonce: Option<&str>, access_token: &str) -> Outcome<String> {
        let op = &self.call.op;
        let ring = op.ring().await?;
        let alg = self.client.metadata.id_token_alg();
        let key = ring.must_sign(alg)?;
        let claims: GrantedClaims = serde_json::from_value(grant.claims.clone())?;
        let identity = self.call.app.get::<Identity>()?;
        let attributes = op.release(&identity, grant, &claims.id_token).await?;
        let now = op.env.now();
        let amr: Vec<String> = grant.amr.split_whitespace().map(ToOwned::to_owned).collect();
        let sid = grant.sid.map(|s| sid_for(&grant.client, s));
        let claims = IdToken {
            iss: &self.call.issuer,
            sub: &grant.subject,
            aud: &grant.client,
            iat: now,
            exp: now.plus(op.settings.access),
            auth_time: grant.auth_time,
            nonce,
            acr: Some(grant.acr.as_str()).filter(|a| !a.is_empty()),
            amr: &amr,
            sid: sid.as_deref(),
            at_hash: Some(&at_hash(alg, access_token)),
            act: grant.act(),
            attributes,
        };
        Ok(key.sign(ID_TOKEN_TYPE, &claims)?)
    }
}

/// POST /oidc/par (RFC 9126)
pub(super) async fn push(_: Public, call: Call) -> Response {
    let outcome = async {
        let client = call.client().await?;
        if call.params.get("request_uri").is_some() {
            return Err(refused(Code::InvalidRequest, "a pushed request has no request_uri"));
        }
        let mut params = call.params.clone();
        for secret in ["client_secret", "client_assertion", "client_assertion_type"] {
            params.remove(secret);
        }
        let mut stored: std::collections::BTreeMap<String, String> =
            params.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        stored.insert("client_id".to_owned(), client.id.clone());
        if let Some(proof) = call.proof(None).await? {
            // RFC 9449 §10.1: a proof here binds the code like dpop_jkt.
            let before = stored.insert("dpop_jkt".to_owned(), proof.thumbprint.clone());
            if before.is_some_and(|jkt| jkt != proof.thumbprint) {
                return Err(refused(Code::InvalidDpopProof, "dpop_jkt is another key than the proof's"));
            }
        }
        let params = kenroku_oidc::Params::from_iter(stored.clone());
        authorize::check(&call.op, &client, &params, true).map_err(|r| r.error().clone())?;
        let op = &call.op;
        let id = op.secret();
        let until = op.env.now().plus(PUSHED_LIFE);
        let mut tx = op.db.begin().await?;
        sql::add_pushed(&mut tx, &sha256(id.as_bytes()), &client.id, &serde_json::to_value(&stored)?, until)
            .await?;
        tx.commit().await?;
        let answer =
            json!({ "request_uri": format!("{PAR_PREFIX}{id}"), "expires_in": PUSHED_LIFE.as_secs() });
        Ok(json_answer(StatusCode::CREATED, &answer))
    };
    call.answer(outcome.await)
}
