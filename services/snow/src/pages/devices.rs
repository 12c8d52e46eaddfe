//! `/staff/snow/devices`: registering a device, its key shown once, and how to set up a phone.

use askama::Template;
use axum::http::{HeaderMap, header};
use axum::response::Redirect;
use kenroku_access::accounts::{Accounts, KeyHolder, NewKey};
use kenroku_http::{App, Form, RequestInfo, Result};
use kenroku_types::Problem;
use kenroku_types::ids::DeviceId;
use kenroku_ui::parts::Choice;
use kenroku_ui::{Html, Page, Phrase};
use serde::Deserialize;

use super::moment;
use super::staff::{Devices, console, kind_word};
use crate::api::snow;
use crate::sql::fleet::{self, VehicleId, VehicleRow};

/// Longest name of a device or vehicle, characters.
const MAX_LABEL: usize = 40;

#[derive(Template)]
#[template(path = "snow-devices.html")]
pub(crate) struct DevicesPage {
    page: Page,
    fresh: Option<Fresh>,
    vehicles: Vec<Choice>,
    kinds: Vec<Choice>,
    rows: Vec<DeviceLine>,
    address: String,
}

struct Fresh {
    label: String,
    key: String,
}

struct DeviceLine {
    id: DeviceId,
    label: String,
    vehicle: String,
    since: Phrase,
    revoked: Option<Phrase>,
}

/// The list.
pub(crate) async fn list(
    authz: Devices,
    app: App,
    page: Page,
    info: RequestInfo,
    headers: HeaderMap,
) -> Result<Html<DevicesPage>> {
    show(&app, &authz, page, address(&info, &headers), None).await
}

/// The address to type into the phone: that of this page, with the protocol's path.
fn address(info: &RequestInfo, headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or("localhost");
    let scheme = if info.https { "https" } else { "http" };
    format!("{scheme}://{host}/api/snow/v1/osmand")
}

async fn show(
    app: &App,
    authz: &Devices,
    page: Page,
    address: String,
    fresh: Option<Fresh>,
) -> Result<Html<DevicesPage>> {
    let snow = snow(app)?;
    let now = snow.env().now();
    let tenant = authz.tenant();
    let keys = app.get::<Accounts>()?.list_keys(&authz.granted).await.map_err(Problem::from)?;
    // A device whose keys have all ended is stopped since the last of them did.
    let stopped = |d: &fleet::DeviceRow| {
        let ends: Vec<_> = keys.iter().filter(|k| k.holder == d.id.uuid()).map(|k| k.ended_at(now)).collect();
        let lives = ends.contains(&None);
        (!lives).then(|| ends.into_iter().flatten().max().unwrap_or(d.created_at))
    };
    let mut tx = snow.db().read().await?;
    let rows = fleet::devices(&mut tx, tenant).await?;
    let vehicles = fleet::vehicles(&mut tx, tenant).await?;
    drop(tx);
    let mut choices = vec![Choice::new("", page.t("snow-device-new-vehicle"), true)];
    choices
        .extend(vehicles.into_iter().map(|v| Choice::new(v.id.to_string(), Phrase::text(&v.label), false)));
    let kinds = ["truck", "grader", "dozer", "rotary", "spreader"];
    let title = page.t("snow-devices-title").phrase();
    let simulated = page.simulated || snow.network().provenance().simulated;
    Ok(Html(DevicesPage {
        fresh,
        vehicles: choices,
        kinds: kinds.iter().map(|k| Choice::new(*k, kind_word(&page, k), *k == "truck")).collect(),
        rows: rows
            .into_iter()
            .map(|d| DeviceLine {
                revoked: stopped(&d).map(|t| moment(&page, t, now)),
                id: d.id,
                label: d.label,
                vehicle: d.vehicle.unwrap_or_else(|| "—".to_owned()),
                since: moment(&page, d.created_at, now),
            })
            .collect(),
        address,
        page: console(page.title(title).simulated(simulated), tenant, "/staff/snow/devices")?,
    }))
}

/// The form that registers a device.
#[derive(Debug, Deserialize)]
pub(crate) struct Register {
    label: String,
    #[serde(default)]
    vehicle: String,
    #[serde(default)]
    kind: String,
}

/// Registers a device and shows its key, this once.
pub(crate) async fn register(
    authz: Devices,
    app: App,
    page: Page,
    info: RequestInfo,
    headers: HeaderMap,
    Form(form): Form<Register>,
) -> Result<Html<DevicesPage>> {
    let snow = snow(&app)?;
    let label = form.label.trim();
    if label.is_empty() || label.chars().count() > MAX_LABEL {
        let wrong = Problem::bad_request("The name is missing or too long.");
        return Err(wrong.field("label", "length", "1 to 40 characters").into());
    }
    let tenant = authz.tenant();
    let (device, now) = (snow.env().id(), snow.env().now());
    let mut tx = snow.db().begin().await?;
    let vehicle = if form.vehicle.is_empty() {
        let kind = form.kind.chars().take(MAX_LABEL).collect();
        let vehicle = VehicleRow { id: snow.env().id(), label: label.to_owned(), kind, simulated: false };
        fleet::add_vehicle(&mut tx, tenant, &vehicle).await?;
        vehicle.id
    } else {
        let id: VehicleId =
            form.vehicle.parse().map_err(|_| Problem::bad_request("There is no such vehicle."))?;
        let known = fleet::vehicles(&mut tx, tenant).await?;
        known.into_iter().find(|v| v.id == id).ok_or_else(Problem::not_found)?.id
    };
    fleet::add_device(&mut tx, tenant, device, label, false, now).await?;
    fleet::assign(&mut tx, tenant, device, vehicle, now).await?;
    let new = NewKey { holder: KeyHolder::Device(device), scopes: &[], label, expires: None };
    let accounts = app.get::<Accounts>()?;
    let key = accounts.issue_key_within(&mut tx, &authz.granted, &new).await.map_err(Problem::from)?;
    tx.commit().await?;
    snow.fleet_changed();
    let fresh = Fresh { label: label.to_owned(), key: key.secret };
    show(&app, &authz, page, address(&info, &headers), Some(fresh)).await
}

/// The form that stops a device.
#[derive(Debug, Deserialize)]
pub(crate) struct Revoke {
    id: DeviceId,
}

/// Makes a device's key invalid.
pub(crate) async fn revoke(authz: Devices, app: App, Form(form): Form<Revoke>) -> Result<Redirect> {
    let snow = snow(&app)?;
    if !fleet::is_device(&mut snow.db().read().await?, authz.tenant(), form.id).await? {
        return Err(Problem::not_found().into());
    }
    let accounts = app.get::<Accounts>()?;
    accounts.revoke_keys_of(&authz.granted, KeyHolder::Device(form.id)).await.map_err(Problem::from)?;
    Ok(Redirect::to("/staff/snow/devices"))
}
