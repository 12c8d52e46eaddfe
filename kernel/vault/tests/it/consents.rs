//! What rests on a consent opens only while whoever keeps the consent says that it holds.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use kenroku_store::Db;
use kenroku_types::ids::SubjectId;
use kenroku_types::{Problem, Tenant};
use kenroku_vault::share::Reading;
use kenroku_vault::{Asked, ConsentId, Error, Registered};

use crate::world::{AGREED, AGREEMENTS, NAME, NOMI, SCHEMA, env, staff, store, stored, vault};

/// Consents as triples of office, person and id; `None` cannot be asked.
#[derive(Default)]
pub struct Kept(pub Mutex<Option<HashSet<(Tenant, SubjectId, ConsentId)>>>);

impl Registered for Kept {
    fn holds<'a>(&'a self, asked: &'a Asked<'a>) -> Reading<'a, bool> {
        Box::pin(async move {
            let kept = self.0.lock().unwrap();
            let kept = kept.as_ref().ok_or_else(|| Problem::unavailable("down"))?;
            let named = |(s, c): &(SubjectId, ConsentId)| kept.contains(&(asked.office, *s, *c));
            Ok(asked.fields == [&NAME] && asked.people.iter().all(named))
        })
    }
}

#[kenroku_store::test(SCHEMA)]
async fn the_vault_itself_asks_whether_a_consent_holds(db: Db) {
    let env = env();
    let vault = vault(&env, &db).await;
    let (who, other): (SubjectId, SubjectId) = (env.id(), env.id());
    for s in [who, other] {
        store(&vault, &db, NOMI, s, "名").await;
    }
    let consent: ConsentId = env.id();
    let open = async |s: SubjectId, c: ConsentId| {
        let why = staff(NOMI, &AGREED).consent(s, c);
        let sealed = stored(&db, NOMI, s).await;
        Ok::<_, Error>(vault.open(&why, NAME.at(s, s.uuid()), &sealed).await?.into_value())
    };
    let log = async |s: SubjectId| vault.accesses(NOMI, s, None, 9).await.unwrap().len();
    assert_eq!(open(who, consent).await, Err(Error::NobodyAnswers("probe.agreements")), "nobody keeps them");

    let kept = Arc::new(Kept::default());
    vault.answers_for(AGREEMENTS, Arc::clone(&kept) as Arc<dyn Registered>);
    assert_eq!(open(who, consent).await, Err(Error::NobodyAnswers("probe.agreements")), "it cannot be asked");
    *kept.0.lock().unwrap() = Some(HashSet::new());
    assert_eq!(open(who, consent).await, Err(Error::ConsentOver("probe.agreed")), "made up");
    assert_eq!(log(who).await, 0, "nothing was opened, nothing was logged");

    *kept.0.lock().unwrap() = Some([(NOMI, who, consent)].into());
    assert_eq!(open(who, consent).await.as_deref(), Ok("名"));
    assert_eq!(log(who).await, 1);
    assert_eq!(open(other, consent).await, Err(Error::ConsentOver("probe.agreed")), "somebody else's");

    // Who comes second does not take its place.
    vault.answers_for(AGREEMENTS, Arc::new(Kept(Mutex::new(Some([(NOMI, other, consent)].into())))));
    assert_eq!(open(other, consent).await, Err(Error::ConsentOver("probe.agreed")));
    *kept.0.lock().unwrap() = Some(HashSet::new());
    assert_eq!(open(who, consent).await, Err(Error::ConsentOver("probe.agreed")), "withdrawn");
    assert_eq!((log(who).await, log(other).await), (1, 0));
}
