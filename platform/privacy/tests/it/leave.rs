//! Leaving: the waiting time, the erasure in every module, the receipt, and what a restored database brings back.

use std::time::Duration;

use kenroku_access::Granted;
use kenroku_consent::model::{AgreedItem, By, LawfulBasis, RecipientKind, Step, Terms, Texts};
use kenroku_consent::{Consent, ManageAgreements, NewRecipient, Reply};
use kenroku_identity::claims::Claim;
use kenroku_module::test::TestSite;
use kenroku_privacy::leave::{LeaveId, LeaveState};
use kenroku_privacy::{PrivacyError, book};
use kenroku_store::{Db, Sql, params, sql};
use kenroku_types::Tenant;
use kenroku_types::ids::SubjectId;

use crate::world::{identity, kaga, known, modules, names, nomi, on_own_page, privacy, register, site, tree};

const WEEK: Duration = Duration::from_secs(7 * 86_400);
const PEOPLE: &Sql = sql!("select count(*) from identity_person where tenant = $1");

async fn people(site: &TestSite) -> i64 {
    let mut tx = site.app().db().read().await.unwrap();
    tx.one::<(i64,)>(PEOPLE, params![Tenant::SHARED]).await.unwrap().0
}

/// A recipient with an agreement, and the person's yes to it.
async fn agreed(site: &TestSite, subject: SubjectId) -> kenroku_consent::model::AgreementId {
    let consent = site.app().get::<Consent>().unwrap();
    let officer: Granted<ManageAgreements> = Granted::for_system("test", nomi());
    let new = NewRecipient {
        kind: RecipientKind::Module,
        handle: "probe".to_owned(),
        sector: "probe".to_owned(),
        name: "事業者".to_owned(),
        address: "石川県".to_owned(),
        representative: "代表".to_owned(),
    };
    let to = consent.register_recipient(&officer, new).await.unwrap();
    let word = |w: &str| Texts::new(w, w, w);
    let terms = Terms {
        service: word("visits"),
        purpose: word("to visit"),
        without: word("no visits"),
        basis: LawfulBasis::Consent,
        article: String::new(),
        data_use: kenroku_consent::model::DataUse::Using,
        items: vec![AgreedItem { code: "identity.name".to_owned(), required: false }],
        retention_days: 30,
        valid_days: 90,
    };
    let agreement = consent.agree(&officer, "visits", to, &terms).await.unwrap();
    let reply = Reply {
        step: Step::Grant,
        items: ["identity.name".to_owned()].into(),
        shown: 1,
        by: By::Person,
        assurance: kenroku_access::Assurance::JpkiAuth,
        locale: "ja",
    };
    consent.answer(nomi(), agreement, subject, reply).await.unwrap();
    agreement
}

#[kenroku_store::test(&[])]
async fn somebody_leaves_waits_comes_back_and_leaves_for_good(db: Db) {
    let site = site(db).await;
    let (p, me, other) =
        (privacy(&site), register(&site, "模擬　花子").await, register(&site, "模擬　次郎").await);
    let mine = known(&site, me, "privacy").await;
    let row = p.leave(mine).await.unwrap();
    assert_eq!(p.leave(mine).await.unwrap().id, row.id, "asking again finds the first");
    assert_eq!(p.erase_due(&*names(&site).0).await.unwrap(), 0, "not before the week is over");
    p.stay(mine).await.unwrap();
    assert_eq!(p.stay(mine).await, Err(PrivacyError::NotNow));
    site.app().env().clock.advance(WEEK);
    assert_eq!(p.erase_due(&*names(&site).0).await.unwrap(), 0, "came back");
    assert_eq!(p.left(row.id).await.unwrap().0.state, LeaveState::Undone);

    let row = p.leave(mine).await.unwrap();
    site.app().env().clock.advance(WEEK);
    assert_eq!(p.erase_due(&*names(&site).0).await.unwrap(), 1);
    let (after, receipt) = p.left(row.id).await.unwrap();
    assert_eq!((after.state, after.subject), (LeaveState::Erased, None));
    let (entry, receipt) = receipt.unwrap();
    assert!(!entry.snapshot.contains(&mine.to_string()) && !entry.snapshot.contains(&me.to_string()));
    let modules: Vec<&str> = receipt.parts.iter().map(|part| part.module.as_str()).collect();
    assert_eq!(modules, ["consent", "identity", "privacy"]);
    let order: Vec<&str> = p.holders().all().iter().map(|h| h.module()).collect();
    assert_eq!(order.last(), Some(&"identity"), "whoever holds the pseudonyms comes last");
    assert_eq!((identity(&site).person(me).await.unwrap(), people(&site).await), (None, 1));
    assert!(identity(&site).person(other).await.unwrap().is_some());
    assert_eq!(p.stay(mine).await, Err(PrivacyError::NotNow), "nothing to come back to");
    assert_eq!(p.erase_due(&*names(&site).0).await.unwrap(), 0);
    assert_eq!(p.left(LeaveId::from_uuid(me.uuid())).await.err(), Some(PrivacyError::NotFound));
}

