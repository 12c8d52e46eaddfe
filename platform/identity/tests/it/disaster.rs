//! Disaster mode: what it lets in, what it never lets in, who declares it, and its end.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use kenroku_access::{Actor, Assurance, RoleId, SignIn};
use kenroku_http::test::NOW;
use kenroku_identity::disaster::{self, LONGEST};
use kenroku_identity::{Identity, IdentityError};
use kenroku_jpki::Status;
use kenroku_jpki::revocation::Fixed;
use kenroku_module::test::TestSite;
use kenroku_store::Db;
use kenroku_types::{MuniCode, Problem, Tenant};

use crate::cards::{ONE, OTHER, answer, begin, challenge, registered};
use crate::world::{identity, revoked, site, trust_of};

const HOUR: Duration = Duration::from_secs(3600);
const REASON: &str = "能登地方の地震により、通信が途絶えているため";
const HERE: &str = "/staff/identity/disaster";

fn staff(site: &TestSite, tenant: Tenant, role: &'static str) -> kenroku_http::test::TestApp {
    let sign_in = SignIn { assurance: Assurance::Password, at: site.app().env().now() };
    let id = site.app().env().id();
    site.acting(Actor::Staff { id, tenant, roles: vec![RoleId::new(role)], sign_in })
}

fn prefecture() -> Tenant {
    Tenant::of(MuniCode::new(17000).unwrap())
}

/// A card that answers while the revocation data is three days old, or says something else.
async fn card(site: &TestSite, i: &Identity, form: &str, who: u32, status: Status) -> Result<(), Problem> {
    let b = begin(site, form).await;
    let c = challenge(site, &b.code).await;
    let old = trust_of(Arc::new(Fixed::with(status, NOW.minus(72 * HOUR))));
    i.card_answer(&old, &answer(&c, who)).await.map(|_| ())
}

#[kenroku_store::test(&[])]
async fn it_lets_known_cards_sign_in_and_nothing_else(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    registered(&site, ONE).await;
    let (sign_in, register) = ("act=sign-in", "act=register&class=resident");
    let stale = card(&site, &i, sign_in, ONE, Status::Good).await.unwrap_err();
    assert_eq!(stale.status, 503, "in ordinary times: {stale:?}");

    disaster::declare(i.db(), i.env(), "staff:x", REASON, 6 * HOUR).await.unwrap();
    card(&site, &i, sign_in, ONE, Status::Good).await.unwrap();
    let new = card(&site, &i, register, OTHER, Status::Good).await.unwrap_err();
    assert_eq!(new.status, 503, "registering is as strict as ever: {new:?}");
    let again = card(&site, &i, "act=replace", ONE, Status::Good).await.unwrap_err();
    assert_eq!(again.status, 503);
    let known = card(&site, &i, sign_in, ONE, revoked()).await.unwrap_err();
    assert_eq!(known.status, 410, "what is known to be revoked stays refused");
    for path in ["/id/sign-in", "/id/register/terms?act=sign-in"] {
        let page = site.get(path).await.text();
        assert!(page.contains(REASON) && page.contains("災害時のログイン"), "{path}: {page}");
    }
    assert!(!site.get("/id/register/terms?act=register&class=resident").await.text().contains(REASON));

    site.app().env().clock.advance(6 * HOUR);
    let over = card(&site, &i, sign_in, ONE, Status::Good).await.unwrap_err();
    assert_eq!(over.status, 503, "it ends by the clock");
    assert!(!site.get("/id/sign-in").await.text().contains(REASON));
    assert_eq!((i.sweep_disasters().await.unwrap(), i.sweep_disasters().await.unwrap()), (1, 0));
    assert_eq!(i.disasters().await.unwrap()[0].ended_by.as_deref(), Some("clock"));
}

#[kenroku_store::test(&[])]
async fn it_is_bounded_and_there_is_one_at_a_time(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let declare =
        async |reason: &str, lasting| disaster::declare(i.db(), i.env(), "x", reason, lasting).await;
    let short = declare("地震", HOUR).await.unwrap_err();
    assert!(matches!(short, IdentityError::Input("reason", ..)));
    let none = declare(REASON, Duration::ZERO).await.unwrap_err();
    assert!(matches!(none, IdentityError::Input("hours", ..)));
    let longest = declare(REASON, 1000 * HOUR).await.unwrap();
    assert_eq!(longest.until, i.env().now().plus(LONGEST), "three days at most");
    assert_eq!(declare(REASON, HOUR).await.unwrap_err(), IdentityError::Stale);
    disaster::end(i.db(), i.env(), "y").await.unwrap();
    assert_eq!(i.disaster().await.unwrap(), None, "at once");
    assert_eq!(disaster::end(i.db(), i.env(), "y").await.unwrap_err(), IdentityError::NotFound);
    declare(REASON, HOUR).await.unwrap();
}

#[kenroku_store::test(&[])]
async fn the_desk_declares_and_ends_it_on_a_page(db: Db) {
    let site = site(db).await;
    let desk = staff(&site, prefecture(), "id-desk");
    let nomi = Tenant::of(MuniCode::new(17211).unwrap());
    assert_eq!(staff(&site, nomi, "muni-admin").get(HERE).await.status, StatusCode::FORBIDDEN);
    assert_eq!(staff(&site, nomi, "resident-desk").get(HERE).await.status, StatusCode::FORBIDDEN);
    assert_eq!(staff(&site, Tenant::SHARED, "operator").get(HERE).await.status, 200);
    for lang in ["ja", "ja-x-yasashii", "en"] {
        let page = desk.get(&format!("{HERE}?lang={lang}")).await;
        assert!(page.status == 200 && !page.text().contains('⟦'), "{lang}: {}", page.text());
    }
    let form = |reason: &str, hours: &str, sure: &str| {
        let mut out = url::form_urlencoded::Serializer::new(String::new());
        out.extend_pairs([("reason", reason), ("hours", hours), ("sure", sure)]);
        out.finish()
    };
    for (bad, why) in [
        (form(REASON, "24", ""), "unsure"),
        (form(REASON, "100", "yes"), "too long"),
        (form("地震", "24", "yes"), "no reason"),
    ] {
        assert_eq!(desk.post_form(HERE, &[], &bad).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{why}");
    }
    let good = form(REASON, "24", "yes");
    assert_eq!(desk.post_form(HERE, &[], &good).await.status, StatusCode::SEE_OTHER);
    assert_eq!(desk.post_form(HERE, &[], &good).await.status, StatusCode::CONFLICT);
    let page = desk.get(HERE).await.text();
    assert!(page.contains(REASON) && page.contains("いま終える"), "{page}");
    assert_eq!(desk.post_form(&format!("{HERE}/end"), &[], "").await.status, StatusCode::SEE_OTHER);
    assert!(!site.get("/id/sign-in").await.text().contains(REASON));
}
