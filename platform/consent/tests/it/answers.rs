//! Agreements, revisions, answers, ends.

use std::time::Duration;

use kenroku_consent::ConsentError;
use kenroku_consent::model::{LawfulBasis, State, Step, Terms, What};
use kenroku_store::{Db, Sql, params, sql};

use crate::world::{alone, consent, kaga, known, nomi, officer, reply, site, terms, vendor};

#[kenroku_store::test(&[])]
async fn a_person_answers_changes_and_takes_back_and_each_step_is_chained(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let (_, agreement) = vendor(&site, t, 1, "visits").await;
    let me = known(5, "consent");
    let yes = |items: &[&str]| reply(Step::Grant, items, 1);
    assert!(matches!(c.answer(t, agreement, me, yes(&[])).await, Err(ConsentError::Input(_))));
    assert!(matches!(c.answer(t, agreement, me, yes(&["probe.else"])).await, Err(ConsentError::Input(_))));
    assert_eq!(
        c.answer(t, agreement, me, reply(Step::Grant, &["probe.name"], 2)).await,
        Err(ConsentError::Stale)
    );
    let withdraw = || reply(Step::Withdraw, &[], 1);
    assert_eq!(c.answer(t, agreement, me, withdraw()).await, Err(ConsentError::NotNow), "nothing was given");
    let record = c.answer(t, agreement, me, yes(&["probe.name"])).await.unwrap();
    assert_eq!(c.answer(t, agreement, me, yes(&["probe.name"])).await, Err(ConsentError::NotNow));
    let renew = reply(Step::Renew, &["probe.name", "probe.state"], 1);
    assert_eq!(c.answer(t, agreement, me, renew).await.unwrap(), record, "one record for each agreement");
    c.answer(t, agreement, me, withdraw()).await.unwrap();
    let (steps, holds) = c.steps(t, me, record).await.unwrap();
    let acts: Vec<Step> = steps.iter().map(|s| s.1.step).collect();
    assert_eq!((acts, holds), (vec![Step::Grant, Step::Renew, Step::Withdraw], Ok(())));
    assert_eq!(steps[0].1.acr, "urn:ishikawa:jpki-auth");
    let mine = c.answers(&[t], me).await.unwrap();
    assert_eq!(mine[0].record.standing().state, State::Withdrawn);
    let other = known(6, "consent");
    assert_eq!(c.steps(t, other, record).await.unwrap_err(), ConsentError::NotFound, "somebody else's");
    assert!(c.answers(&[t], other).await.unwrap().is_empty());
}

#[kenroku_store::test(&[])]
async fn an_agreement_is_revised_and_who_agreed_to_less_is_asked_again(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let (party, agreement) = vendor(&site, t, 1, "visits").await;
    let me = known(5, "consent");
    c.answer(t, agreement, me, reply(Step::Grant, &["probe.name"], 1)).await.unwrap();
    let codes = ["probe.name".to_owned()];
    let may = async || {
        let mut tx = c.db().read().await.unwrap();
        let a = c.agreement(&mut tx, t, agreement).await.unwrap();
        c.decide(&mut tx, &a, me, &codes).await.unwrap().0.allowed.len()
    };
    assert_eq!(may().await, 1);
    let less = terms(&["probe.name"]);
    assert_eq!(c.revise(&officer(t), agreement, 7, &less).await, Err(ConsentError::Stale));
    assert_eq!(c.revise(&officer(t), agreement, 1, &less).await.unwrap(), 2);
    assert_eq!(may().await, 1, "nothing more is taken");
    let ask = async || {
        let a = c.agreement(&mut c.db().read().await.unwrap(), t, agreement).await.unwrap();
        c.ask(&a, me).await.unwrap();
        c.answers(&[t], me).await.unwrap()[0].record.standing().state
    };
    assert_eq!(ask().await, State::Granted, "asking again is pointless");
    let more = Terms { retention_days: 31, ..terms(&["probe.name", "probe.state"]) };
    c.revise(&officer(t), agreement, 2, &more).await.unwrap();
    assert_eq!(may().await, 0, "the new words ask for more");
    assert_eq!(ask().await, State::Asked);
    c.answer(t, agreement, me, reply(Step::Grant, &["probe.name"], 3)).await.unwrap();
    assert_eq!(may().await, 1);
    let law =
        Terms { basis: LawfulBasis::PublicTask, article: "第1条".to_owned(), ..terms(&["probe.name"]) };
    let e = c.revise(&officer(t), agreement, 3, &law).await;
    assert!(matches!(e, Err(ConsentError::Input(f)) if f[0].0 == "basis"), "a no does not become a law");
    assert_eq!(c.verify_agreement(t, agreement).await.unwrap(), Ok(()));
    c.end_agreement(&officer(t), agreement, 3).await.unwrap();
    assert_eq!(may().await, 0);
    assert_eq!(c.agree(&officer(t), "visits", party.id, &less).await, Err(ConsentError::Taken));
    assert!(matches!(c.agree(&officer(t), "Visits!", party.id, &terms(&["x.y"])).await,
        Err(ConsentError::Input(f)) if f.len() == 2));
}

