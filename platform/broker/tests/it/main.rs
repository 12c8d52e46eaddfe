//! The API on both engines: the same requests, the same answers.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be read fails the test")]

mod doors;
mod entities;
mod past;
mod subs;

use axum::http::Method;
use kenroku_access::{Actor, ClientId, TenantTree};
use kenroku_http::test::Answer;
use kenroku_module::test::TestSite;
use kenroku_store::{Db, testing};
use kenroku_types::{MuniCode, Tenant};
use serde_json::Value;
use uuid::Uuid;

#[kenroku_store::test(&[kenroku_broker::MIGRATIONS])]
async fn every_statement_can_be_prepared(db: Db) {
    let own =
        |list: Vec<String>| list.into_iter().filter(|s| s.contains("platform/broker")).collect::<Vec<_>>();
    assert_eq!(own(testing::prepare_all(&db).await.unwrap()), Vec::<String>::new());
    assert_eq!(own(testing::without_tenant()), Vec::<String>::new());
}

fn nomi() -> Tenant {
    Tenant::of(MuniCode::new(17211).unwrap())
}

fn kaga() -> Tenant {
    Tenant::of(MuniCode::new(17206).unwrap())
}

/// A vendor's program with a key of this tenant.
fn client(tenant: Tenant, scopes: &[&str]) -> Actor {
    Actor::Client {
        id: ClientId::from_uuid(Uuid::from_u128(7)),
        tenant,
        scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
    }
}

async fn site(db: Db) -> TestSite {
    let tree = TenantTree::new([(nomi(), None), (kaga(), None)]).unwrap();
    TestSite::on(db, tree, [kenroku_broker::module()]).await
}

/// A program of Nomi that sends JSON.
struct Program {
    site: kenroku_http::test::TestApp,
    tenant: &'static str,
}

impl Program {
    fn of(site: &TestSite) -> Self {
        let actor = client(nomi(), &["broker.read", "broker.write"]);
        Program { site: site.acting(actor), tenant: "172111" }
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.with(method, path, body, &[("content-type", "application/json")]).await
    }

    async fn with(&self, method: Method, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let mut all = vec![("ngsild-tenant", self.tenant)];
        all.extend_from_slice(headers);
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.site.request(method, &format!("/ngsi-ld/v1/{path}"), &all, text.into()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.with(Method::GET, path, &Value::Null, &[]).await
    }

    async fn post(&self, path: &str, body: &Value) -> u16 {
        self.send(Method::POST, path, body).await.status.as_u16()
    }
}
