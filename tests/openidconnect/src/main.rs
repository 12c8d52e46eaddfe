//! The Rust crate openidconnect against a whole demo, as its users write it: discovery, authorization code with PKCE,
//! the checks of the ID token, userinfo, refresh with rotation, and signing out.
//!
//! **What it is.** One program, `kenroku-openidconnect BASE_URL`, that goes through it twice: as `demo-web` (ES256) and
//! as `demo-rs256`, a client of the algorithm that is the standard's default. It ends with 1 at the first thing that is
//! not as it should be.
//!
//! **What it is not.** No member of the workspace: the crate brings its own cryptography (rsa, p256, ed25519-dalek),
//! which nothing that we ship may contain. `cargo xtask openidconnect` builds it apart, starts a demo and runs it.

mod person;

use anyhow::{Context, Result, ensure};
use openidconnect::core::{CoreClient, CoreResponseType, CoreUserInfoClaims};
use openidconnect::{
    AccessTokenHash, AuthenticationFlow, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndSessionUrl,
    IssuerUrl, LogoutRequest, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PostLogoutRedirectUrl,
    ProviderMetadataWithLogout, RedirectUrl, Scope, TokenResponse,
};

use person::{Person, http};

const SECRET: &str = "kenroku-demo-2026";
const REDIRECT: &str = "http://127.0.0.1:18766/callback";
const AFTERWARDS: &str = "http://127.0.0.1:18766/";

fn main() -> Result<()> {
    let base = std::env::args().nth(1).context("give the address of a demo: http://127.0.0.1:8080")?;
    let base = base.trim_end_matches('/');
    for (client, alg) in [("demo-web", "ES256"), ("demo-rs256", "RS256")] {
        flow(base, client, alg).with_context(|| client.to_owned())?;
        println!("openidconnect 4.1: {client} ({alg}) from discovery to logout");
    }
    Ok(())
}

fn flow(base: &str, id: &str, alg: &str) -> Result<()> {
    let metadata = ProviderMetadataWithLogout::discover(&IssuerUrl::new(base.to_owned())?, &http)?;
    let end_session: EndSessionUrl =
        metadata.additional_metadata().end_session_endpoint.clone().context("no end_session_endpoint")?;
    let secret = Some(ClientSecret::new(SECRET.to_owned()));
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new(id.to_owned()), secret)
        .set_redirect_uri(RedirectUrl::new(REDIRECT.to_owned())?);

    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = client
        .authorize_url(
            AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
            CsrfToken::new_random,
            Nonce::new_random,
        )
        .add_scopes(["profile", "offline_access"].map(|s| Scope::new(s.to_owned())))
        .set_pkce_challenge(challenge)
        .url();

    let mut person = Person::new(base)?;
    let back = person.authorize(&url, "demo-satogaeri", SECRET)?;
    let given = |name: &str| back.query_pairs().find(|(k, _)| k == name).map(|(_, v)| v.into_owned());
    ensure!(given("state").as_ref() == Some(state.secret()), "another state came back: {back}");
    ensure!(given("iss").as_deref() == Some(base), "RFC 9207: {back}");
    let code = AuthorizationCode::new(given("code").with_context(|| format!("no code: {back}"))?);

    let tokens = client.exchange_code(code)?.set_pkce_verifier(verifier).request(&http)?;
    let id_token = tokens.id_token().context("no id_token")?;
    let own = client.id_token_verifier();
    let claims = id_token.claims(&own, &nonce)?;
    ensure!(format!("{:?}", id_token.signing_alg()?).to_uppercase().contains(match alg {
        "ES256" => "ECDSAP256SHA256",
        _ => "RSASSAPKCS1V15SHA256",
    }), "signed by {:?}", id_token.signing_alg()?);
    let hash = claims.access_token_hash().context("no at_hash")?;
    let found =
        AccessTokenHash::from_token(tokens.access_token(), id_token.signing_alg()?, id_token.signing_key(&own)?)?;
    ensure!(&found == hash, "at_hash");
    ensure!(id_token.claims(&own, &Nonce::new_random()).is_err(), "another nonce passes");

    let subject = Some(claims.subject().clone());
    let info: CoreUserInfoClaims = client.user_info(tokens.access_token().clone(), subject)?.request(&http)?;
    let name = info.name().and_then(|n| n.get(None)).map(|n| n.as_str().to_owned());
    ensure!(name.as_deref() == Some("模擬　里帰"), "userinfo says {name:?}");

    let refresh = tokens.refresh_token().context("no refresh_token")?;
    let renewed = client.exchange_refresh_token(refresh)?.request(&http)?;
    ensure!(renewed.refresh_token().is_some_and(|r| r.secret() != refresh.secret()), "no new refresh token");
    let again = client.exchange_refresh_token(refresh)?.request(&http);
    ensure!(again.is_err(), "a used refresh token passes");

    let logout = LogoutRequest::from(end_session)
        .set_id_token_hint(id_token)
        .set_post_logout_redirect_uri(PostLogoutRedirectUrl::new(AFTERWARDS.to_owned())?)
        .set_state(CsrfToken::new("bye".to_owned()))
        .http_get_url();
    let left = person.leave(&logout)?;
    ensure!(left.as_str() == format!("{AFTERWARDS}?state=bye"), "after signing out: {left}");
    Ok(())
}
