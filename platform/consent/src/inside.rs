//! The broker for our own modules: the port [`Facts`].

use kenroku_access::Granted;
use kenroku_contracts::personal::{Answer, Facts, HandedFact};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Problem, Tenant};

use crate::Consent;
use crate::broker::Inquiry;
use crate::error::Result;
use crate::model::RecipientKind;
use crate::module::Obtain;

impl Consent {
    async fn for_module(
        &self,
        module: &'static str,
        office: Tenant,
        agreement: &str,
        subject: SubjectId,
    ) -> Result<Vec<HandedFact>> {
        let party = self.party(office, RecipientKind::Module, module).await?;
        let proof: Granted<Obtain> = Granted::for_system(module, office);
        let inquiry = Inquiry { party: &party, agreement, subject, items: &[], request: None };
        let got = self.obtain(self.names()?, &proof, inquiry).await?;
        let handed = got.facts.into_iter().map(|f| HandedFact {
            item: f.code.to_owned(),
            value: f.value,
            source: f.source,
            verified_at: f.verified_at,
        });
        Ok(handed.collect())
    }
}

impl Facts for Consent {
    fn facts<'a>(
        &'a self,
        module: &'static str,
        office: Tenant,
        agreement: &'a str,
        subject: SubjectId,
    ) -> Answer<'a, Vec<HandedFact>> {
        Box::pin(
            async move { self.for_module(module, office, agreement, subject).await.map_err(Problem::from) },
        )
    }
}
