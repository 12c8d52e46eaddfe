//! The requests that stock directories send, as their makers document them.

use kenroku_store::Db;
use serde_json::json;

use crate::world::*;

/// The sequence of Microsoft Entra ID's provisioning service: look up, make, look up, change, switch off, remove.
#[kenroku_store::test(&[])]
async fn entra_goes_through_the_life_of_an_account(db: Db) {
    let w = World::new(db).await;
    let entra = w.directory(17211).await;
    let none = entra.get("Users?filter=userName+eq+%22hana%40city.example.jp%22").await;
    assert_eq!((none.status.as_u16(), none.json()["totalResults"].as_i64()), (200, Some(0)));
    let made = entra
        .post(
            "Users",
            json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User",
                            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
                "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
                "userName": "Hana@city.example.jp",
                "active": true,
                "displayName": "除雪 花子",
                "addresses": [{"primary": false, "type": "work", "country": "JP"}],
                "emails": [{"primary": true, "type": "work", "value": "hana@city.example.jp"}],
                "meta": {"resourceType": "User"},
                "name": {"formatted": "除雪 花子", "familyName": "除雪", "givenName": "花子"},
                "roles": [],
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "道路課"},
            }),
        )
        .await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.header("content-type"), "application/scim+json");
    let user = made.json();
    let id = user["id"].as_str().unwrap();
    assert_eq!(user["userName"], "hana@city.example.jp");
    assert_eq!(user["meta"]["location"], format!("http://kenroku.test/scim/v2/Users/{id}"));
    assert_eq!(made.header("location"), user["meta"]["location"].as_str().unwrap());
    assert_eq!(made.header("etag"), user["meta"]["version"].as_str().unwrap());
    assert!(user.get("password").is_none());

    let by_external =
        entra.get("Users?filter=externalId%20eq%20%220a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef%22").await;
    assert_eq!(by_external.json()["Resources"][0]["id"], id);
    let changed = entra
        .patch(
            &format!("Users/{id}"),
            json!([
                {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "hanako@city.example.jp"},
                {"op": "Replace", "path": "name.familyName", "value": "融雪"},
                {"op": "Add", "path": "addresses[type eq \"work\"].formatted", "value": "x"},
            ]),
        )
        .await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(changed.json()["emails"][0]["value"], "hanako@city.example.jp");
    assert_eq!(changed.json()["name"]["familyName"], "融雪");

    let off = entra
        .patch(&format!("Users/{id}"), json!([{"op": "Replace", "path": "active", "value": "False"}]))
        .await;
    assert_eq!(off.json()["active"], false);
    assert_eq!(entra.delete(&format!("Users/{id}")).await.status, 204);
    assert_eq!(refused(&entra.get(&format!("Users/{id}")).await).0, 404);
    assert_eq!(entra.get("Users").await.json()["totalResults"], 0);
    // The name is free again (RFC 7644 §3.6).
    assert_ne!(entra.user("hana@city.example.jp").await, id);
}

/// Entra looks groups up without their members, then adds and removes single ones.
#[kenroku_store::test(&[])]
async fn entra_gives_and_takes_roles_by_groups(db: Db) {
    let w = World::new(db).await;
    let entra = w.full(17211).await;
    let (hana, taro) = (entra.user("hana").await, entra.user("taro").await);
    let found = entra
        .get("Groups?excludedAttributes=members&filter=displayName+eq+%22%E5%80%8B%E4%BA%BA%E6%83%85%E5%A0%B1%E4%BF%9D%E8%AD%B7%E6%8B%85%E5%BD%93%22")
        .await
        .json();
    assert_eq!(found["Resources"][0]["id"], "data-officer");
    assert!(found["Resources"][0].get("members").is_none());
    let path = "Groups/data-officer";
    let add = |id: &str| json!([{"op": "Add", "path": "members", "value": [{"$ref": null, "value": id}]}]);
    assert_eq!(entra.patch(path, add(&hana)).await.status, 200);
    let both = entra.patch(path, add(&taro)).await.json();
    assert_eq!(both["members"].as_array().unwrap().len(), 2);
    let user = entra.get(&format!("Users/{hana}")).await.json();
    assert_eq!(user["groups"][0]["value"], "data-officer");

    let gone =
        entra.patch(path, json!([{"op": "Remove", "path": "members", "value": [{"value": hana}]}])).await;
    assert_eq!(gone.json()["members"][0]["value"], taro.as_str());
    let gone =
        entra.patch(path, json!([{"op": "remove", "path": format!("members[value eq \"{taro}\"]")}])).await;
    assert_eq!(gone.json()["members"], json!([]));
}

/// Okta replaces whole users and groups.
#[kenroku_store::test(&[])]
async fn okta_replaces_users_and_groups_whole(db: Db) {
    let w = World::new(db).await;
    let okta = w.full(17211).await;
    let id = okta.user("hana@city.example.jp").await;
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": id,
        "userName": "hana@city.example.jp", "name": {"givenName": "花子", "familyName": "除雪"},
        "emails": [{"primary": true, "value": "hana@city.example.jp", "type": "work"}],
        "locale": "ja-JP", "externalId": "00u1", "active": false, "meta": {"resourceType": "User"},
    });
    let put = okta.put(&format!("Users/{id}"), user).await;
    assert_eq!(
        (put.status.as_u16(), put.json()["displayName"].as_str().unwrap().to_owned()),
        (200, "除雪 花子".to_owned())
    );
    let on = okta.patch(&format!("Users/{id}"), json!([{"op": "replace", "value": {"active": true}}])).await;
    assert_eq!(on.json()["active"], true);
    let group =
        json!({"id": "muni-admin", "displayName": "市町管理者", "members": [{"value": id, "display": "x"}]});
    let put = okta.put("Groups/muni-admin", group).await;
    assert_eq!(put.json()["members"][0]["value"], id.as_str(), "{}", put.text());
    let same = json!([{"op": "replace", "value": {"id": "muni-admin", "displayName": "市町管理者"}}]);
    assert_eq!(okta.patch("Groups/muni-admin", same).await.json()["members"][0]["value"], id.as_str());
    let empty = json!([{"op": "replace", "path": "members", "value": []}]);
    assert_eq!(okta.patch("Groups/muni-admin", empty).await.json()["members"], json!([]));
    assert_eq!(
        refused(&okta.post("Groups", json!({"displayName": "市町管理者"})).await),
        (409, "uniqueness".into())
    );
    assert_eq!(refused(&okta.post("Groups", json!({"displayName": "町長"})).await).0, 403);
    assert_eq!(refused(&okta.delete("Groups/muni-admin").await).0, 403);
    let renamed = json!([{"op": "replace", "path": "displayName", "value": "町長"}]);
    assert_eq!(refused(&okta.patch("Groups/muni-admin", renamed).await), (400, "mutability".into()));
}

#[kenroku_store::test(&[])]
async fn what_the_server_can_do_is_told(db: Db) {
    let w = World::new(db).await;
    let d = w.directory(17211).await;
    let config = d.get("ServiceProviderConfig").await.json();
    assert_eq!((&config["patch"]["supported"], &config["bulk"]["supported"]), (&json!(true), &json!(false)));
    assert_eq!(d.get("ResourceTypes").await.json()["totalResults"], 2);
    assert_eq!(d.get("ResourceTypes/User").await.json()["endpoint"], "/Users");
    let schemas = d.get("Schemas").await.json();
    let user = &schemas["Resources"][0];
    assert_eq!(d.get(&format!("Schemas/{}", user["id"].as_str().unwrap())).await.json(), *user);
    assert_eq!(refused(&d.get("Schemas/none").await).0, 404);
}
