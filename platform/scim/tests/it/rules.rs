//! Who reaches what, versions, and what is left of a removed account. Each refusal beside the call that succeeds.

use axum::http::Method;
use kenroku_access::accounts::{NewStaff, Steward};
use kenroku_access::kernel::{MUNI_ADMIN, ManageStaff, ViewStaff};
use kenroku_access::{Actor, Granted};
use kenroku_store::Db;
use serde_json::json;

use crate::world::*;

const GOOD: &str = "雪の朝に歩く人たち、二〇二六年";

#[kenroku_store::test(&[])]
async fn a_key_reaches_its_own_tenant_only(db: Db) {
    let w = World::new(db).await;
    let (nomi, kaga, pref) = (w.directory(17211).await, w.directory(17206).await, w.directory(17000).await);
    let id = nomi.user("hana").await;
    let path = format!("Users/{id}");
    assert_eq!(nomi.get(&path).await.status, 200);
    for other in [&kaga, &pref] {
        assert_eq!(refused(&other.get(&path).await).0, 404);
        assert_eq!(refused(&other.put(&path, json!({"userName": "x1"})).await).0, 404);
        assert_eq!(refused(&other.delete(&path).await).0, 404);
        assert_eq!(other.get("Users").await.json()["totalResults"], 0);
        let add = json!([{"op": "add", "path": "members", "value": [{"value": id}]}]);
        assert_eq!(
            refused(&w.full(17206).await.patch("Groups/muni-admin", add).await),
            (400, "invalidValue".into())
        );
    }
    // Roles of another kind of organisation are no groups here.
    assert_eq!(nomi.get("Groups/muni-admin").await.status, 200);
    assert_eq!(refused(&nomi.get("Groups/pref-admin").await).0, 404);
    assert_eq!(refused(&nomi.get("Groups/operator").await).0, 404);
    assert_eq!(refused(&w.other(17211).await.get("Users").await).0, 403);
    assert_eq!(refused(&w.full(17211).await.get("Users/none").await).0, 404);
    let nobody = w.site.get("/scim/v2/Users").await;
    assert_eq!((refused(&nobody).0, nobody.header("www-authenticate")), (401, "Bearer"));
    let wrong = w.site.get_with("/scim/v2/Users", &[("authorization", "Bearer krc_0")]).await;
    assert_eq!(refused(&wrong).0, 401);
}

#[kenroku_store::test(&[])]
async fn only_a_key_that_may_gives_roles_that_watch_over_others(db: Db) {
    let w = World::new(db).await;
    let (usual, full) = (w.directory(17211).await, w.full(17211).await);
    let id = usual.user("hana").await;
    let add = json!([{"op": "add", "path": "members", "value": [{"value": id}]}]);
    for group in ["Groups/muni-admin", "Groups/data-officer"] {
        assert_eq!(refused(&usual.patch(group, add.clone()).await).0, 403);
    }
    assert_eq!(usual.get(&format!("Users/{id}")).await.json()["groups"], json!([]));
    assert_eq!(full.patch("Groups/muni-admin", add).await.status, 200);
    // From now on the usual key cannot lock the administrator out either.
    let off = json!([{"op": "replace", "path": "active", "value": false}]);
    let path = format!("Users/{id}");
    assert_eq!(refused(&usual.patch(&path, off.clone()).await).0, 403);
    assert_eq!(refused(&usual.delete(&path).await).0, 403);
    assert_eq!(full.patch(&path, off).await.json()["active"], false);
    assert_eq!(full.delete(&path).await.status, 204);
}

#[kenroku_store::test(&[])]
async fn versions_stop_whoever_saw_an_older_one(db: Db) {
    let w = World::new(db).await;
    let d = w.full(17211).await;
    let id = d.user("hana").await;
    let path = format!("Users/{id}");
    let tag = d.get(&path).await.header("etag").to_owned();
    let put = async |tag: &str, name: &str| {
        let body = json!({"userName": "hana", "displayName": name});
        d.ask(Method::PUT, &path, &[("if-match", tag)], Some(body)).await
    };
    let first = put(&tag, "花").await;
    assert_eq!(first.status, 200);
    assert_ne!(first.header("etag"), tag);
    assert_eq!(refused(&put(&tag, "鼻").await).0, 412);
    assert_eq!(put("*", "華").await.status, 200);
    // Nothing changed: nothing is written.
    let same = put("*", "華").await;
    assert_eq!(same.header("etag"), d.get(&path).await.header("etag"));
    assert_eq!(refused(&d.ask(Method::DELETE, &path, &[("if-match", &tag)], None).await).0, 412);

    let group = "Groups/data-officer";
    let tag = d.get(group).await.header("etag").to_owned();
    let body = json!({"displayName": "個人情報保護担当", "members": [{"value": id}]});
    assert_eq!(d.ask(Method::PUT, group, &[("if-match", &tag)], Some(body.clone())).await.status, 200);
    assert_eq!(refused(&d.ask(Method::PUT, group, &[("if-match", &tag)], Some(body)).await).0, 412);
}

