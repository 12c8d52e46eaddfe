//! The OpenID Provider: whoever has an いしかわID signs in to a service with it.
//!
//! **What it is.** The endpoints, their storage and the decisions between them. The protocol itself, everything that
//! needs no database, is platform/oidc. [`Provider`] holds the parts; [`routes`] lists the endpoints.
//!
//! **What it is not.** It signs nobody in: that is [`crate::session`]. It knows no attribute: it asks
//! [`crate::claims`] for what was agreed to.
//!
//! **Invariants.**
//! - Whatever may be used once (code, pushed request, assertion, proof, refresh token, interaction) is used up by one
//!   conditional statement, and before it is examined: of two requests at once one wins, in however many processes.
//! - A code or refresh token that comes a second time ends its grant, and with it everything that was issued for it.
//! - No secret, code or token is stored, only hashes; private keys are sealed under the key store.
//! - A client knows a person by the random subject of its sector, and a session by a name of its own.
//! - An attribute leaves only when it was asked for, allowed by the operator and agreed to by the person.
//!
//! **How to add one more.** A grant: a function in [`token`] beside the others, its name in `kenroku_oidc::client`.
//! A claim: [`crate::claims`], and its scope in `kenroku_oidc::claims`. An operation for services with a token, in any
//! module: a [`Demand`], and [`Holder`] as the handler's first argument.

mod acting;
mod answer;
mod authorize;
pub mod clients;
mod consent;
mod console;
mod contracts;
mod decide;
pub mod demo;
mod device;
pub(crate) mod grants;
pub mod holder;
pub mod keys;
mod logout;
mod provider;
mod published;
mod register;
mod resource;
mod signer;
mod sql;
mod token;
mod wellknown;
mod work;

use axum::http::Method;
use kenroku_contracts::signing::SignerPort;
use kenroku_http::{AppBuilder, Op, Routes};
use kenroku_module::{HookError, Kind, Setting, Values};
use kenroku_vault::Vault;

pub(crate) use authorize::{cancel_path, service_waiting};
pub use clients::{Client, NewClient, Policy, PublicKeys, Registered};
pub(crate) use consent::word as claim_word;
pub use grants::Agreement;
pub(crate) use grants::claims_of;
pub use holder::{Demand, Holder};
pub use keys::{ImportError, Imported};
pub use logout::{EndedSessions, Messenger, TellClient};
pub use provider::{Provider, Settings};
pub(crate) use wellknown::description;
pub use work::work;

/// The endpoints.
pub fn routes() -> Routes {
    let cors = |path: &str| Op::new(Method::OPTIONS, path, answer::preflight);
    Routes::new()
        .add(Op::new(Method::GET, "/.well-known/openid-configuration", wellknown::configuration))
        .add(Op::new(Method::GET, "/.well-known/oauth-authorization-server", wellknown::configuration))
        .add(Op::new(Method::GET, "/oidc/jwks", wellknown::jwks))
        .add(Op::new(Method::GET, "/oidc/authorize", authorize::get))
        .add(Op::new(Method::POST, "/oidc/authorize", authorize::post).cross_site())
        .add(Op::new(Method::GET, "/oidc/authorize/continue/{id}", authorize::resume))
        .add(Op::new(Method::GET, "/oidc/authorize/cancel/{id}", authorize::cancel))
        .add(Op::new(Method::GET, "/oidc/consent/{id}", consent::page))
        .add(Op::new(Method::POST, "/oidc/consent/{id}", consent::decide))
        .add(Op::new(Method::POST, "/oidc/par", token::push).cross_site())
        .add(cors("/oidc/par"))
        .add(Op::new(Method::POST, "/oidc/token", token::token).cross_site())
        .add(cors("/oidc/token"))
        .add(Op::new(Method::GET, "/oidc/userinfo", resource::userinfo))
        .add(Op::new(Method::POST, "/oidc/userinfo", resource::userinfo).cross_site())
        .add(cors("/oidc/userinfo"))
        .add(Op::new(Method::POST, "/oidc/introspect", resource::introspect).cross_site())
        .add(Op::new(Method::POST, "/oidc/revoke", resource::revoke).cross_site())
        .add(cors("/oidc/revoke"))
        .add(Op::new(Method::POST, "/oidc/device_authorization", device::begin).cross_site())
        .add(Op::new(Method::GET, "/oidc/device", device::page).rate(1.0, 20.0))
        .add(Op::new(Method::POST, "/oidc/device", device::decide).rate(1.0, 20.0))
        .add(Op::new(Method::GET, "/oidc/logout", logout::get))
        .add(Op::new(Method::POST, "/oidc/logout", logout::post).cross_site())
        .add(Op::new(Method::POST, "/oidc/logout/confirm", logout::confirm))
        .add(Op::new(Method::POST, "/oidc/register", register::register))
        .add(Op::new(Method::GET, "/oidc/form-post.js", answer::form_post_script))
        .add(Op::new(Method::GET, "/staff/identity/clients", console::list).staff())
        .add(Op::new(Method::POST, "/staff/identity/clients", console::register).staff())
        .add(Op::new(Method::POST, "/staff/identity/clients/state", console::set_state).staff())
        .add(Op::new(Method::POST, "/staff/identity/clients/jwks", console::replace_client_keys).staff())
        .add(Op::new(Method::POST, "/staff/identity/clients/contract", console::set_contract).staff())
        .add(Op::new(Method::POST, "/staff/identity/clients/keys", console::replace_keys).staff())
        .add(Op::new(Method::POST, "/staff/identity/clients/import", console::import_key).staff())
}

/// Puts the provider into the app.
pub(crate) async fn start(builder: &mut AppBuilder, values: &Values, origin: &str) -> Result<(), HookError> {
    let vault = builder.get::<Vault>().map_err(|e| e.0)?;
    let settings = Settings {
        issuer: origin.trim_end_matches('/').to_owned(),
        access: values.span("identity.token_life")?,
        refresh: values.span("identity.refresh_life")?,
        rotation: values.span("identity.key_life")?,
        dpop_nonce: true,
        local_http: values.bool("identity.local_clients")?,
    };
    let (db, env) = (builder.db().clone(), builder.env().clone());
    let provider = Provider::start(db, env, (*vault).clone(), settings).await?;
    builder.put(SignerPort(std::sync::Arc::new(provider.clone())));
    builder.put(provider);
    Ok(())
}

/// The provider's settings.
pub(crate) const SETTINGS: [Setting; 4] = [
    Setting {
        key: "identity.token_life",
        kind: Kind::Span,
        default: "10m",
        demo: None,
        about: "How long an access token of the OpenID Provider is valid. A revoked one is refused at once here, and elsewhere after this time at the latest.",
    },
    Setting {
        key: "identity.refresh_life",
        kind: Kind::Span,
        default: "30d",
        demo: None,
        about: "How long a refresh token may lie unused. Each use gives a new one.",
    },
    Setting {
        key: "identity.key_life",
        kind: Kind::Span,
        default: "90d",
        demo: None,
        about: "How long a signing key signs. The next one is published a day before it does.",
    },
    Setting {
        key: "identity.local_clients",
        kind: Kind::Bool,
        default: "false",
        demo: Some("true"),
        about: "Whether services may register redirect addresses with plain HTTP on this machine: for development only.",
    },
];
