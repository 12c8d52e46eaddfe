//! `serve` and `worker`.

use std::net::SocketAddr;

use kenroku_access::{Policies, SecureCookies, TenantTree, WebRules};
use kenroku_http::serve::Bound;
use kenroku_http::{App, AppBuilder, Listener, serve as http_serve};
use kenroku_module::{Assembly, Base, Look, Module, Values, assemble};
use kenroku_places::Places;
use kenroku_store::{Db, Engine};
use kenroku_types::Env;
use kenroku_vault::{MAX_KEY_CACHE, Vault};
use tokio::sync::watch;

use crate::exit::{Code, Stop};
use crate::{background, cards, config, logging, open};

/// Serves until the signal to stop.
pub async fn serve(modules: Vec<Module>, values: Values) -> Result<(), Stop> {
    logging::start(&values)?;
    let _lock = open::lock(&values)?;
    let bound = bind(&values).await?;
    let db = open::database(&values)?;
    open::migrate(&db, &modules).await?;
    let assembly = put_together(modules, &values, db).await?;
    until_stopped(assembly, bound, stop_signal()?).await
}

/// Works in the background until the signal to stop.
pub async fn worker(modules: Vec<Module>, values: Values) -> Result<(), Stop> {
    logging::start(&values)?;
    let db = open::database(&values)?;
    if db.engine() == Engine::Sqlite {
        return Err(Stop::new(
            Code::Config,
            "with the embedded database `serve` does the background work itself; `worker` is for store.engine = \"postgres\"",
        ));
    }
    open::migrate(&db, &modules).await?;
    let assembly = put_together(modules, &values, db).await?;
    tracing::info!("worker started");
    let mut stop = stop_signal()?;
    let loops = background::start(&assembly.app, &stop);
    let stopping = async move { drop(stop.wait_for(|stopping| *stopping).await) };
    assembly.worker.run(stopping).await.map_err(Stop::fault)?;
    background::ended(loops).await;
    tracing::info!("worker stopped");
    Ok(())
}

/// The permissions, roles and policies of all modules over the tenants of this installation.
pub fn policies(modules: &[Module]) -> Result<Policies, Stop> {
    Policies::new(tenants()?, modules.iter().map(|m| m.access.clone())).map_err(Stop::fault)
}

/// The prefecture and its municipalities.
fn tenants() -> Result<TenantTree, Stop> {
    let places = Places::shared().map_err(Stop::fault)?;
    TenantTree::new(places.tenant_parents()).map_err(Stop::fault)
}

/// Builds the service from the modules and the configuration.
pub async fn put_together(modules: Vec<Module>, values: &Values, db: Db) -> Result<Assembly, Stop> {
    let settings = config::http(values)?;
    let secure = if settings.tls { SecureCookies::Always } else { SecureCookies::WhenHttps };
    let env = Env::system();
    let base = Base {
        bus: config::bus(values, &env)?,
        witness: open::witness(values)?,
        vault: open::vault(values, &db, &modules, &env).await?,
        env,
        settings,
        db,
        tenants: tenants()?,
        web: WebRules { secure },
        authenticator: None,
        look: Look {
            names: kenroku_portal::NAMES,
            simulated: values.bool("site.simulated")?,
            sign_in: Some("/id/sign-in".to_owned()),
            own_page: Some("/id".to_owned()),
            footer: kenroku_portal::FOOTER.map(|(key, href)| (key.to_owned(), href.to_owned())).to_vec(),
        },
        services,
        values: values.clone(),
    };
    Ok(assemble(modules, base).await?)
}

/// What the binary puts into the app for the modules.
fn services(app: &mut AppBuilder, values: &Values) {
    app.put(kenroku_portal::Operator {
        name: values.text("site.operator").unwrap_or_default(),
        contact: values.text("site.contact").unwrap_or_default(),
    });
    if values.bool("identity.demo").unwrap_or(false) {
        match cards::simulated(app.env().now()) {
            Ok(trust) => {
                app.put(trust);
            }
            Err(e) => {
                tracing::error!(error = %e, "no card is accepted: the simulated hierarchy cannot be loaded")
            }
        }
    }
}

/// Binds every configured address before anything slow happens, so that a taken port is told at once.
pub async fn bind(values: &Values) -> Result<Vec<Bound>, Stop> {
    let mut bound = Vec::new();
    for (key, kind) in [
        ("server.public", Listener::Public),
        ("server.staff", Listener::Staff),
        ("server.admin", Listener::Admin),
    ] {
        let text = values.text(key)?;
        if text.is_empty() {
            continue;
        }
        let addr: SocketAddr = text.parse().map_err(Stop::fault)?;
        let one = Bound::bind(addr, kind).await.map_err(|e| {
            let mut stop = Stop::from(e);
            stop.text.push_str(&format!(" (setting {key})"));
            stop
        })?;
        bound.push(one);
    }
    if bound.is_empty() {
        return Err(Stop::new(Code::Config, "no address to listen on; set server.public"));
    }
    Ok(bound)
}

/// Serves until `stop`, then drains.
pub async fn until_stopped(
    assembly: Assembly,
    bound: Vec<Bound>,
    stop: watch::Receiver<bool>,
) -> Result<(), Stop> {
    for b in &bound {
        let addr = b.addr().map_err(Stop::fault)?;
        tracing::info!(%addr, "listening");
    }
    let loops = background::start(&assembly.app, &stop);
    let (mut told, app) = (stop.clone(), assembly.app.clone());
    let forgetting = tokio::spawn(forget_keys(app));
    let stopping = async move { drop(told.wait_for(|stopping| *stopping).await) };
    let worker = tokio::spawn(assembly.worker.run(stopping));
    let cut_off = http_serve::serve(&assembly.app, assembly.router, bound, stop).await;
    forgetting.abort();
    worker.await.map_err(Stop::fault)?.map_err(Stop::fault)?;
    background::ended(loops).await;
    tracing::info!(cut_off, "stopped");
    Ok(())
}

/// Unwrapped keys leave the memory of an idle process too.
async fn forget_keys(app: App) {
    let Ok(vault) = app.get::<Vault>() else { return };
    let mut every = tokio::time::interval(MAX_KEY_CACHE / 4);
    loop {
        every.tick().await;
        vault.tidy();
    }
}

/// Turns true at SIGTERM or Ctrl-C; a second signal ends the process at once.
pub fn stop_signal() -> Result<watch::Receiver<bool>, Stop> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(Stop::fault)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Stop::fault)?;
    let (tell, told) = watch::channel(false);
    tokio::spawn(async move {
        for again in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if again {
                std::process::exit(130);
            }
            tracing::info!("stopping; a second signal ends at once");
            let _ = tell.send(true);
        }
    });
    Ok(told)
}