#[kenroku_store::test(&[])]
async fn names_are_unique_and_what_cannot_be_is_refused(db: Db) {
    let w = World::new(db).await;
    let d = w.directory(17211).await;
    d.user("hana").await;
    let taro = d.user("taro").await;
    assert_eq!(refused(&d.post("Users", json!({"userName": "HANA"})).await), (409, "uniqueness".into()));
    let clash = d.put(&format!("Users/{taro}"), json!({"userName": "hana"})).await;
    assert_eq!(refused(&clash), (409, "uniqueness".into()));
    assert_eq!(refused(&d.post("Users", json!({})).await), (400, "invalidValue".into()));
    assert_eq!(refused(&d.post("Users", json!({"userName": "a b"})).await), (400, "invalidValue".into()));
    assert_eq!(refused(&d.get("Users?filter=userName+is+1").await), (400, "invalidFilter".into()));
    let broken = d.ask(Method::POST, "Users", &[], Some(json!("x"))).await;
    assert_eq!(refused(&broken), (400, "invalidSyntax".into()));
    assert_eq!(d.get("Users?filter=active+eq+true+and+userName+sw+%22ta%22").await.json()["totalResults"], 1);
    let page = d.get("Users?startIndex=2&count=1").await.json();
    assert_eq!(
        (&page["totalResults"], &page["itemsPerPage"], &page["Resources"][0]["userName"]),
        (&json!(2), &json!(1), &json!("taro"))
    );
}

#[kenroku_store::test(&[])]
async fn whoever_is_switched_off_is_signed_out_and_their_trace_stays(db: Db) {
    let w = World::new(db).await;
    let (accounts, d) = (w.accounts(), w.directory(17211).await);
    let by: Granted<ManageStaff> = Granted::for_system("test", of(17211));
    let new = NewStaff { login: "hana", name: "除雪 花子", password: GOOD, roles: &[] };
    let id = accounts.create_staff(&by, &new).await.unwrap();
    let from = std::net::IpAddr::from([192, 0, 2, 1]);
    let later = || w.site.app().env().clock.advance(std::time::Duration::from_secs(1));
    later();
    let (token, session) = accounts.sign_in("hana", GOOD, from).await.unwrap();
    assert!(matches!(session.actor, Actor::Staff { .. }));
    let path = format!("Users/{id}");
    let active = |on: bool| json!([{"op": "replace", "path": "active", "value": on}]);
    d.patch(&path, active(false)).await;
    assert!(accounts.authenticate(&token).await.unwrap().is_none());
    assert!(accounts.sign_in("hana", GOOD, from).await.is_err());
    d.patch(&path, active(true)).await;
    assert!(accounts.authenticate(&token).await.unwrap().is_none(), "the old session stays over");
    later();
    let (token, _) = accounts.sign_in("hana", GOOD, from).await.unwrap();
    assert_eq!(d.delete(&path).await.status, 204);
    assert!(accounts.authenticate(&token).await.unwrap().is_none());
    assert!(accounts.sign_in("hana", GOOD, from).await.is_err());
    let view: Granted<ViewStaff> = Granted::for_system("test", of(17211));
    let history = accounts.staff_history(&view, id).await.unwrap();
    let what: Vec<&str> = history.iter().rev().map(|h| h.what.as_str()).collect();
    assert_eq!(what, ["made", "in", "stopped", "reopened", "in", "removed"]);
    assert!(history[0].by.starts_with("client:"), "{history:?}");
}

#[kenroku_store::test(&[])]
async fn an_account_without_a_password_opens_nothing(db: Db) {
    let w = World::new(db).await;
    let (accounts, d) = (w.accounts(), w.directory(17211).await);
    d.user("hana").await;
    let from = std::net::IpAddr::from([192, 0, 2, 1]);
    for guess in ["", "-", "pbkdf2-sha256$10$00$00"] {
        assert!(accounts.sign_in("hana", guess, from).await.is_err(), "{guess}");
    }
    let by: Granted<ManageStaff> = Granted::for_system("test", of(17211));
    let rows = accounts.directory(Steward::Administrator(&by)).await.unwrap();
    assert!(!rows[0].has_password);
    accounts.reset_password(&by, rows[0].id, GOOD).await.unwrap();
    assert!(accounts.sign_in("hana", GOOD, from).await.is_ok());
    accounts.set_roles(&by, rows[0].id, rows[0].version + 1, &[MUNI_ADMIN]).await.unwrap();
}
