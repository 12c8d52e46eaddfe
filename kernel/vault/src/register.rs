//! [`Registered`]: the vault itself asks whether a consent, or an entry that rests on a law, holds now.
//!
//! A disclosure that names a consent is only as good as the consent. Whoever keeps consents of a kind answers for
//! them at each disclosure, so that no module opens anything by a consent that was withdrawn, is over, or is another
//! person's. A kind for which nobody answers opens nothing.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use kenroku_types::Tenant;
use kenroku_types::ids::{ConsentId, SubjectId};

use crate::disclosure::{Disclosure, LegalBasis};
use crate::error::{Error, Result};
use crate::field::Field;
use crate::share::Reading;

/// Where entries of one kind are kept, and how the access log names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Register {
    /// Stable code, `module.words`.
    pub code: &'static str,
    /// The word before the entry's id in the basis of a log row: `consent`, `law`, `emergency`.
    pub log: &'static str,
}

/// What the vault asks a register.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The tenant of the proof: the office by whose right it is opened.
    pub office: Tenant,
    /// Whose data it is, by the pseudonyms of the module that holds it, each with the entry that was named.
    pub people: &'a [(SubjectId, ConsentId)],
    /// What is to be opened.
    pub fields: &'a [&'static Field],
}

/// Keeps consents, or other entries by which personal data may be opened.
pub trait Registered: Send + Sync {
    /// Whether every one of these entries is this person's, covers these fields and holds now.
    fn holds<'a>(&'a self, asked: &'a Asked<'a>) -> Reading<'a, bool>;
}

/// Who answers for which kind.
#[derive(Default)]
pub(crate) struct Registers(RwLock<HashMap<&'static str, Arc<dyn Registered>>>);

impl Registers {
    /// The first one answers for as long as the vault runs: nobody can take its place.
    pub(crate) fn add(&self, kind: Register, who: Arc<dyn Registered>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).entry(kind.code).or_insert(who);
    }

    /// Asks whoever answers for the purpose's basis; a basis without a register needs no answer.
    pub(crate) async fn ask(
        &self,
        d: &Disclosure,
        people: &[SubjectId],
        fields: &[&'static Field],
    ) -> Result<()> {
        let (LegalBasis::Consent(kind) | LegalBasis::Entered(kind)) = d.purpose().basis else {
            return Ok(());
        };
        let named = people.iter().map(|s| Ok((*s, d.entry_for(*s)?))).collect::<Result<Vec<_>>>()?;
        let found = self.0.read().unwrap_or_else(PoisonError::into_inner).get(kind.code).map(Arc::clone);
        let who = found.ok_or(Error::NobodyAnswers(kind.code))?;
        let asked = Asked { office: d.office(), people: &named, fields };
        match who.holds(&asked).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::ConsentOver(d.purpose().code)),
            Err(p) => {
                tracing::warn!(register = kind.code, problem = %p, "a register could not answer");
                Err(Error::NobodyAnswers(kind.code))
            }
        }
    }
}
