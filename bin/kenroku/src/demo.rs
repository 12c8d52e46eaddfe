//! `demo`: the whole product on this machine with simulated data, in one command.

use std::future::IntoFuture as _;
use std::path::Path;
use std::time::Duration;

use kenroku_access::accounts::{AccountError, Accounts, NewStaff};
use kenroku_access::kernel::{DATA_OFFICER, MUNI_ADMIN, ManageStaff, OPERATOR, PREF_ADMIN};
use kenroku_access::{Granted, RoleId};
use kenroku_http::App;
use kenroku_identity::{ID_DESK, RESIDENT_DESK};
use kenroku_module::settings::{Origin, Raw};
use kenroku_module::{Assembly, Kind, Module, Values};
use kenroku_roads::model::Direction;
use kenroku_sim::{VendorInbox, VendorLog};
use kenroku_snow::{SNOW_DESK, Snow};
use kenroku_types::Tenant;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::cli::print;
use crate::exit::{Code, Stop};
use crate::{admin, config, elsewhere, logging, open, run};

/// The password of all demo accounts; it is printed, and `demo` serves simulated data only.
const PASSWORD: &str = "kenroku-demo-2026";

/// The password of the residents.
const RESIDENTS: &str = kenroku_identity::seed::PASSWORD;

/// Roles that can be tried: sign-in name, tenant, role, what it shows.
const ACCOUNTS: [(&str, &str, RoleId, &str); 9] = [
    ("demo-operator", "installation", OPERATOR, "運用担当"),
    ("demo-ishikawa", "17000", PREF_ADMIN, "石川県 県管理者"),
    ("demo-nomi", "17211", MUNI_ADMIN, "能美市 市町管理者"),
    ("demo-snow", "17000", SNOW_DESK, "石川県 除雪担当"),
    ("demo-snow-nomi", "17211", SNOW_DESK, "能美市 除雪担当"),
    ("demo-id", "17000", ID_DESK, "石川県 いしかわID窓口"),
    ("demo-counter", "17211", RESIDENT_DESK, "能美市 住民窓口"),
    ("demo-officer", "17000", DATA_OFFICER, "石川県 個人情報保護担当"),
    ("demo-officer-nomi", "17211", DATA_OFFICER, "能美市 個人情報保護担当"),
];

/// The emergency account: sign-in name and tenant.
const EMERGENCY: (&str, &str) = ("demo-emergency", "17211");

/// `PORT` chooses the port of the demo.
pub fn port(values: &mut Values, env: impl IntoIterator<Item = (String, String)>) -> Result<(), Stop> {
    let Some((_, text)) = env.into_iter().find(|(name, _)| name == "PORT") else { return Ok(()) };
    let number: u16 = text.parse().map_err(|_| {
        Stop::new(Code::Config, format!("PORT = {text:?} is not accepted; it takes a number from 0 to 65535"))
    })?;
    if let Some(value) = Kind::Address.read(&Raw::Env(format!("0.0.0.0:{number}"))) {
        values.set("server.public", value, Origin::Env("PORT".to_owned()));
    }
    Ok(())
}

