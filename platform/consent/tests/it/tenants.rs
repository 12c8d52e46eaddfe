//! Another tenant's ids find nothing; the own find the row.

use kenroku_consent::ConsentError;
use kenroku_consent::model::{RecipientKind, Step};
use kenroku_store::Db;
use kenroku_types::Timestamp;

use crate::world::{client, consent, kaga, known, nomi, officer, reply, site, terms, vendor};

#[kenroku_store::test(&[])]
async fn nothing_of_one_tenant_is_found_from_another(db: Db) {
    let site = site(db).await;
    let (c, own, other) = (consent(&site), nomi(), kaga());
    let (party, agreement) = vendor(&site, own, 1, "visits").await;
    let me = known(5, "consent");
    let record = c.answer(own, agreement, me, reply(Step::Grant, &["probe.name"], 1)).await.unwrap();
    let handle = client(1).to_string();
    let mut tx = c.db().read().await.unwrap();
    for (tenant, there) in [(own, true), (other, false)] {
        assert_eq!(c.agreement(&mut tx, tenant, agreement).await.is_ok(), there);
        assert_eq!(c.agreement_by_code(&mut tx, tenant, "visits").await.is_ok(), there);
        assert_eq!(c.revision(&mut tx, tenant, agreement, 1).await.is_ok(), there);
        assert_eq!(c.agreements(tenant).await.unwrap().len(), usize::from(there));
        assert_eq!(c.recipients(tenant).await.unwrap().len(), usize::from(there));
        assert_eq!(c.recipient(tenant, party.id).await.is_ok(), there);
        assert_eq!(c.party(tenant, RecipientKind::Client, &handle).await.is_ok(), there);
        assert_eq!(c.answers(&[tenant], me).await.unwrap().len(), usize::from(there));
        assert_eq!(c.answer_of(tenant, me, record).await.is_ok(), there);
        assert_eq!(c.steps(tenant, me, record).await.is_ok(), there);
        assert_eq!(c.verify_agreement(tenant, agreement).await.is_ok(), there);
        assert_eq!(c.notices(tenant, party.id, 10).await.unwrap().len(), usize::from(there));
        let end = Timestamp::from_micros(i64::MAX);
        assert!(c.provisions(tenant, end, 10).await.unwrap().is_empty());
        assert!(c.provisions_of(&[tenant], me, 10).await.unwrap().is_empty());
    }
    drop(tx);
    let notice = c.notices(own, party.id, 1).await.unwrap()[0].id;
    assert!(!c.acknowledge(other, party.id, notice).await.unwrap());
    assert!(c.acknowledge(own, party.id, notice).await.unwrap());
    let foreign = c.answer(other, agreement, me, reply(Step::Withdraw, &[], 1)).await;
    assert_eq!(foreign, Err(ConsentError::NotFound));
    let t = terms(&["probe.name"]);
    assert_eq!(c.agree(&officer(other), "mine", party.id, &t).await, Err(ConsentError::NotFound));
    assert_eq!(c.revise(&officer(other), agreement, 1, &t).await, Err(ConsentError::NotFound));
    assert_eq!(c.end_agreement(&officer(other), agreement, 1).await, Err(ConsentError::NotFound));
    assert_eq!(c.end_recipient(&officer(other), party.id).await, Err(ConsentError::NotFound));
    assert_eq!(c.revise(&officer(own), agreement, 1, &t).await, Ok(2));
    assert_eq!(c.end_agreement(&officer(own), agreement, 2).await, Ok(()));
    assert_eq!(c.end_recipient(&officer(own), party.id).await, Ok(()));
}
