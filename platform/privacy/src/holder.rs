//! What this module itself does when somebody leaves, and what it removes by the clock.

use std::time::Duration;

use kenroku_access::Granted;
use kenroku_types::{Problem, Tenant, Timestamp};
use kenroku_vault::Disclosure;
use kenroku_vault::leave::{Erased, Holder, Kept, Leaving, Notice, Purged, Rule, Said};
use kenroku_vault::share::Reading;

use crate::error::{PrivacyError, Result};
use crate::module::HandleRequests;
use crate::privacy::{Privacy, SECTOR};
use crate::{received, request};

const NOTICE: Notice = Notice {
    erased: &[],
    kept: &[Kept {
        what: [
            "開示・訂正・利用停止の請求と、その通知",
            "データについての 請求《せいきゅう》と 返事《へんじ》",
            "Your requests about your data, and what you were told",
        ],
        until: [
            "処理が終わってから5年。終わっていない請求は、書いていただいた連絡先に返事をします",
            "終わっ《おわっ》てから 5年《ねん》。まだの ものは、書い《かい》た 連絡先《れんらくさき》に 返事《へんじ》を します",
            "Five years after they were closed. What is still open is answered to the address you gave",
        ],
        law: request::KEEP.source,
    }],
    stops: &[],
};

/// Rows that one run removes of one rule.
const AT_ONCE: u32 = 1_000;

/// The holder.
pub(crate) struct Keeping(pub(crate) Privacy);

/// From before when a rule removes.
pub(crate) fn before(now: Timestamp, rule: &Rule) -> Timestamp {
    now.minus(Duration::from_secs(86_400 * u64::from(rule.days)))
}

impl Keeping {
    async fn leave(&self, leaving: &Leaving) -> Result<Erased> {
        let kept = self.0.requests_of(leaving.subject).await?;
        if kept > 0 {
            return Ok(Erased { rows: 0, kept: kept.unsigned_abs(), unreadable_after: None });
        }
        let proof = Granted::<HandleRequests>::for_system("privacy", Tenant::SHARED);
        let order = Disclosure::new(&proof, &request::HANDLE);
        match self.0.vault().erase(&order, leaving.subject).await {
            Ok(done) => Ok(Erased { unreadable_after: Some(done.unreadable_after), ..Erased::default() }),
            Err(kenroku_vault::Error::SubjectUnknown) => Ok(Erased::default()),
            Err(e) => Err(e.into()),
        }
    }

    async fn sweep(&self, tenants: &[Tenant], now: Timestamp) -> Result<Vec<Purged>> {
        let mut requests = Purged { rule: &request::KEPT, removed: 0, overdue: 0 };
        for tenant in tenants {
            let (removed, late) =
                self.0.purge_requests(*tenant, before(now, &request::KEPT), AT_ONCE).await?;
            requests.removed += removed;
            requests.overdue += late;
        }
        let mut received = Purged { rule: &received::KEPT, removed: 0, overdue: 0 };
        let today = self.0.today()?;
        for tenant in tenants {
            received.removed += self.0.purge_received(*tenant, today).await?;
        }
        Ok(vec![requests, received])
    }
}

impl Holder for Keeping {
    fn module(&self) -> &'static str {
        SECTOR
    }

    fn names(&self) -> Said {
        ["個人情報の保護（請求の受付）", "データについての 受付《うけつけ》", "Data protection desk"]
    }

    fn notice(&self) -> Notice {
        NOTICE
    }

    fn erase<'a>(&'a self, leaving: &'a Leaving) -> Reading<'a, Erased> {
        Box::pin(async move { self.leave(leaving).await.map_err(|e: PrivacyError| Problem::from(e)) })
    }

    fn purge<'a>(&'a self, tenants: &'a [Tenant], now: Timestamp) -> Reading<'a, Vec<Purged>> {
        Box::pin(async move { self.sweep(tenants, now).await.map_err(|e: PrivacyError| Problem::from(e)) })
    }
}
