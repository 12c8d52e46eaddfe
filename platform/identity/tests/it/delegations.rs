//! 代理.

use std::time::Duration;

use kenroku_contracts::personal::ProxiesPort;
use kenroku_identity::IdentityError;
use kenroku_identity::delegation::{Kind, LONGEST, Scope};
use kenroku_store::Db;

use crate::world::{identity, register, site};

#[kenroku_store::test(&[])]
async fn a_helper_is_invited_acts_within_limits_and_is_ended_by_either(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let elder = register(&i, "模擬　一").await;
    let (helper, stranger) = (register(&i, "模擬　二").await, register(&i, "模擬　三").await);
    let life = Duration::from_secs(30 * 86_400);
    let code = i.invite(elder, Kind::Family, &[Scope::Messages, Scope::Procedures], life).await.unwrap();
    assert_eq!(i.accept(elder, &code).await.unwrap_err(), IdentityError::Over, "not one's own");
    assert_eq!(i.accept(stranger, "AAAA-AAAA").await.unwrap_err(), IdentityError::Over);
    let id = i.accept(helper, &code.to_lowercase()).await.unwrap();
    assert_eq!(i.accept(stranger, &code).await.unwrap_err(), IdentityError::Over, "used");

    assert!(i.may_act(helper, elder, Scope::Messages).await.unwrap().is_some());
    assert!(i.may_act(helper, elder, Scope::Health).await.unwrap().is_none(), "not asked for");
    assert!(i.may_act(elder, helper, Scope::Messages).await.unwrap().is_none(), "one way");
    for who in [elder, helper] {
        assert_eq!(i.delegations(who).await.unwrap().iter().map(|d| d.id).collect::<Vec<_>>(), [id]);
    }
    assert!(i.delegations(stranger).await.unwrap().is_empty());
    assert_eq!(i.end_delegation(stranger, id).await.unwrap_err(), IdentityError::NotFound);
    i.end_delegation(elder, id).await.unwrap();
    assert!(i.may_act(helper, elder, Scope::Messages).await.unwrap().is_none(), "at once");
    assert_eq!(i.end_delegation(helper, id).await.unwrap_err(), IdentityError::NotFound);

    let late = i.invite(elder, Kind::CareManager, &[Scope::Health], LONGEST).await.unwrap();
    site.app().env().clock.advance(Duration::from_secs(3 * 86_400 + 1));
    assert_eq!(i.accept(helper, &late).await.unwrap_err(), IdentityError::Over);
    let code = i.invite(elder, Kind::CareManager, &[Scope::Health], LONGEST * 9).await.unwrap();
    i.accept(helper, &code).await.unwrap();
    site.app().env().clock.advance(LONGEST + Duration::from_secs(1));
    assert!(i.may_act(helper, elder, Scope::Health).await.unwrap().is_none(), "a year at most");
}

#[kenroku_store::test(&[])]
async fn guardians_are_entered_by_somebody_who_saw_the_papers(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let (child, mother) = (register(&i, "模擬　子").await, register(&i, "模擬　母").await);
    let e = i.invite(child, Kind::Guardian, Scope::ALL, LONGEST).await.unwrap_err();
    assert!(matches!(e, IdentityError::Input("kind", ..)));
    let e = i.invite(child, Kind::Family, &[], LONGEST).await.unwrap_err();
    assert!(matches!(e, IdentityError::Input("scope", ..)));
    let until = i.env().now().plus(Duration::from_secs(60));
    let e = i.entrust(child, child, Kind::Guardian, Scope::ALL, "母子健康手帳", until).await.unwrap_err();
    assert!(matches!(e, IdentityError::Input("agent", ..)));
    i.entrust(child, mother, Kind::Guardian, Scope::ALL, "母子健康手帳", until).await.unwrap();
    assert!(i.may_act(mother, child, Scope::Health).await.unwrap().is_some());
    site.app().env().clock.advance(Duration::from_secs(61));
    assert!(i.may_act(mother, child, Scope::Health).await.unwrap().is_none(), "handed over");
}

#[kenroku_store::test(&[])]
async fn whoever_may_decide_about_data_is_told_to_the_broker_until_it_ends(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let (child, mother) = (register(&i, "模擬　子").await, register(&i, "模擬　母").await);
    let until = i.env().now().plus(Duration::from_secs(60));
    let messages = &[Scope::Messages];
    i.entrust(child, mother, Kind::Guardian, messages, "母子健康手帳", until).await.unwrap();
    let port = site.app().get::<ProxiesPort>().unwrap();
    let [kid, mum] =
        [i.subject(child, "consent").await.unwrap(), i.subject(mother, "consent").await.unwrap()];
    assert_eq!(port.0.of("consent", mum).await.unwrap(), [], "not for this");
    let id =
        i.entrust(child, mother, Kind::Guardian, &[Scope::Consents], "母子健康手帳", until).await.unwrap();
    let found = port.0.of("consent", mum).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].principal, found[0].name.as_str(), found[0].child), (kid, "模擬　子", true));
    assert_eq!(port.0.of("consent", kid).await.unwrap(), [], "one way");
    assert_eq!(port.0.of("snow", mum).await.unwrap(), [], "another sector's pseudonym is nobody");
    assert!(port.0.in_force(found[0].mandate).await.unwrap());
    i.end_delegation(child, id).await.unwrap();
    assert!(!port.0.in_force(found[0].mandate).await.unwrap());
    assert_eq!(port.0.of("consent", mum).await.unwrap(), []);
}