/// Seeds what is not seeded yet, serves, and says where to look.
pub async fn run(modules: Vec<Module>, mut values: Values) -> Result<(), Stop> {
    if values.origin("log.format").is_some_and(|(_, o)| *o == Origin::Default) {
        if let Some(human) = Kind::Text.read(&Raw::Env("human".to_owned())) {
            values.set("log.format", human, Origin::Demo);
        }
        if let Some(quiet) = Kind::Text.read(&Raw::Env("warn".to_owned())) {
            values.set("log.level", quiet, Origin::Demo);
        }
    }
    logging::start(&values)?;
    let _lock = open::lock(&values)?;
    let bound = run::bind(&values).await?;
    let port = bound.first().and_then(|b| b.addr().ok()).map_or(8080, |a| a.port());
    let folder = config::data_folder(&values)?;
    let elsewhere = elsewhere::prepare(&mut values, &folder, port).await?;
    witness(&mut values, &folder);
    let db = open::database(&values)?;
    open::migrate(&db, &modules).await?;
    let seeds: Vec<_> = modules.iter().filter_map(|m| Some((m.name, m.demo?))).collect();
    let assembly = run::put_together(modules, &values, db).await?;
    let emergency = accounts(&assembly).await?;
    // Ploughs that drove before this start have their past in the log already.
    let first = !folder.join("demo-snow.seeded").exists();
    for (name, seed) in seeds {
        let marker = folder.join(format!("demo-{name}.seeded"));
        if !marker.exists() {
            print(&format!("  {name}: making simulated data (模擬データ) …\n"))?;
            let made = seed(assembly.app.clone()).await.map_err(|e| {
                Stop::new(Code::Data, format!("the demo data of {name} could not be made: {e}"))
            })?;
            remember(&marker, &made)?;
        }
        let made = std::fs::read_to_string(&marker).unwrap_or_default();
        print(&format!("  {name}: {made}\n"))?;
    }
    let io = |e: std::io::Error| Stop::new(Code::Io, format!("the sample vendor: {e}"));
    let (listener, base) = elsewhere::listen(port.checked_add(3)).await.map_err(io)?;
    let log = VendorLog::new(kenroku_consent::seed::LOG_KEY, assembly.app.env().clock.clone());
    print(&welcome(port, &elsewhere, &base, &emergency))?;
    let stop = run::stop_signal()?;
    let here = format!("http://127.0.0.1:{port}");
    let inbox = VendorInbox::new(&here, kenroku_consent::seed::KEY).map_err(Stop::fault)?;
    let app = assembly.app.clone();
    let vendor = tokio::spawn(vendor_log(app, listener, base, log.clone(), inbox, stop.clone()));
    let others = tokio::spawn(elsewhere.serve(stop.clone()));
    let world = tokio::spawn(simulated_world(assembly.app.clone(), port, first, log, stop.clone()));
    let served = run::until_stopped(assembly, bound, stop).await;
    let _ = (world.await, others.await, vendor.await);
    served
}

/// The demo keeps the checkpoints of its access log beside the data folder; a real installation on another machine.
fn witness(values: &mut Values, data: &Path) {
    let chosen = values.text("vault.witness_folder").is_ok_and(|f| !f.is_empty());
    let (Some(beside), false) = (data.file_name(), chosen) else { return };
    let mut name = beside.to_owned();
    name.push("-witness");
    let folder = data.with_file_name(name);
    if !data.join("access-log.db").exists() {
        // Of a demo whose data somebody removed to begin anew.
        let _ = std::fs::remove_dir_all(&folder);
    }
    let folder = folder.display().to_string();
    if let Some(value) = Kind::Path.read(&Raw::Env(folder)) {
        values.set("vault.witness_folder", value, Origin::Demo);
    }
}

/// The sample vendor's own log and its inbox for notices, on a port of its own; people see the log beside ours.
async fn vendor_log(
    app: App,
    listener: TcpListener,
    base: String,
    log: VendorLog,
    inbox: VendorInbox,
    mut stop: watch::Receiver<bool>,
) {
    let router = log.router().merge(inbox.router());
    let serving = tokio::spawn(async move {
        let stopped = async move { drop(stop.wait_for(|stopping| *stopping).await) };
        tokio::select! {
            served = axum::serve(listener, router).into_future() => drop(served),
            () = stopped => {}
        }
    });
    if let Err(e) = kenroku_consent::seed::link_log(&app, &base).await {
        tracing::warn!(error = %e, "the sample vendor's log is not linked");
    }
    let _ = serving.await;
}

/// Ploughs on the roads. They get the address and the keys of their devices, and speak only the public interfaces.
async fn simulated_world(app: App, port: u16, first: bool, log: VendorLog, mut stop: watch::Receiver<bool>) {
    let Ok(snow) = app.get::<Snow>() else { return };
    let graph = snow.graph();
    let network = graph.network();
    let ploughs = kenroku_snow::seed::fleet(network, snow.settings().prefecture).into_iter().map(|p| {
        let points = p.tour.iter().flat_map(|(i, d)| {
            let points = network.segments()[*i as usize].points.iter().copied();
            if *d == Direction::Forward { points.collect::<Vec<_>>() } else { points.rev().collect() }
        });
        kenroku_sim::Plough { key: p.key, tour: points.collect() }
    });
    let config = kenroku_sim::SimConfig {
        base_url: format!("http://127.0.0.1:{port}"),
        seed: 17,
        ploughs: ploughs.collect(),
        clock: app.env().clock.clone(),
        interval_s: 5,
        backlog: if first { Duration::from_secs(100 * 60) } else { Duration::ZERO },
        vendors: vendor(&app, log).await.into_iter().collect(),
    };
    let stopped = async move {
        let _ = stop.wait_for(|stopping| *stopping).await;
    };
    if let Err(e) = kenroku_sim::run(config, stopped).await {
        tracing::warn!(error = %e, "the simulated world could not start");
    }
}

