//! [`TestSite`]: modules put together as the binary does it, called in the process.
//!
//! ```text
//! let site = TestSite::of([kenroku_snow::module()]).await;
//! assert_eq!(site.get("/snow").await.status, 200);
//! assert_eq!(site.acting(staff).post_json("/api/snow/v1/areas", &area).await.status, 201);
//! ```

use std::ops::Deref;
use std::sync::Arc;

use kenroku_access::{TenantTree, WebRules};
use kenroku_bus::{Bus, Drained, Worker};
use kenroku_http::Settings;
use kenroku_http::test::{NOW, TestApp, TestKeys};
use kenroku_store::Db;
use kenroku_store::testing::{TestDb, sqlite};
use kenroku_types::{Env, Rng};
use kenroku_vault::{KEY_TABLES, LOG_TABLES, MasterKeys, Vault, VaultOptions, VaultParts};

use crate::{AssembleError, Base, Look, Module, Values, WorkHook, assemble, kernel, migrations};

/// The kernel and some modules on a fresh database; every method of [`TestApp`] works on it.
#[derive(Clone)]
pub struct TestSite {
    app: TestApp,
    /// How the modules add their work; a worker is made for each [`TestSite::work`].
    work: Vec<WorkHook>,
    /// Keeps the folders of the vault's databases.
    vault: Arc<TestVault>,
}

/// A vault on databases of its own, as in production.
struct TestVault {
    vault: Vault,
    _databases: [TestDb; 2],
}

impl TestVault {
    #[expect(clippy::panic, reason = "a test cannot go on without its vault")]
    async fn start(modules: &[Module], env: &Env) -> Self {
        let (log, keys) = (sqlite(&[LOG_TABLES]).await, sqlite(&[KEY_TABLES]).await);
        let parts = VaultParts {
            env: env.clone(),
            log: log.db.clone(),
            keys: keys.db.clone(),
            master: MasterKeys::ephemeral(&env.rng),
            modules: modules.iter().map(|m| m.vault.clone()).collect(),
            options: VaultOptions::default(),
        };
        let vault = Vault::start(parts).await.unwrap_or_else(|e| panic!("{e}"));
        TestVault { vault, _databases: [log, keys] }
    }
}

impl Deref for TestSite {
    type Target = TestApp;
    fn deref(&self) -> &TestApp {
        &self.app
    }
}

impl TestSite {
    /// These modules on an embedded database, without tenants.
    ///
    /// # Panics
    /// When they do not fit together.
    pub async fn of(modules: impl IntoIterator<Item = Module>) -> Self {
        Self::within(TenantTree::default(), modules).await
    }

    /// These modules for these tenants.
    ///
    /// # Panics
    /// When they do not fit together.
    #[expect(clippy::panic, reason = "a test cannot go on without its site")]
    pub async fn within(tenants: TenantTree, modules: impl IntoIterator<Item = Module>) -> Self {
        let modules = with_kernel(modules);
        let TestDb { db, dir } = sqlite(&migrations(&modules)).await;
        match Self::put_together(db, tenants, modules).await {
            Ok(site) => site.keep(dir),
            Err(e) => panic!("{e}"),
        }
    }

    /// These modules on a database of the caller's (`#[kenroku_store::test]`), which is migrated here.
    ///
    /// # Panics
    /// When they do not fit together.
    #[expect(clippy::panic, reason = "a test cannot go on without its site")]
    pub async fn on(db: Db, tenants: TenantTree, modules: impl IntoIterator<Item = Module>) -> Self {
        let modules = with_kernel(modules);
        db.migrate(&migrations(&modules), NOW).await.unwrap_or_else(|e| panic!("{e}"));
        Self::put_together(db, tenants, modules).await.unwrap_or_else(|e| panic!("{e}"))
    }

    /// These modules, or why they do not fit together.
    ///
    /// # Errors
    /// As [`assemble`].
    pub async fn try_of(modules: Vec<Module>) -> Result<Self, AssembleError> {
        let modules = with_kernel(modules);
        let TestDb { db, dir } = sqlite(&migrations(&modules)).await;
        let site = Self::put_together(db, TenantTree::default(), modules).await?;
        Ok(site.keep(dir))
    }

    /// Another process on the same database and vault: its own memory, caches and random source.
    ///
    /// # Panics
    /// When they do not fit together.
    #[expect(clippy::panic, reason = "a test cannot go on without its site")]
    pub async fn beside(&self, tenants: TenantTree, modules: impl IntoIterator<Item = Module>) -> Self {
        let env = Env { rng: Rng::seeded(2), ..self.app().env().clone() };
        let (db, modules, vault) = (self.app().db().clone(), with_kernel(modules), Arc::clone(&self.vault));
        Self::with_vault(db, tenants, modules, env, vault).await.unwrap_or_else(|e| panic!("{e}"))
    }

    async fn put_together(db: Db, tenants: TenantTree, modules: Vec<Module>) -> Result<Self, AssembleError> {
        let env = Env::fixed(NOW, 1);
        let vault = Arc::new(TestVault::start(&modules, &env).await);
        Self::with_vault(db, tenants, modules, env, vault).await
    }

    async fn with_vault(
        db: Db,
        tenants: TenantTree,
        modules: Vec<Module>,
        env: Env,
        vault: Arc<TestVault>,
    ) -> Result<Self, AssembleError> {
        let keys = TestKeys::default();
        let values = Values::defaults(modules.iter().flat_map(|m| &m.settings), false);
        let base = Base {
            vault: vault.vault.clone(),
            witness: None,
            bus: Bus::local(env.clone()),
            env,
            settings: Settings::default(),
            db,
            tenants,
            web: WebRules::default(),
            authenticator: Some(Box::new(keys.clone())),
            look: Look::default(),
            services: |_, _| {},
            values,
        };
        let work = modules.iter().filter_map(|m| m.work).collect();
        let assembly = assemble(modules, base).await?;
        Ok(TestSite { app: TestApp::of(assembly.app, assembly.router, keys), work, vault })
    }

    fn keep(self, dir: tempfile::TempDir) -> Self {
        TestSite { app: self.app.keep(dir), ..self }
    }

    /// The vault that the modules use.
    pub fn vault(&self) -> &Vault {
        &self.vault.vault
    }

    /// Does all background work that is due on the test's clock: events, jobs, schedules.
    ///
    /// # Panics
    /// When the worker cannot be put together or the database fails.
    #[expect(clippy::panic, reason = "a test cannot go on when work is not done")]
    pub async fn work(&self) -> Drained {
        let app = self.app();
        let worker = Worker::new(app.bus().clone(), app.db().clone(), kenroku_bus::Settings::default());
        let worker = self
            .work
            .iter()
            .try_fold(worker, |w, add| add(w, app))
            .unwrap_or_else(|e| panic!("a module's work: {e}"));
        worker.drain().await.unwrap_or_else(|e| panic!("{e}"))
    }
}

fn with_kernel(modules: impl IntoIterator<Item = Module>) -> Vec<Module> {
    kernel().into_iter().chain(modules).collect()
}
