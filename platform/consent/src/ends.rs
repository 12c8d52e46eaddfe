//! What ends by itself: consents whose time is over, and consents that somebody gave for another by a delegation that
//! is over. The person is then asked anew about what was given for them.

use std::collections::BTreeSet;

use kenroku_store::Tx;
use kenroku_types::Tenant;
use uuid::Uuid;

use crate::Consent;
use crate::error::Result;
use crate::model::{By, State, Step};
use crate::sql::{self, RecordRow};

impl Consent {
    /// Ends the consents of a tenant whose time is over, at most `limit`; returns how many. A consent past its end lets
    /// nothing out even before this has run.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn expire_due(&self, tenant: Tenant, limit: u32) -> Result<usize> {
        let mut tx = self.db().begin().await?;
        let due = sql::due(&mut tx, tenant, self.env().now(), limit).await?;
        for r in &due {
            self.expire(&mut tx, tenant, r).await?;
        }
        tx.commit().await?;
        Ok(due.len())
    }

    /// Ends the consents that rest on a delegation which is over; returns how many. They let nothing out even before
    /// this has run.
    ///
    /// # Errors
    /// When the store or the delegations fail; what was ended until then stays so.
    pub async fn end_without_mandate(&self, tenant: Tenant, at_once: u32) -> Result<usize> {
        let (mut after, mut ended) = (Uuid::nil(), 0);
        loop {
            let page = sql::mandated(&mut self.db().read().await?, tenant, after, at_once).await?;
            let mut over = Vec::new();
            for r in &page {
                if !self.mandate_holds(r).await? {
                    over.push(r.id);
                }
            }
            let mut tx = self.db().begin().await?;
            for id in over {
                // Read again: the person may have answered since.
                let Some(r) = sql::record(&mut tx, tenant, id).await? else { continue };
                if r.mandate.is_some() && r.standing().state == State::Granted {
                    self.expire(&mut tx, tenant, &r).await?;
                    ended += 1;
                }
            }
            tx.commit().await?;
            match page.last() {
                Some(last) if page.len() == at_once as usize => after = last.id.uuid(),
                _ => return Ok(ended),
            }
        }
    }

    /// Whether the delegation that a record rests on is in force; true where the person answered.
    pub(crate) async fn mandate_holds(&self, r: &RecordRow) -> Result<bool> {
        match (r.mandate, self.proxies()) {
            (None, _) => Ok(true),
            (Some(_), None) => Ok(false),
            (Some(mandate), Some(port)) => Ok(port.in_force(mandate).await?),
        }
    }

    async fn expire(&self, tx: &mut Tx, tenant: Tenant, r: &RecordRow) -> Result<()> {
        let agreement = self.agreement(tx, tenant, r.agreement).await?;
        let step = |step| self.answered(&agreement, step, BTreeSet::new(), None, By::Clock);
        self.step(tx, &agreement, r.subject, Some(r), step(Step::Expire), true).await?;
        // What was given for somebody is put to them: a child who takes over, an adult whose helper stopped.
        if r.mandate.is_some() && agreement.row.ended_at.is_none() {
            let now = sql::record(tx, tenant, r.id).await?;
            self.step(tx, &agreement, r.subject, now.as_ref(), step(Step::Draft), false).await?;
        }
        Ok(())
    }
}
