//! What access tokens are good for here: userinfo (Core §5.3); and what clients may do with tokens: ask about them
//! (RFC 7662) and revoke them (RFC 7009).

use std::time::Duration;

use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use kenroku_access::Assurance;
use kenroku_http::Public;
use kenroku_oidc::jws::{Claims, Unverified};
use kenroku_oidc::token::ACCESS_TOKEN_TYPE;
use kenroku_oidc::{Code, OAuthError, Scopes, sha256};
use kenroku_types::Timestamp;
use serde_json::{Map, Value, json};

use super::answer::{Fault, Outcome, json as json_answer, refused};
use super::grants::GrantedClaims;
use super::provider::{Call, Provider, assurance};
use super::sql::{self, GrantId, GrantRow};
use crate::Identity;

/// An access token that is valid now.
pub(super) struct Valid {
    pub claims: Claims,
    /// The grant it stems from; `None` for a client's own token.
    pub grant: Option<GrantRow>,
}

impl Valid {
    pub(super) fn scope(&self) -> Scopes {
        self.claims.text("scope").and_then(|s| Scopes::parse(s).ok()).unwrap_or_default()
    }

    fn jkt(&self) -> Option<&str> {
        self.claims.get("cnf")?.get("jkt")?.as_str()
    }

    /// Whether the sign-in behind it is sure and young enough for a resource (RFC 9470 §3).
    ///
    /// # Errors
    /// `insufficient_user_authentication`.
    pub(super) fn reaches(&self, need: Assurance, max_age: Option<Duration>, now: Timestamp) -> Outcome<()> {
        let has = self.claims.text("acr").and_then(assurance).unwrap_or_default();
        let young = match (max_age, self.claims.time("auth_time")) {
            (None, _) => true,
            (Some(most), Some(at)) => at.plus(most) >= now,
            (Some(_), None) => false,
        };
        if has >= need && young {
            return Ok(());
        }
        Err(refused(Code::InsufficientUserAuthentication, "a surer or younger sign-in is needed"))
    }
}

fn invalid() -> Fault {
    refused(Code::InvalidToken, "the access token is not valid")
}

impl Provider {
    /// Checks an access token of ours (RFC 9068 §4): signature, type, issuer, audience, time, revocation, grant.
    pub(super) async fn valid(&self, token: &str, issuer: &str) -> Outcome<Valid> {
        let ring = self.ring().await?;
        let read = Unverified::parse(token).map_err(|_| invalid())?;
        read.expect_type(ACCESS_TOKEN_TYPE).map_err(|_| invalid())?;
        let claims = read.verify_with(ring.public()).map_err(|_| invalid())?;
        let now = self.env.now();
        let ours = claims.text("iss") == Some(issuer) && claims.audiences().contains(&issuer);
        if !ours || claims.time("exp").is_none_or(|t| t <= now) {
            return Err(invalid());
        }
        let jti = claims.text("jti").ok_or_else(invalid)?;
        let client = claims.text("client_id").ok_or_else(invalid)?;
        let client = self.client(client).await?.filter(|c| c.is_active(now));
        let mut tx = self.db.read().await?;
        if client.is_none() || sql::is_once(&mut tx, "revoked", &sha256(jti.as_bytes())).await? {
            return Err(invalid());
        }
        let grant = match claims.text("gid") {
            None => None,
            Some(id) => {
                let id: GrantId = id.parse().map_err(|_| invalid())?;
                let grant = sql::grant(&mut tx, id, now).await?.filter(GrantRow::lives);
                Some(grant.ok_or_else(invalid)?)
            }
        };
        Ok(Valid { claims, grant })
    }
}

impl Call {
    /// The access token of the request, checked, with its proof where it is bound to a key.
    pub(super) async fn token(&self) -> Outcome<Valid> {
        let (token, scheme) = shown(self)?;
        let valid = self.op.valid(token, &self.issuer).await?;
        match (valid.jkt(), scheme) {
            (None, "Bearer") => {}
            (Some(jkt), "DPoP") => {
                let proof = self.proof(Some(token)).await?;
                if proof.is_none_or(|p| p.thumbprint != jkt) {
                    return Err(refused(Code::InvalidToken, "the token is bound to another key"));
                }
            }
            // RFC 9449 §7.2: a bound token must not pass as a bearer token.
            _ => return Err(refused(Code::InvalidToken, "the token does not fit the scheme")),
        }
        Ok(valid)
    }
}