const EDIT: &Sql = sql!("update consent_revision set snapshot = $3 where tenant = $1 and number = $2");
const DROP: &Sql = sql!("delete from consent_revision where tenant = $1 and number = $2");

#[kenroku_store::test(&[])]
async fn an_edit_or_a_removal_of_a_revision_shows_at_its_number(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let (_, agreement) = vendor(&site, t, 1, "visits").await;
    for version in 1..=3 {
        c.revise(&officer(t), agreement, version, &terms(&["probe.name"])).await.unwrap();
    }
    let broken = async || c.verify_agreement(t, agreement).await.unwrap().err().map(|b| b.number);
    assert_eq!(broken().await, None);
    let mut tx = c.db().begin().await.unwrap();
    tx.execute(EDIT, params![t, 3, "{}"]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(broken().await, Some(3));
    for (cut, at) in [(4, 3), (3, 3), (2, 2)] {
        let mut tx = c.db().begin().await.unwrap();
        tx.execute(DROP, params![t, cut]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(broken().await, Some(at), "without {cut}");
    }
}

#[kenroku_store::test(&[])]
async fn a_consent_ends_by_the_clock_and_can_be_renewed(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let (party, agreement) = vendor(&site, t, 1, "visits").await;
    let me = known(5, "consent");
    c.answer(t, agreement, me, reply(Step::Grant, &["probe.name"], 1)).await.unwrap();
    assert_eq!(c.expire_due(t, 10).await.unwrap(), 0, "it holds");
    site.app().env().clock.advance(Duration::from_secs(90 * 86_400));
    assert_eq!(c.answers(&[t], me).await.unwrap()[0].record.standing().state, State::Granted);
    assert_eq!(c.expire_due(kaga(), 10).await.unwrap(), 0, "another office's");
    assert_eq!(c.expire_due(t, 10).await.unwrap(), 1);
    assert_eq!(c.answers(&[t], me).await.unwrap()[0].record.standing().state, State::Expired);
    let told: Vec<What> = c.notices(t, party.id, 10).await.unwrap().iter().map(|n| n.step).collect();
    assert_eq!(told, [What::Grant, What::Expire]);
    c.answer(t, agreement, me, reply(Step::Renew, &["probe.name"], 1)).await.unwrap();
    assert_eq!(c.answers(&[t], me).await.unwrap()[0].record.standing().state, State::Granted);
}

#[tokio::test]
async fn the_clock_ends_consents_by_itself() {
    let site = alone().await;
    let (c, t) = (consent(&site), nomi());
    let (_, agreement) = vendor(&site, t, 1, "visits").await;
    let me = known(5, "consent");
    c.answer(t, agreement, me, reply(Step::Grant, &["probe.name"], 1)).await.unwrap();
    let state = async || c.answers(&[t], me).await.unwrap()[0].record.standing().state;
    site.work().await;
    assert_eq!(state().await, State::Granted);
    site.app().env().clock.advance(Duration::from_secs(90 * 86_400));
    site.work().await;
    assert_eq!(state().await, State::Expired);
}
