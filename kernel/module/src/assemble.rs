//! From a list of modules to a server: the same steps for the binary and for tests.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use kenroku_access::accounts::{AccountRules, Accounts, Passwords};
use kenroku_access::{Access, Authenticator, Permission as _, Policies, PolicyErrors, TenantTree, WebRules};
use kenroku_bus::{Bus, Reading, Worker};
use kenroku_http::metrics::Sample;
use kenroku_http::{App, AppBuilder, ETag, Path, Public, Routes, Settings, health, idempotency, openapi};
use kenroku_store::{Db, ModuleMigrations};
use kenroku_types::{Env, Tenant};
use kenroku_ui::i18n::TextsError;
use kenroku_ui::{LocaleFile, Names, Shell, Texts};
use kenroku_vault::leave::Holders;
use kenroku_vault::{FileWitness, Vault, Witness};

use crate::chores::{FILE_WITNESS, LogWitnesses, Reseals, TENANT_WITNESS};
use crate::{Card, HandleDead, HookError, Kind, Module, Setting, Tool, Values, ViewDead, check, dead};

/// The portal's tiles of all modules, sorted; a service that the portal takes from the app.
#[derive(Debug)]
pub struct Cards(pub Vec<Card>);

/// What all modules offer to staff, in the order of the list; a service that the staff's first page takes from the app.
#[derive(Debug)]
pub struct Tools(pub Vec<Tool>);

/// The OpenAPI document of all modules as JSON; a service that `/openapi.json` and the developers' page take
/// from the app.
#[derive(Debug)]
pub struct OpenApiText(pub String);

/// What all pages of an installation share, as the config file says.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// What the installation is called.
    pub names: Names,
    /// Every page says that its data is simulated (模擬データ).
    pub simulated: bool,
    /// Where people sign in.
    pub sign_in: Option<String>,
    /// Where those who signed in find what is theirs.
    pub own_page: Option<String>,
    /// Links at the foot: key of the words, address.
    pub footer: Vec<(String, String)>,
}

/// Everything put together.
#[derive(Debug)]
pub struct Assembly {
    /// The state, for jobs and commands.
    pub app: App,
    /// The service to listen with.
    pub router: Router,
    /// The background work of all modules.
    pub worker: Worker,
    /// One line per operation with who may use it.
    pub coverage: String,
}

