//! A vendor's program: it asks people for consent, looks at what they let it see, delivers what it did if they want that,
//! and acknowledges what it was told while nobody listened.

use std::time::Duration;

use serde_json::{Value, json};

use crate::VendorLog;
use crate::send::SendError;

/// A vendor with a key and an agreement.
#[derive(Clone, Debug)]
pub struct Vendor {
    /// The program's key.
    pub key: String,
    /// The agreement's code.
    pub agreement: String,
    /// The agreement by which it delivers what it did, once it was allowed to look.
    pub reports: Option<String>,
    /// The people, by the vendor's own pseudonyms.
    pub subjects: Vec<String>,
    /// Where it writes down that it looked.
    pub log: Option<VendorLog>,
}

/// How often it looks.
const EVERY: Duration = Duration::from_secs(10);

/// Asks once, then looks again and again. What it may not see it does not see: a refusal is no error.
pub(crate) async fn run(client: reqwest::Client, base: String, v: Vendor) {
    let api = Api { client, base: format!("{}/api/consent/v1", base.trim_end_matches('/')), key: v.key };
    let mut asked = vec![false; v.subjects.len()];
    let mut reported = vec![Report::Unasked; v.subjects.len()];
    // What came while this program was off. From then on it is told (`VendorInbox`).
    if let Err(e) = api.acknowledge().await {
        tracing::debug!(error = %e, "sim.vendor");
    }
    loop {
        for ((subject, asked), reported) in v.subjects.iter().zip(&mut asked).zip(&mut reported) {
            let body = json!({ "agreement": v.agreement, "subject": subject });
            // Asked once in a run: whoever said no is not asked again and again.
            let was_asked = *asked;
            let done = match *asked {
                false => api.post("requests", &body).await.map(|_| *asked = true),
                true => api.post("facts", &body).await.map(|_| {
                    if let Some(log) = &v.log {
                        log.note(subject);
                    }
                }),
            };
            let allowed = was_asked && done.is_ok();
            if let Err(e) = done {
                tracing::debug!(error = %e, "sim.vendor");
            }
            if let Some(agreement) = v.reports.as_ref().filter(|_| allowed)
                && let Err(e) = report(&api, agreement, subject, reported).await
            {
                tracing::debug!(error = %e, "sim.vendor");
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// How far it is with one person's report.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Report {
    Unasked,
    Asked,
    Delivered,
}

/// Asks whether the visit may be put down in the person's data, and puts it down once.
async fn report(api: &Api, agreement: &str, subject: &str, at: &mut Report) -> Result<(), SendError> {
    match *at {
        Report::Unasked => {
            api.post("requests", &json!({ "agreement": agreement, "subject": subject })).await?;
            *at = Report::Asked;
        }
        Report::Asked => {
            let note = json!({ "item": "delivered.visit-note", "value": "家庭訪問をしました（模擬データ）",
                "method": "visit" });
            let body = json!({ "agreement": agreement, "subject": subject, "facts": [note] });
            api.post("deliveries", &body).await?;
            *at = Report::Delivered;
        }
        Report::Delivered => {}
    }
    Ok(())
}

struct Api {
    client: reqwest::Client,
    base: String,
    key: String,
}

impl Api {
    async fn post(&self, path: &str, body: &Value) -> Result<Value, SendError> {
        let url = format!("{}/{path}", self.base);
        let answer = self.client.post(url).bearer_auth(&self.key).json(body).send().await?;
        match answer.status().as_u16() {
            204 => Ok(Value::Null),
            200..=299 => Ok(answer.json().await?),
            other => Err(SendError::Refused(other)),
        }
    }

    async fn acknowledge(&self) -> Result<(), SendError> {
        let url = format!("{}/notices", self.base);
        let notices: Value = self.client.get(url).bearer_auth(&self.key).send().await?.json().await?;
        for id in notices.as_array().into_iter().flatten().filter_map(|n| n["id"].as_str()) {
            self.post(&format!("notices/{id}/acknowledge"), &json!({})).await?;
        }
        Ok(())
    }
}