/// The token of a request, with the way it came (RFC 6750 §2, RFC 9449 §7.1).
fn shown(call: &Call) -> Outcome<(&str, &'static str)> {
    let post = call.parts.method == axum::http::Method::POST;
    let header = call.parts.headers.get("authorization").and_then(|v| v.to_str().ok());
    match (header, call.params.get("access_token").filter(|_| post)) {
        (Some(_), Some(_)) => Err(refused(Code::InvalidRequest, "the access token came in two ways")),
        (None, Some(token)) => Ok((token, "Bearer")),
        (Some(value), None) => match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok((token.trim(), "Bearer")),
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("dpop") => Ok((token.trim(), "DPoP")),
            _ => Err(refused(Code::InvalidRequest, "the Authorization header is not Bearer or DPoP")),
        },
        (None, None) => Err(refused(Code::InvalidToken, "an access token is needed")),
    }
}

/// GET and POST /oidc/userinfo
pub(super) async fn userinfo(_: Public, call: Call) -> Response {
    let outcome = async {
        let valid = call.token().await?;
        let Some(grant) = valid.grant.as_ref().filter(|_| valid.scope().has("openid")) else {
            return Err(refused(Code::InsufficientScope, "the scope openid is needed"));
        };
        valid.reaches(Assurance::None, None, call.op.env.now())?;
        let claims: GrantedClaims = serde_json::from_value(grant.claims.clone())?;
        let identity = call.app.get::<Identity>()?;
        let mut out = Map::new();
        out.insert("sub".to_owned(), Value::from(grant.subject.clone()));
        if let Some(act) = grant.act() {
            out.insert("act".to_owned(), json!(act));
        }
        out.extend(call.op.release(&identity, grant, &claims.userinfo).await?);
        Ok(json_answer(StatusCode::OK, &out))
    };
    let outcome = match outcome.await {
        Err(Fault::OAuth(e)) => Ok(challenge(&e, &[])),
        other => other,
    };
    call.answer(outcome)
}

/// How a protected resource refuses (RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3), with further parameters.
pub(super) fn challenge(e: &OAuthError, more: &[(&str, String)]) -> Response {
    let status = match e.code {
        Code::InvalidRequest => 400,
        Code::InsufficientScope => 403,
        _ => 401,
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::UNAUTHORIZED);
    let mut response = (status, json_answer(status, &e.body())).into_response();
    let more: String = more.iter().map(|(name, value)| format!(", {name}=\"{value}\"")).collect();
    let bearer = format!("{}{more}", e.challenge("Bearer"));
    let dpop = format!("{}{more}, algs=\"ES256 EdDSA RS256\"", e.challenge("DPoP"));
    for text in [bearer, dpop] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().append(WWW_AUTHENTICATE, value);
        }
    }
    response
}

/// POST /oidc/introspect (RFC 7662). Only for clients that authenticate; about tokens of their own, or of all when
/// they serve an API.
pub(super) async fn introspect(_: Public, call: Call) -> Response {
    let outcome = async {
        let client = call.client().await?;
        if !client.metadata.is_confidential() {
            return Err(refused(Code::InvalidClient, "introspection is for clients that authenticate"));
        }
        let token = call.params.need("token")?;
        let may = |owner: &str| client.policy.introspects || owner == client.id;
        let answer = match about_access(&call, token).await? {
            Some(answer) => Some(answer),
            None => about_refresh(&call, token).await?,
        };
        // RFC 7662 §2.2: about a token that is not theirs nothing is told.
        let answer = answer
            .filter(|a| a.get("client_id").and_then(Value::as_str).is_some_and(may))
            .unwrap_or_else(|| Map::from_iter([("active".to_owned(), json!(false))]));
        Ok(json_answer(StatusCode::OK, &answer))
    };
    call.answer(outcome.await)
}