#[kenroku_store::test(&[])]
async fn nothing_is_readable_afterwards_and_a_restored_database_is_erased_again(db: Db) {
    let site = site(db).await;
    let (p, i) = (privacy(&site), identity(&site));
    let (me, stays) = (register(&site, "模擬　花子").await, register(&site, "模擬　次郎").await);
    let (mine, theirs) = (known(&site, me, "privacy").await, known(&site, me, "consent").await);
    agreed(&site, theirs).await;
    let consent = site.app().get::<Consent>().unwrap();
    let asked = [Claim::Name];
    let read = async |who| {
        let by = crate::world::name_agreed(&i, who).await;
        i.release(who, &asked, by, Some(i.env().id())).await
    };
    assert!(read(me).await.unwrap().get("name").is_some(), "before: it opens");
    assert_eq!(
        i.vault().accesses(Tenant::SHARED, SubjectId::from_uuid(me.uuid()), None, 9).await.unwrap().len(),
        1
    );
    // A copy of the rows made before, as a backup of the database holds them.
    let copy = proofs(&site, me).await;
    assert_eq!(copy.len(), 1);

    p.leave(mine).await.unwrap();
    site.app().env().clock.advance(WEEK);
    assert_eq!(p.erase_due(&*names(&site).0).await.unwrap(), 1);
    assert_eq!(read(me).await.ok().and_then(|v| v.get("name").cloned()), None);
    assert!(read(stays).await.unwrap().get("name").is_some(), "of others nothing was erased");
    assert!(
        i.vault()
            .accesses(Tenant::SHARED, SubjectId::from_uuid(me.uuid()), None, 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(i.person_of("consent", theirs).await.unwrap(), None, "nobody leads back from a pseudonym");
    let standing = consent.answers(&[nomi()], theirs).await.unwrap()[0].record.standing();
    assert_eq!(standing.state, kenroku_consent::model::State::Withdrawn, "and the recipient is told");

    // The database is restored from the copy; the key store is not older than the erasure.
    restore(&site, me, &copy).await;
    assert!(i.person(me).await.unwrap().is_some(), "the row is back");
    assert!(read(me).await.is_err(), "but nothing opens");
    assert_eq!(p.repeat_erasures(&*names(&site).0).await.unwrap(), 1);
    assert_eq!(i.person(me).await.unwrap(), None);
    assert_eq!(p.repeat_erasures(&*names(&site).0).await.unwrap(), 0, "once is enough");
    let mut tx = site.app().db().read().await.unwrap();
    let entries = book::all(&mut tx, Tenant::SHARED, book::ERASURES).await.unwrap();
    assert_eq!((entries.len(), book::verify(&entries)), (2, Ok(())));
    let mut changed = entries.clone();
    changed[0].snapshot = changed[0].snapshot.replace("consent", "nothing");
    assert_eq!(book::verify(&changed).unwrap_err().number, 1);
    assert_eq!(book::verify(&entries[1..]).unwrap_err().what, "it is missing");
    assert!(book::all(&mut tx, kaga(), book::ERASURES).await.unwrap().is_empty());
}

type Proof = (uuid::Uuid, String, String, String, i64, Vec<u8>);
const COPY: &Sql = sql!(
    "select id, method, assurance, source, verified_at, name from identity_proof where tenant = $1 and person = $2"
);
const BACK: &Sql = sql!(
    "insert into identity_proof (tenant, id, person, method, assurance, source, verified_at, name)
     values ($1, $2, $3, $4, $5, $6, $7, $8)"
);
const PERSON: &Sql = sql!(
    "insert into identity_person (tenant, id, class, state, simulated, version, created_at, changed_at)
     values ($1, $2, 'resident', 'active', $3, 1, $4, $5)"
);

async fn proofs(site: &TestSite, person: kenroku_identity::model::PersonId) -> Vec<Proof> {
    let mut tx = site.app().db().read().await.unwrap();
    tx.all(COPY, params![Tenant::SHARED, person]).await.unwrap()
}

async fn restore(site: &TestSite, person: kenroku_identity::model::PersonId, copy: &[Proof]) {
    let now = site.app().env().now();
    let mut tx = site.app().db().begin().await.unwrap();
    tx.execute(PERSON, params![Tenant::SHARED, person, true, now, now]).await.unwrap();
    for (id, method, assurance, source, at, name) in copy {
        let row = params![Tenant::SHARED, *id, person, method, assurance, source, *at, name];
        tx.execute(BACK, row).await.unwrap();
    }
    tx.commit().await.unwrap();
}

#[kenroku_store::test(&[])]
async fn a_killed_erasure_goes_on_where_it_stopped(db: Db) {
    let site = site(db).await;
    let (p, me) = (privacy(&site), register(&site, "模擬　花子").await);
    let mine = known(&site, me, "privacy").await;
    let row = p.leave(mine).await.unwrap();
    site.app().env().clock.advance(WEEK);
    // The holder of the pseudonyms was done, and then the process died.
    identity(&site).erase_person(me, p.tenants()).await.unwrap();
    assert_eq!(p.erase_due(&*names(&site).0).await.unwrap(), 1);
    assert_eq!(p.left(row.id).await.unwrap().0.state, LeaveState::Erased);
}

#[kenroku_store::test(&[])]
async fn the_page_says_what_goes_asks_again_and_shows_the_receipt(db: Db) {
    let site = site(db).await;
    let me = register(&site, "模擬　花子").await;
    let actor = on_own_page(&site, me).await;
    let page = site.acting(actor.clone()).get("/my/leave").await.text();
    assert!(
        page.contains("パスキー") && page.contains("提供した日から3年") && page.contains("退会を申し込む")
    );
    let person = site.acting(actor.clone());
    assert!(person.post_form("/my/leave", &[], "").await.text().contains("印をつけてください"));
    assert!(privacy(&site).leaving(known(&site, me, "privacy").await).await.unwrap().is_none());
    site.app().env().clock.advance(Duration::from_secs(600));
    let old = person.post_form("/my/leave", &[], "sure=yes").await;
    assert!(old.header("location").starts_with("/id/sign-in?fresh=1"), "an old sign-in is not enough");
    assert!(!person.get("/my/leave").await.text().contains("退会を申し込む"));
    let actor = on_own_page_now(&site, actor);
    let person = site.acting(actor);
    assert_eq!(person.post_form("/my/leave", &[], "sure=yes").await.header("location"), "/my/leave");
    let page = person.get("/my/leave").await.text();
    assert!(page.contains("受け付けました"));
    let from = page.find("/my/leave/").unwrap();
    let links: Vec<&str> = page[from..].split('"').filter(|s| s.starts_with("/my/leave/")).collect();
    let receipt = links.iter().find(|l| !l.ends_with("undo")).unwrap();
    let seen = site.get(receipt).await;
    assert!(seen.status == 200 && seen.text().contains("受け付けました"), "for whoever holds the number");
    assert_eq!(site.get("/my/leave/018f0000-0000-7000-8000-000000000000").await.status, 404);
    assert_eq!(person.post_form("/my/leave/undo", &[], "").await.header("location"), "/my");
    assert_eq!(person.post_form("/my/leave/undo", &[], "").await.status, 409);
    assert_eq!(site.get("/my/leave").await.status, 401, "nobody signed in");
    person.post_form("/my/leave", &[], "sure=yes").await;
    let row = privacy(&site).leaving(known(&site, me, "privacy").await).await.unwrap().unwrap();
    site.app().env().clock.advance(WEEK);
    privacy(&site).erase_due(&*names(&site).0).await.unwrap();
    let text = site.get(&format!("/my/leave/{}", row.id)).await.text();
    assert!(text.contains("データを消しました") && text.contains("SHA-256"));
}

/// The same person, who has just signed in.
fn on_own_page_now(site: &TestSite, actor: kenroku_access::Actor) -> kenroku_access::Actor {
    match actor {
        kenroku_access::Actor::Resident { subject, mut sign_in } => {
            sign_in.at = site.app().env().now();
            kenroku_access::Actor::Resident { subject, sign_in }
        }
        other => other,
    }
}

#[tokio::test]
async fn the_job_erases_by_itself() {
    let site = TestSite::within(tree(), modules()).await;
    let me = register(&site, "模擬　花子").await;
    privacy(&site).leave(known(&site, me, "privacy").await).await.unwrap();
    site.work().await;
    assert_eq!(people(&site).await, 1);
    site.app().env().clock.advance(WEEK + Duration::from_secs(600));
    site.work().await;
    assert_eq!(people(&site).await, 0);
}
