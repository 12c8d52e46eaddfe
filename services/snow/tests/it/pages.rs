//! The pages, for everybody and for the desk.

use kenroku_access::{Actor, Assurance, RoleId, SignIn};
use kenroku_http::test::NOW;
use kenroku_types::Tenant;

use crate::world::{both_ways, device, id, incoming, prefecture, site};

pub fn desk(tenant: Tenant) -> Actor {
    staff(tenant, "snow-desk")
}

pub fn staff(tenant: Tenant, role: &'static str) -> Actor {
    let sign_in = SignIn { assurance: Assurance::PasswordOtp, at: NOW };
    Actor::Staff { id: id(500), tenant, roles: vec![RoleId::new(role)], sign_in }
}

#[tokio::test]
async fn a_resident_finds_the_road_in_three_languages() {
    let (site, snow, ids) = site().await;
    snow.take_in(prefecture(), device(), incoming(&both_ways(30))).await.unwrap();
    snow.settle().await.unwrap();
    snow.env().clock.advance(std::time::Duration::from_secs(400));
    snow.settle().await.unwrap();
    let page = site.get("/snow?area=17211").await.text();
    assert!(
        page.contains("除雪の対象5区間のうち、<strong>4区間</strong>の除雪が済んでいます")
            || page.contains("4区間"),
        "{page}"
    );
    assert!(page.contains("町1方面") && page.contains("模擬データ") && page.contains("id=\"seg-"));
    let filtered = site.get("/snow?area=17211&state=unknown").await.text();
    assert_eq!(filtered.matches("id=\"seg-").count(), 1);
    let found = site.get("/snow?area=17211&q=%E7%94%BA5").await.text();
    assert_eq!(found.matches("id=\"seg-").count(), 1, "町5 is an end of the side street alone");
    assert!(site.get("/snow?area=17211&lang=en").await.text().contains("to 町1"));
    assert!(site.get("/snow?area=17211&lang=ja-x-yasashii").await.text().contains("<ruby>"));
    let road = site.get(&format!("/snow/segments/{}", ids[0])).await.text();
    assert!(road.contains("この道路は、除雪が済んでいます。"));
    assert_eq!(site.get("/snow/segments/0000000000000000").await.status, 404);
}

#[tokio::test]
async fn the_desk_sees_without_delay_and_others_not_at_all() {
    let (site, snow, _) = site().await;
    assert_eq!(site.get("/staff/snow").await.status, 401);
    let reports = crate::world::drive(NOW.minus(std::time::Duration::from_secs(40)), 0.0, 200.0, 20.0);
    snow.take_in(prefecture(), device(), incoming(&reports)).await.unwrap();
    snow.settle().await.unwrap();
    let staff = site.acting(desk(prefecture()));
    let board = staff.get("/staff/snow").await;
    assert_eq!(board.status, 200, "{}", board.text());
    let text = board.text();
    assert!(
        text.contains("秘密の101号") && text.contains("作業中") && text.contains("速度と担当路線"),
        "{text}"
    );
    let other = site.acting(desk(Tenant::of("17211".parse().unwrap())));
    assert!(!other.get("/staff/snow").await.text().contains("秘密"), "another government's vehicles");
}

#[tokio::test]
async fn the_desk_registers_a_phone_and_begins_an_event() {
    let (site, snow, _) = site().await;
    let nomi: Tenant = Tenant::of("17211".parse().unwrap());
    let staff = site.acting(desk(nomi));
    let page =
        staff.post_form("/staff/snow/devices", &[], "label=%E4%B8%80%E5%8F%B7&vehicle=&kind=grader").await;
    assert_eq!(page.status, 200, "{}", page.text());
    let text = page.text();
    let key = text.split("<code>").find_map(|t| t.split("</code>").next().filter(|k| k.len() == 28)).unwrap();
    let at = NOW.secs();
    let sent = site.get(&format!("/api/snow/v1/osmand?id={key}&lat=36.44&lon=136.5&timestamp={at}")).await;
    assert_eq!(sent.status, 200);
    assert!(!staff.get("/staff/snow/devices").await.text().contains(key), "a key is shown once");
    let devices =
        kenroku_snow::sql::fleet::devices(&mut snow.db().read().await.unwrap(), nomi).await.unwrap();
    let revoked = staff.post_form("/staff/snow/devices/revoke", &[], &format!("id={}", devices[0].id)).await;
    assert_eq!(revoked.status, 303);
    let refused = site.get(&format!("/api/snow/v1/osmand?id={key}&lat=36.44&lon=136.5&timestamp={at}")).await;
    assert_eq!(refused.status, 400);
    let begin = staff.post_form("/staff/snow/events", &[], "level=alert&depth_cm=").await;
    assert_eq!(begin.status, 303, "{}", begin.text());
    assert_eq!(staff.post_form("/staff/snow/events", &[], "level=alert").await.status, 409);
    assert_eq!(staff.post_form("/staff/snow/events", &[], "level=party").await.status, 400);
    assert!(staff.get("/staff/snow").await.text().contains("警戒"));
}

