//! The operations below `/ngsi-ld/v1`.

mod attrs;
mod batch;
mod contexts;
mod discovery;
mod entities;
mod info;
pub(crate) mod query;
mod show;
mod subscriptions;
mod temporal;

use axum::handler::Handler;
use axum::http::Method;
use kenroku_http::routes::Guarded;
use kenroku_http::{App, Op, Routes};

/// Largest body of a single operation, in bytes.
const BODY: usize = 2 * 1024 * 1024;
/// Largest body of a batch, in bytes.
const BATCH_BODY: usize = 20 * 1024 * 1024;

/// An operation at its address, and at the same with a slash behind it, which clients in the field use.
fn both<H, T>(routes: Routes, method: Method, path: &str, body: usize, handler: H) -> Routes
where
    H: Handler<T, App>,
    T: Guarded + 'static,
{
    let at = |p: String, h: H| Op::new(method.clone(), &p, h).body_limit(body).cross_site();
    routes
        .add(at(format!("/ngsi-ld/v1/{path}"), handler.clone()))
        .add(at(format!("/ngsi-ld/v1/{path}/"), handler))
}

/// All operations.
pub fn routes() -> Routes {
    let r = Routes::new();
    let r = both(r, Method::POST, "entities", BODY, entities::create);
    let r = both(r, Method::GET, "entities", BODY, query::query);
    let r = both(r, Method::DELETE, "entities", BODY, entities::purge);
    let r = both(r, Method::PUT, "entities", BODY, entities::incomplete);
    let r = both(r, Method::PATCH, "entities", BODY, entities::incomplete);
    let r = both(r, Method::GET, "entities/{id}", BODY, query::retrieve);
    let r = both(r, Method::DELETE, "entities/{id}", BODY, entities::delete);
    let r = both(r, Method::PUT, "entities/{id}", BODY, entities::replace);
    let r = both(r, Method::PATCH, "entities/{id}", BODY, entities::merge);
    let r = both(r, Method::POST, "entities/{id}/attrs", BODY, attrs::append);
    let r = both(r, Method::PATCH, "entities/{id}/attrs", BODY, attrs::update);
    let r = both(r, Method::PATCH, "entities/{id}/attrs/{attr}", BODY, attrs::partial);
    let r = both(r, Method::PUT, "entities/{id}/attrs/{attr}", BODY, attrs::replace);
    let r = both(r, Method::DELETE, "entities/{id}/attrs/{attr}", BODY, attrs::delete);
    let r = both(r, Method::POST, "entityOperations/create", BATCH_BODY, batch::create);
    let r = both(r, Method::POST, "entityOperations/upsert", BATCH_BODY, batch::upsert);
    let r = both(r, Method::POST, "entityOperations/update", BATCH_BODY, batch::update);
    let r = both(r, Method::POST, "entityOperations/delete", BATCH_BODY, batch::delete);
    let r = both(r, Method::POST, "entityOperations/merge", BATCH_BODY, batch::merge);
    let r = both(r, Method::POST, "entityOperations/query", BODY, query::by_post);
    let r = both(r, Method::GET, "types", BODY, discovery::types);
    let r = both(r, Method::GET, "types/{type}", BODY, discovery::one_type);
    let r = both(r, Method::GET, "attributes", BODY, discovery::attributes);
    let r = both(r, Method::GET, "attributes/{attr}", BODY, discovery::one_attribute);
    let r = both(r, Method::POST, "jsonldContexts", BODY, contexts::add);
    let r = both(r, Method::GET, "jsonldContexts", BODY, contexts::list);
    let r = r
        .add(Op::new(Method::GET, "/ngsi-ld/v1/jsonldContexts/{*id}", contexts::serve).cross_site())
        .add(Op::new(Method::DELETE, "/ngsi-ld/v1/jsonldContexts/{*id}", contexts::delete).cross_site());
    let r = both(r, Method::POST, "temporal/entities", BATCH_BODY, temporal::create);
    let r = both(r, Method::GET, "temporal/entities", BODY, temporal::query);
    let r = both(r, Method::GET, "temporal/entities/{id}", BODY, temporal::retrieve);
    let r = both(r, Method::DELETE, "temporal/entities/{id}", BODY, temporal::delete);
    let r = both(r, Method::POST, "temporal/entities/{id}/attrs", BATCH_BODY, temporal::append);
    let r = both(r, Method::PATCH, "temporal/entities/{id}/attrs", BODY, entities::incomplete);
    let r = both(r, Method::PATCH, "temporal/entities/{id}/attrs/{attr}", BODY, entities::incomplete);
    let r = both(r, Method::DELETE, "temporal/entities/{id}/attrs/{attr}", BODY, temporal::delete_attr);
    let r = both(
        r,
        Method::PATCH,
        "temporal/entities/{id}/attrs/{attr}/{instance}",
        BODY,
        temporal::change_instance,
    );
    let r = both(
        r,
        Method::DELETE,
        "temporal/entities/{id}/attrs/{attr}/{instance}",
        BODY,
        temporal::delete_instance,
    );
    let r = both(r, Method::POST, "temporal/entityOperations/query", BODY, temporal::by_post);
    let r = both(r, Method::POST, "subscriptions", BODY, subscriptions::create);
    let r = both(r, Method::GET, "subscriptions", BODY, subscriptions::query);
    let r = both(r, Method::GET, "subscriptions/{id}", BODY, subscriptions::retrieve);
    let r = both(r, Method::PATCH, "subscriptions/{id}", BODY, subscriptions::update);
    let r = both(r, Method::DELETE, "subscriptions/{id}", BODY, subscriptions::delete);
    let r = both(r, Method::GET, "info/sourceIdentity", BODY, info::identity);
    both(r, Method::GET, "info/conformance", BODY, info::conformance)
}
