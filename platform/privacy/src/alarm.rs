//! Deadlines of the law that are near or over, over all offices: the alarm of each morning, and what the desk counts.

use kenroku_types::{JapaneseDate, Tenant};

use crate::error::Result;
use crate::privacy::Privacy;
use crate::request::RequestState;

/// Days before a deadline at which it is near.
pub const NEAR: i32 = 7;

/// Something that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    /// Whose.
    pub tenant: Tenant,
    /// `request` or `breach`.
    pub of: &'static str,
    /// By when.
    pub by: JapaneseDate,
}

impl Privacy {
    /// Requests and breaches whose deadline is near or over, the most urgent first. Drills are left out.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn near_deadlines(&self) -> Result<Vec<Near>> {
        let (today, mut out) = (self.today()?, Vec::new());
        for tenant in self.tenants() {
            let (open, _) = self.requests(*tenant).await?;
            let open =
                open.iter().filter(|r| r.state == RequestState::Open).map(|r| ("request", r.due().work_by));
            let breaches = self.breaches(*tenant).await?;
            let breaches = breaches.iter().filter(|b| !b.drill).filter_map(|b| b.next());
            let due = open.chain(breaches.map(|(_, by)| ("breach", by)));
            let near = due.filter(|(_, by)| by.days_since(today) <= NEAR);
            out.extend(near.map(|(of, by)| Near { tenant: *tenant, of, by }));
        }
        out.sort_by_key(|n| (n.by, n.tenant));
        Ok(out)
    }
}