async fn about_access(call: &Call, token: &str) -> Outcome<Option<Map<String, Value>>> {
    match call.op.valid(token, &call.issuer).await {
        Ok(valid) => {
            let kind = if valid.jkt().is_some() { "DPoP" } else { "Bearer" };
            let mut answer = valid.claims.into_map();
            answer.remove("gid");
            answer.insert("active".to_owned(), json!(true));
            answer.insert("token_type".to_owned(), json!(kind));
            Ok(Some(answer))
        }
        Err(Fault::OAuth(_)) => Ok(None),
        Err(e) => Err(e),
    }
}

async fn about_refresh(call: &Call, token: &str) -> Outcome<Option<Map<String, Value>>> {
    let now = call.op.env.now();
    let mut tx = call.op.db.read().await?;
    let Some((grant, client, used, until)) = sql::refresh(&mut tx, &sha256(token.as_bytes())).await? else {
        return Ok(None);
    };
    let grant = sql::grant(&mut tx, grant, now).await?.filter(GrantRow::lives);
    let Some(grant) = grant.filter(|_| used.is_none() && until > now) else { return Ok(None) };
    let mut answer = json!({
        "active": true,
        "client_id": client,
        "sub": grant.subject,
        "scope": grant.scope,
        "exp": until.secs(),
        "iss": call.issuer,
    });
    if let Some(act) = grant.act() {
        answer["act"] = json!(act);
    }
    Ok(answer.as_object().cloned())
}

/// POST /oidc/revoke (RFC 7009). Unknown tokens are no error (§2.2).
pub(super) async fn revoke(_: Public, call: Call) -> Response {
    let outcome = async {
        let client = call.client().await?;
        let token = call.params.need("token")?;
        let now = call.op.env.now();
        match call.op.valid(token, &call.issuer).await {
            Ok(valid) if valid.claims.text("client_id") == Some(&client.id) => {
                let (jti, until) = (valid.claims.text("jti").unwrap_or(""), valid.claims.time("exp"));
                let mut tx = call.op.db.begin().await?;
                sql::add_once(&mut tx, "revoked", &sha256(jti.as_bytes()), until.unwrap_or(now)).await?;
                tx.commit().await?;
            }
            Ok(_) | Err(Fault::OAuth(_)) => {
                let mut tx = call.op.db.begin().await?;
                let found = sql::refresh(&mut tx, &sha256(token.as_bytes())).await?;
                if let Some((grant, owner, _, _)) = found
                    && owner == client.id
                {
                    // §2.1: with the refresh token everything that it could give.
                    sql::end_grant(&mut tx, grant, "revoked", now).await?;
                }
                tx.commit().await?;
            }
            Err(e) => return Err(e),
        }
        Ok(json_answer(StatusCode::OK, &json!({})))
    };
    call.answer(outcome.await)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kenroku_oidc::jwk::Alg;
    use kenroku_oidc::jws::SigningKey;

    /// RFC 9470 §3
    #[test]
    fn a_resource_asks_for_a_surer_or_younger_sign_in() {
        let (_, key) = SigningKey::generate(Alg::EdDsa).unwrap();
        let now = Timestamp::from_secs(1_768_350_600);
        let with = |claims: Value| {
            let token = key.sign("at+jwt", &claims).unwrap();
            Valid { claims: Unverified::parse(&token).unwrap().verify(key.public()).unwrap(), grant: None }
        };
        let t = with(json!({ "acr": "urn:ishikawa:passkey", "auth_time": now.secs() - 60 }));
        let minute = Some(Duration::from_secs(60));
        assert!(t.reaches(Assurance::Passkey, minute, now).is_ok());
        for (need, age) in
            [(Assurance::JpkiAuth, minute), (Assurance::Passkey, Some(Duration::from_secs(59)))]
        {
            match t.reaches(need, age, now) {
                Err(Fault::OAuth(e)) => assert_eq!(e.code, Code::InsufficientUserAuthentication),
                other => panic!("{other:?}"),
            }
        }
        assert!(with(json!({})).reaches(Assurance::Password, None, now).is_err());
    }
}
