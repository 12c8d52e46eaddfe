//! A prefecture and two of its municipalities, and directories with keys of several reach.

use axum::body::Body;
use axum::http::Method;
use kenroku_access::accounts::{Accounts, KeyHolder, NewKey};
use kenroku_access::kernel::{ManageKeys, ProvisionOverseers, ProvisionStaff, ViewMatrix};
use kenroku_access::{Granted, Permission as _, PermissionMeta, TenantTree};
use kenroku_http::test::Answer;
use kenroku_module::test::TestSite;
use kenroku_store::Db;
use kenroku_types::{MuniCode, Tenant};
use serde_json::Value;

pub fn of(code: u32) -> Tenant {
    Tenant::of(MuniCode::new(code).unwrap())
}

pub struct World {
    pub site: TestSite,
}

/// A directory with its key.
pub struct Directory<'w> {
    site: &'w TestSite,
    key: String,
}

impl World {
    pub async fn new(db: Db) -> World {
        let (pref, nomi, kaga) = (of(17000), of(17211), of(17206));
        let tree = TenantTree::new([(pref, None), (nomi, Some(pref)), (kaga, Some(pref))]).unwrap();
        World { site: TestSite::on(db, tree, [kenroku_scim::module()]).await }
    }

    pub fn accounts(&self) -> std::sync::Arc<Accounts> {
        self.site.app().get::<Accounts>().unwrap()
    }

    async fn key(&self, tenant: Tenant, scopes: &[PermissionMeta]) -> Directory<'_> {
        let by: Granted<ManageKeys> = Granted::for_system("test", tenant);
        let holder = KeyHolder::Client(self.site.app().env().id());
        let new = NewKey { holder, scopes, label: "directory", expires: None };
        let key = self.accounts().issue_key(&by, &new).await.unwrap().secret;
        Directory { site: &self.site, key }
    }

    /// The usual key of a municipality.
    pub async fn directory(&self, code: u32) -> Directory<'_> {
        self.key(of(code), &[ProvisionStaff::META]).await
    }

    /// One that may also give the roles that watch over others.
    pub async fn full(&self, code: u32) -> Directory<'_> {
        self.key(of(code), &[ProvisionStaff::META, ProvisionOverseers::META]).await
    }

    /// A key for something else.
    pub async fn other(&self, code: u32) -> Directory<'_> {
        self.key(of(code), &[ViewMatrix::META]).await
    }
}

impl Directory<'_> {
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        self.site.app().env().clock.advance(std::time::Duration::from_millis(5));
        let bearer = format!("Bearer {}", self.key);
        let own = [("authorization", bearer.as_str()), ("content-type", "application/scim+json")];
        let headers = [headers, &own].concat();
        let body = body.map_or_else(Body::empty, |b| Body::from(b.to_string()));
        self.site.request(method, &format!("/scim/v2/{path}"), &headers, body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], None).await
    }
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, &[], Some(body)).await
    }
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::PUT, path, &[], Some(body)).await
    }
    pub async fn patch(&self, path: &str, operations: Value) -> Answer {
        let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
        let body = serde_json::json!({"schemas": schemas, "Operations": operations});
        self.ask(Method::PATCH, path, &[], Some(body)).await
    }
    pub async fn delete(&self, path: &str) -> Answer {
        self.ask(Method::DELETE, path, &[], None).await
    }

    /// Makes a user and gives its id.
    pub async fn user(&self, name: &str) -> String {
        let made = self.post("Users", serde_json::json!({"userName": name})).await;
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()["id"].as_str().unwrap().to_owned()
    }
}

/// The kind of an error, and that it has the shape of RFC 7644 §3.12.
pub fn refused(answer: &Answer) -> (u16, String) {
    let body = answer.json();
    assert_eq!(answer.header("content-type"), "application/scim+json", "{}", answer.text());
    assert_eq!(body["schemas"][0], "urn:ietf:params:scim:api:messages:2.0:Error");
    assert_eq!(body["status"], answer.status.as_u16().to_string());
    assert!(body["detail"].as_str().is_some_and(|d| !d.is_empty()));
    (answer.status.as_u16(), body["scimType"].as_str().unwrap_or("").to_owned())
}