/// The sample vendor asks somebody who lives here, somebody who comes home to give birth, and a child, whose guardian answers.
async fn vendor(app: &App, log: VendorLog) -> Option<kenroku_sim::Vendor> {
    use kenroku_consent::seed::{AGREEMENT, KEY, REPORTS, SECTOR};
    let mut subjects = Vec::new();
    for login in ["demo-kenmin", "demo-satogaeri", "demo-kodomo"] {
        match kenroku_identity::seed::known_as(app, login, SECTOR).await {
            Ok(found) => subjects.extend(found.map(|s| s.to_string())),
            Err(e) => tracing::warn!(error = %e, "the sample vendor knows nobody"),
        }
    }
    let (key, agreement) = (KEY.to_owned(), AGREEMENT.to_owned());
    let reports = Some(REPORTS.to_owned());
    let vendor = kenroku_sim::Vendor { key, agreement, reports, subjects, log: Some(log) };
    (!vendor.subjects.is_empty()).then_some(vendor)
}

fn remember(marker: &Path, made: &str) -> Result<(), Stop> {
    std::fs::write(marker, made).map_err(|e| Stop::new(Code::Io, format!("{}: {e}", marker.display())))
}

/// The accounts to try; returns the credential of the emergency account, sealed anew at each start.
async fn accounts(assembly: &Assembly) -> Result<String, Stop> {
    let accounts = assembly.app.get::<Accounts>().map_err(|e| Stop::fault(e.0))?;
    for (login, tenant, role, name) in ACCOUNTS {
        let tenant: Tenant = admin::tenant_of(tenant)?;
        let by: Granted<ManageStaff> = Granted::for_system("demo", tenant);
        let new = NewStaff { login, name, password: PASSWORD, roles: &[role] };
        match accounts.create_staff(&by, &new).await {
            Ok(_) | Err(AccountError::LoginTaken) => {}
            Err(e) => return Err(Stop::new(Code::Data, format!("the demo account {login}: {e}"))),
        }
    }
    let by: Granted<ManageStaff> = Granted::for_system("demo", admin::tenant_of(EMERGENCY.1)?);
    let sealed = accounts.seal_break_glass(&by, EMERGENCY.0, &[MUNI_ADMIN]).await;
    sealed.map_err(|e| Stop::new(Code::Data, format!("the emergency account: {e}")))
}

fn welcome(port: u16, elsewhere: &elsewhere::Elsewhere, vendor: &str, emergency: &str) -> String {
    let residents: String =
        kenroku_identity::seed::ACCOUNTS.iter().map(|a| format!("  {:<16} {}\n", a.login, a.ja)).collect();
    let accounts: String =
        ACCOUNTS.iter().map(|(login, _, _, what)| format!("  {login:<16} {what}\n")).collect();
    format!(
        "\n兼六 Kenroku (demo: 模擬データ, simulated data)\n  http://localhost:{port}/\n\n\
         職員の利用者 Staff accounts, password {PASSWORD}\n{accounts}  {:<16} 能美市 緊急用 (/staff/break-glass), {emergency}\n\n\
         いしかわIDの利用者 Residents (/id/sign-in), password {RESIDENTS}; the demo shows the code\n{residents}\n{elsewhere}見本の事業者の記録（模擬） The sample vendor's own log, which can be made silent\n  {vendor}/\n\nCtrl-C で終了 stops it.\n",
        EMERGENCY.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::OWN;

    #[test]
    fn the_port_is_chosen_by_the_environment() {
        let env = |v: &str| [("PORT".to_owned(), v.to_owned())];
        let mut values = Values::defaults(OWN, true);
        port(&mut values, env("9000")).unwrap();
        assert_eq!(values.text("server.public").unwrap(), "0.0.0.0:9000");
        assert_eq!(port(&mut values, env("high")).unwrap_err().code, Code::Config);
    }
}