#[tokio::test]
async fn elapsed_time_has_its_own_lines_in_list_and_map() {
    let (site, snow, ids) = site().await;
    snow.take_in(prefecture(), device(), incoming(&both_ways(30))).await.unwrap();
    snow.settle().await.unwrap();
    snow.env().clock.advance(std::time::Duration::from_secs(400));
    snow.settle().await.unwrap();
    let index = snow.network().index_of(ids[0]).unwrap();
    let ages = site.get("/api/snow/v1/state").await.json()["ages"].clone();
    assert!(ages["h1"].as_array().unwrap().contains(&index.into()), "{ages}");
    let page = site.get("/snow?area=17211&view=age").await.text();
    assert!(page.contains(" view=\"age\"") && page.contains("data-word-h1=\"1時間未満\""), "{page}");
    assert!(
        page.contains("kr-chip\">") && page.contains("kr-line--h1\"") && page.contains("kr-line--h3-core\"")
    );
    let states = site.get("/snow?area=17211").await.text();
    assert!(states.contains(" view=\"state\"") && !states.contains("kr-line--h1\""));

    // The time goes on while nobody ploughs: on the last stroke of the third hour it is “3 to 6”.
    let view = snow.public();
    let (_, seen) = view.get(index).unwrap();
    let waited = seen.last_work().unwrap().plus(std::time::Duration::from_secs(3 * 3600)).since(view.at);
    snow.env().clock.advance(std::time::Duration::from_micros(waited as u64));
    let ages = site.get("/api/snow/v1/state").await.json()["ages"].clone();
    assert!(ages["h6"].as_array().unwrap().contains(&index.into()), "{ages}");
}

#[tokio::test]
async fn the_desks_map_has_no_delay_on_its_own_roads() {
    let (site, snow, ids) = site().await;
    let reports = crate::world::drive(NOW.minus(std::time::Duration::from_secs(40)), 0.0, 200.0, 20.0);
    snow.take_in(prefecture(), device(), incoming(&reports)).await.unwrap();
    snow.settle().await.unwrap();
    let index = snow.network().index_of(ids[0]).unwrap();
    let own = site.acting(desk(prefecture()));
    let file = own.get("/staff/snow/state").await;
    assert_eq!((file.status.as_u16(), file.header("cache-control")), (200, "no-store"));
    let (file, open) = (file.json(), site.get("/api/snow/v1/state").await.json());
    assert!(file["states"]["doing"].as_array().unwrap().contains(&index.into()), "{file}");
    assert!(file["ages"]["h1"].as_array().unwrap().contains(&index.into()), "{file}");
    assert_eq!(
        (file["ploughs"].as_array().unwrap().len(), open["ploughs"].as_array().unwrap().len()),
        (0, 0)
    );
    assert!(open["states"]["doing"].is_null(), "{open}");
    let page = own.get("/staff/snow/roads?view=age").await.text();
    assert!(page.contains("state=\"/staff/snow/state\"") && page.contains("kr-line--h1\""), "{page}");
    assert!(
        page.contains("県のすべて") || page.contains("<option value=\"\" selected>すべて</option>"),
        "{page}"
    );

    // The desk of a city sees a prefectural road as everybody does.
    let nomi = site.acting(desk(Tenant::of("17211".parse().unwrap())));
    let file = nomi.get("/staff/snow/state").await.json();
    assert!(file["states"]["doing"].is_null() && file["ages"]["h1"].is_null(), "{file}");
    assert_eq!(nomi.get("/staff/snow/roads").await.status, 200);
    for (path, status) in [("/staff/snow/roads", 401), ("/staff/snow/state", 401)] {
        assert_eq!(site.get(path).await.status, status);
        let officer = site.acting(staff(prefecture(), "data-officer"));
        assert_eq!(officer.get(path).await.status, 403);
    }
}
