//! Our own log for others to show: an item that a person can agree to like any other, and its rows in the words of the
//! protocol.

use std::collections::HashMap;

use kenroku_contracts::personal::PseudonymsPort;
use kenroku_http::{App, Result};
use kenroku_places::Places;
use kenroku_types::ids::SubjectId;
use kenroku_types::{Tenant, Timestamp};
use kenroku_vault::share::Item;
use kenroku_vault::{Category, LogEntry, Vault};

use super::protocol::Usage;
use crate::Consent;
use crate::broker::SECTOR;
use crate::error::ConsentError;
use crate::module::tenants;

/// The item by which a person lets a recipient show who looked.
pub const ITEM: &str = "consent.access-log";

/// The item as agreements name it. Its rows are read page by page with `findUsage`; the broker's call for facts hands on
/// none.
pub(crate) const LISTED: Item = Item {
    code: ITEM,
    names: ["だれが見たかの記録", "だれが 見《み》たかの 記録《きろく》", "The record of who looked"],
    category: Category::Person,
    field: None,
};

/// How often a person's data was opened in all sources within a time, and the newest `most` rows, newest first.
pub(crate) async fn gather(
    app: &App,
    subject: SubjectId,
    period: (Timestamp, Timestamp),
    most: u32,
) -> Result<(u64, Vec<LogEntry>)> {
    let (consent, vault) = (app.get::<Consent>()?, app.get::<Vault>()?);
    let names = app.get::<PseudonymsPort>().map_err(|_| ConsentError::NoIdentity)?;
    let (mut total, mut rows) = (0, Vec::new());
    for source in consent.sources().all() {
        let Some(theirs) = names.0.translate(SECTOR, subject, source.module()).await? else { continue };
        for tenant in source.tenants() {
            let (n, found) = vault.accesses_within(tenant, theirs, period, most).await?;
            total += n;
            rows.extend(found);
        }
    }
    rows.sort_by_key(|e: &LogEntry| std::cmp::Reverse((e.at, e.tenant, e.seq)));
    rows.truncate(most as usize);
    Ok((total, rows))
}

/// The rows in the words of the protocol, in Japanese. A member of staff is named by their office, as on the person's
/// own page.
pub(crate) async fn worded(app: &App, subject: SubjectId, rows: &[LogEntry]) -> Result<Vec<Usage>> {
    let (consent, vault) = (app.get::<Consent>()?, app.get::<Vault>()?);
    let all = tenants(app.access());
    let answers = consent.answers(&all, subject).await?;
    let codes = consent.codes(&all, subject).await?;
    let of_answers = answers.iter().map(|a| (format!("consent:{}", a.record.id), &a.agreement));
    let by_basis: HashMap<String, _> =
        of_answers.chain(codes.iter().map(|(c, a)| (format!("consent:{}", c.id), a))).collect();
    let places = Places::shared().map_err(|e| kenroku_types::Problem::internal().because(&e))?;
    let usage = |e: &LogEntry| {
        let fields: Vec<String> = e
            .fields
            .split(',')
            .map(|name| vault.field(name).map_or_else(|| name.to_owned(), |f| f.ja.to_owned()))
            .collect();
        let by = by_basis.get(&e.basis);
        let why = match (by, e.kind.as_str()) {
            (Some(a), _) => a.now.terms.service.ja.clone(),
            (None, "erase") => "データの消去".to_owned(),
            (None, _) => vault.purpose(&e.purpose).map_or_else(|| e.purpose.clone(), |p| p.ja.to_owned()),
        };
        let kind = e.actor.split(':').next().unwrap_or_default();
        let office = if e.tenant == Tenant::SHARED { places.prefecture().tenant } else { e.tenant };
        let (code, name) = match (by, kind) {
            (Some(a), _) => (a.recipient.id.to_string(), Some(a.recipient.name.clone())),
            (None, "resident") => ("resident".to_owned(), Some("ご本人または代理の方".to_owned())),
            (None, other) => (format!("{other}:{office}"), places.tenant_name(office).map(str::to_owned)),
        };
        Usage {
            logtime: e.at,
            action: format!("{why}（{}）", fields.join("、")),
            receiver_code: code,
            receiver_name: name,
            receiver_system: e.purpose.split('.').next().unwrap_or_default().to_owned(),
        }
    };
    Ok(rows.iter().map(usage).collect())
}