/// Why modules cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// They contradict each other or the rules; see [`check`].
    #[error("the modules do not fit together:\n{}", .0.join("\n"))]
    Unfit(Vec<String>),
    /// Their permissions, roles or policies are wrong.
    #[error(transparent)]
    Policies(#[from] PolicyErrors),
    /// Two of them offer the same operation.
    #[error(transparent)]
    Route(#[from] kenroku_http::routes::RouteError),
    /// Their texts cannot be used.
    #[error(transparent)]
    Texts(#[from] TextsError),
    /// A module could not start.
    #[error("module {0} could not start: {1}")]
    Start(&'static str, HookError),
    /// Two event handlers, jobs or schedules have one name, or a schedule cannot be read.
    #[error(transparent)]
    Work(#[from] kenroku_bus::Error),
}

/// The kernel's own modules, first in every list: their tables, and the pages that every installation has.
pub fn kernel() -> Vec<Module> {
    let pages = Routes::new()
        .merge(health::routes())
        .get("/openapi.json", openapi_json)
        .get("/assets/{*path}", asset)
        .public_pages(
            &["/design", "/design/console", "/design/error", "/design/state.json"],
            &kenroku_ui::design::routes(),
        );
    vec![
        Module::new("bus")
            .migrations(kenroku_bus::MIGRATIONS)
            .permissions(&[ViewDead::META, HandleDead::META])
            .policies(include_str!("../policies/bus.cedar"), "うまくいかなかった処理をだれが扱えるか。")
            .routes(dead::routes())
            .locales(kenroku_ui::locales!("bus", "../i18n"))
            .tool("bus-dead-title", dead::ADDRESS, ViewDead::META),
        // Its permissions, roles and policies are in every `Policies` by themselves.
        Module::new("access").migrations(kenroku_access::accounts::MIGRATIONS).settings(&[CODES]),
        Module::new("http").migrations(idempotency::MIGRATIONS).routes(pages).work(crate::chores::add),
    ]
}

/// Whether the password alone is enough for whoever watches over others.
const CODES: Setting = Setting {
    key: "access.codes_for_administrators",
    kind: Kind::Bool,
    default: "true",
    demo: Some("false"),
    about: "Administrators, operators and data officers need a one-time code besides their password; who has none sets one up at the next sign-in.",
};

/// The migrations of all modules, in the order of the list.
pub fn migrations(modules: &[Module]) -> Vec<ModuleMigrations> {
    modules.iter().filter_map(|m| m.migrations).collect()
}

/// What everything stands on: opened and migrated by the caller.
pub struct Base {
    /// Clock and random source.
    pub env: Env,
    /// Limits and addresses.
    pub settings: Settings,
    /// The database, migrated.
    pub db: Db,
    /// The tenants of the installation.
    pub tenants: TenantTree,
    /// Where events and jobs go.
    pub bus: Bus,
    /// Where personal data is opened; started with what the modules declare (`Module::vault`).
    pub vault: Vault,
    /// Who keeps the checkpoints of the access log.
    pub witness: Option<FileWitness>,
    /// How cookies are set.
    pub web: WebRules,
    /// Who knows sessions and keys before the kernel's accounts and the modules are asked: for tests.
    pub authenticator: Option<Box<dyn Authenticator>>,
    /// What all pages share.
    pub look: Look,
    /// What the binary itself puts into the app, before the modules start.
    pub services: fn(&mut AppBuilder, &Values),
    /// The settings of the config file; those of modules that are not in it have their defaults.
    pub values: Values,
}

/// Checks the modules, starts them in order and builds the service.
///
/// # Errors
/// See [`AssembleError`].
pub async fn assemble(modules: Vec<Module>, base: Base) -> Result<Assembly, AssembleError> {
    let wrong = check(&modules);
    if !wrong.is_empty() {
        return Err(AssembleError::Unfit(wrong));
    }
    let shell = shell(&modules, base.look)?;
    let policies = Policies::new(base.tenants, modules.iter().map(|m| m.access.clone()))?;
    let codes_for_overseers = base.values.bool(CODES.key).unwrap_or(true);
    let rules = AccountRules { codes_for_overseers, ..AccountRules::default() };
    let accounts = Accounts::new(base.db.clone(), base.env.clone(), &policies, Passwords::default(), rules);
    let own: Box<dyn Authenticator> = Box::new(accounts.clone());
    let others = modules.iter().filter_map(|m| m.authenticator.map(|make| make(&base.db, &base.env)));
    let known: Vec<Box<dyn Authenticator>> =
        base.authenticator.into_iter().chain([own]).chain(others).collect();
    let access = Access::new(policies, known, base.web);
    let mut builder = App::builder(base.env, base.settings, base.db, access.clone());
    let keepers: Vec<Tenant> =
        access.policies().tenants().all().into_iter().chain([Tenant::SHARED]).collect();
    builder.put(access);
    builder.put(Holders::default());
    let mut witnesses: Vec<(&'static str, Arc<dyn Witness>)> = Vec::new();
    // Nobody keeps their own.
    if keepers.len() > 1 {
        witnesses.push((TENANT_WITNESS, Arc::new(base.vault.tenant_witness(keepers))));
    }
    witnesses.extend(base.witness.map(|w| (FILE_WITNESS, Arc::new(w) as Arc<dyn Witness>)));
    builder.put(LogWitnesses(witnesses));
    builder.put(base.vault);
    builder.use_bus(base.bus.clone());
    let bus = base.bus.clone();
    builder.metrics().source(move || bus.readings().into_iter().map(sample).collect());
    builder.put(accounts);
    (base.services)(&mut builder, &base.values);
    builder.put(base.values);
    builder.ready_check("database", |app| async move { app.db().ping().await.map_err(|e| e.to_string()) });
    let mut cards: Vec<Card> = modules.iter().filter_map(|m| m.card.clone()).collect();
    cards.sort_by_key(|c| c.order);
    builder.put(Cards(cards));
    builder.put(Tools(modules.iter().flat_map(|m| m.tools.iter().copied()).collect()));
    for m in &modules {
        if let Some(start) = m.start {
            start(&mut builder).await.map_err(|e| AssembleError::Start(m.name, e))?;
        }
    }
    builder.put(Reseals(modules.iter().filter_map(|m| Some((m.name, m.reseals?))).collect()));
    let ready: Vec<_> = modules.iter().filter_map(|m| Some((m.name, m.ready?))).collect();
    let work: Vec<_> = modules.iter().filter_map(|m| Some((m.name, m.work?))).collect();
    let routes = modules.into_iter().fold(Routes::new(), |all, m| all.merge(m.routes.of_module(m.name)));
    let document = openapi::assemble(&routes, env!("CARGO_PKG_VERSION"));
    builder.put(OpenApiText(openapi::to_json(&document)));
    let coverage = routes.coverage();
    let app = builder.build();
    for (name, connect) in ready {
        connect(&app).map_err(|e| AssembleError::Start(name, e))?;
    }
    let mut worker = Worker::new(base.bus, app.db().clone(), kenroku_bus::Settings::default());
    for (name, add) in work {
        worker = add(worker, &app).map_err(|e| AssembleError::Start(name, e))?;
    }
    worker.check()?;
    let router = kenroku_ui::mount(routes.into_router(&app)?, shell);
    Ok(Assembly { router: kenroku_http::serve::compressed(router), worker, app, coverage })
}

fn sample(r: Reading) -> Sample {
    Sample { name: r.name, help: r.help, counter: r.counter, labels: r.labels, value: r.value }
}

fn shell(modules: &[Module], look: Look) -> Result<Shell, TextsError> {
    let files: Vec<LocaleFile> = modules.iter().flat_map(|m| m.locales.iter().copied()).collect();
    let mut shell = Shell::new(Texts::new(&files)?).names(look.names).simulated(look.simulated);
    if let Some(href) = look.sign_in {
        shell = shell.sign_in(href);
    }
    if let Some(href) = look.own_page {
        shell = shell.own_page(href);
    }
    Ok(look.footer.into_iter().fold(shell, |s, (key, href)| s.footer(key, href)))
}

/// The JSON APIs, for programs and for the developers' page.
async fn openapi_json(_: Public, app: App, headers: HeaderMap) -> kenroku_http::Result<Response> {
    let text = app.get::<OpenApiText>()?;
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok(ETag::of(text.0.as_bytes()).respond(&headers, "public, max-age=300", || (kind, text.0.clone())))
}

async fn asset(_: Public, Path(path): Path<String>, headers: HeaderMap) -> Response {
    kenroku_ui::assets::serve(&path, &headers)
}

#[cfg(test)]
mod tests {
    use kenroku_types::Tenant;
    use kenroku_vault::{Category, Field, Reseal, Resealer, Resealing, RetentionClass};

    use super::*;
    use crate::test::TestSite;

    async fn fails(_: Public) -> kenroku_http::Result<String> {
        Err(kenroku_types::Problem::not_found().into())
    }

    #[tokio::test]
    async fn a_site_of_modules_answers_people_and_programs() {
        let module = Module::new("demo").routes(Routes::new().get("/fails", fails));
        let site = TestSite::of([module]).await;
        let page = site.get_with("/fails", &[("accept", "text/html")]).await;
        assert_eq!((page.status.as_u16(), page.header("content-type")), (404, "text/html; charset=utf-8"));
        assert!(page.header("content-security-policy").contains("'self'"));
        assert_eq!(site.get("/fails").await.problem_code(), "not-found");
        assert_eq!(site.get("/assets/fallback.css").await.status, 200);
        assert!(site.get("/openapi.json").await.json()["openapi"].is_string());
        assert_eq!(site.get("/readyz").await.status, 200);
    }

    #[tokio::test]
    async fn the_kernel_clears_away_by_the_clock() {
        let site = TestSite::of([]).await;
        site.work().await;
        site.app().env().clock.advance(std::time::Duration::from_secs(2 * 3600));
        let done = site.work().await;
        assert_eq!((done.fired, done.jobs), (3, 3));
        assert!(
            site.get("/metrics")
                .await
                .text()
                .contains("kenroku_bus_jobs_done_total{of=\"http.clear-away\"} 1")
        );
    }

    const KEEP: RetentionClass =
        RetentionClass {
            code: "demo.notes", ja: "覚え書き", days: Some(30), source: "文書管理規程 別表"
        };
    const NOTE: Field = Field::new("demo", "note", "text", "覚え書き", KEEP, Category::Person);

    /// A module that has renewed all its values.
    struct NothingLeft;
    impl Reseal for NothingLeft {
        fn fields(&self) -> &[&'static Field] {
            &[&NOTE]
        }
        fn reseal<'a>(&'a self, _: &'a Resealer, _: u32) -> Resealing<'a> {
            Box::pin(async { Ok(0) })
        }
    }

    #[tokio::test]
    async fn old_data_keys_go_once_the_module_renews_its_values() {
        let module = || Module::new("demo").fields(&[&NOTE]);
        let covered = || module().reseals(|_| Ok(vec![Box::new(NothingLeft)]));
        for (module, destroyed) in [(module(), 0), (covered(), 1)] {
            let site = TestSite::of([module]).await;
            let (env, vault) = (site.app().env(), site.vault());
            let who = env.id();
            vault.sealer(Tenant::SHARED, &[who], &[&NOTE]).await.unwrap();
            vault.renew_data_key(Tenant::SHARED, who, &KEEP).await.unwrap();
            site.work().await;
            env.clock.advance(std::time::Duration::from_secs(3600));
            site.work().await;
            let left = vault.rotate(&[], 10).await.unwrap();
            assert_eq!(left.waiting, 1 - destroyed, "without a hook the old key is kept");
        }
    }

    #[tokio::test]
    async fn sessions_and_counted_failures_that_ended_are_removed_by_the_clock() {
        use kenroku_access::accounts::{Accounts, NewStaff};
        use kenroku_access::kernel::ManageStaff;
        use kenroku_access::{Actor, Granted};
        use kenroku_types::Tenant;

        let site = TestSite::of([]).await;
        let accounts = site.app().get::<Accounts>().unwrap();
        let by: Granted<ManageStaff> = Granted::for_system("test", Tenant::SHARED);
        let new =
            NewStaff { login: "night-watch", name: "当番", password: "long enough to be one", roles: &[] };
        accounts.create_staff(&by, &new).await.unwrap();
        let from = std::net::IpAddr::from([192, 0, 2, 1]);
        site.work().await;
        let (token, _) = accounts.sign_in(new.login, new.password, from).await.unwrap();
        assert!(accounts.sign_in(new.login, "wrong", from).await.is_err());
        assert_eq!(accounts.sweep().await.unwrap(), 0, "nothing has ended yet");
        assert!(matches!(
            accounts.authenticate(&token).await.unwrap().map(|s| s.actor),
            Some(Actor::Staff { .. })
        ));

        site.app().env().clock.advance(std::time::Duration::from_secs(48 * 3600));
        site.work().await;
        assert!(accounts.authenticate(&token).await.unwrap().is_none());
        assert_eq!(accounts.sweep().await.unwrap(), 0, "the schedule was there before");
    }

    #[tokio::test]
    async fn a_module_that_cannot_start_says_so() {
        let broken = Module::new("demo").start(|_| Box::pin(async { Err("no road network".into()) }));
        let e = TestSite::try_of(vec![broken]).await.err().unwrap();
        assert_eq!(e.to_string(), "module demo could not start: no road network");
    }
}
