//! The plug: what a module hands to the binary.
//!
//! **What it is.** [`Module`] is one plain value: name, migrations, permissions, operations and pages, texts,
//! portal card, importers, demo data. The binary lists the modules it is made of; nothing registers itself.
//! [`check`] tells what does not fit together before anything is served.
//!
//! **What it is not.** No plug-in loading at run time, no dependency injection: a module's own services are put
//! into the [`App`] by its [`Module::start`] hook, under their type.
//!
//! **How to add a module.** `cargo xtask new-service NAME` writes one and plugs it into `bin/kenroku/src/modules.rs`.
//!
//! ```
//! use kenroku_http::{Public, Routes};
//! use kenroku_module::{Card, Module};
//!
//! async fn page(_: Public) -> &'static str { "雪" }
//!
//! pub fn module() -> Module {
//!     Module::new("snow")
//!         .routes(Routes::new().get("/snow", page))
//!         .entities(&["RoadSegment"])
//!         .card(Card::new("snow-card-title", "snow-card-text", "/snow"))
//! }
//! assert_eq!(kenroku_module::check(&[module()]), Vec::<String>::new());
//! ```

mod assemble;
mod check;
pub mod chores;
mod dead;
pub mod settings;
#[cfg(any(test, feature = "testing"))]
pub mod test;

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use kenroku_access::{Authenticator, ModuleAccess, PermissionMeta, PolicyFile, Role};
use kenroku_bus::Worker;
use kenroku_http::{App, AppBuilder, Routes};
use kenroku_store::{Db, ModuleMigrations};
use kenroku_types::Env;
use kenroku_ui::LocaleFile;
use kenroku_vault::{Explanation, Field, ModuleVault, Purpose, Reseal};

pub use assemble::{
    AssembleError, Assembly, Base, Cards, Look, OpenApiText, Tools, assemble, kernel, migrations,
};
pub use check::check;
pub use dead::{HandleDead, ViewDead};
pub use settings::{Kind, Setting, Values};

/// Why a hook failed; the operator reads its text.
pub type HookError = Box<dyn std::error::Error + Send + Sync>;

/// What a hook returns. `Box::pin(async move { … })`.
pub type HookFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, HookError>> + Send + 'a>>;

/// Puts a module's services into the app before it serves; the database is migrated, earlier modules have
/// started.
pub type StartHook = for<'a> fn(&'a mut AppBuilder) -> HookFuture<'a, ()>;

/// Makes what knows the sessions and keys that a module gave out; asked after the kernel's own.
pub type AuthenticatorHook = fn(&Db, &Env) -> Box<dyn Authenticator>;

/// Connects a module with what others put into the app, once all of them have started and before anything is served.
pub type ReadyHook = fn(&App) -> Result<(), HookError>;

/// Adds a module's event handlers, jobs and schedules to the worker, after everything has started:
/// `Ok(worker.consumer(…).job::<MyJob, _>(…).schedule(…))`.
pub type WorkHook = fn(Worker, &App) -> Result<Worker, HookError>;

/// Writes the demo's data once; returns what it made, for the summary (`12 ploughs, 4 areas`).
pub type SeedHook = fn(App) -> HookFuture<'static, String>;

/// How a module renews its sealed values when a person's data key is renewed; called once everything has started.
pub type ResealHook = fn(&App) -> Result<Vec<Box<dyn Reseal>>, HookError>;

/// What a module is made of. Build it with the methods, in `pub fn module() -> Module`.
pub struct Module {
    /// Its name: lower-case letters, digits and hyphens. First part of its paths, permissions, tables, texts.
    pub name: &'static str,
    /// Its schema.
    pub migrations: Option<ModuleMigrations>,
    /// Its permissions, roles and policies.
    pub access: ModuleAccess,
    /// What personal data it keeps sealed, and for what it opens it.
    pub vault: ModuleVault,
    /// Its operations and pages.
    pub routes: Routes,
    /// Its texts in the three languages.
    pub locales: Vec<LocaleFile>,
    /// NGSI-LD entity types that it publishes.
    pub entities: Vec<&'static str>,
    /// Its tile on the portal.
    pub card: Option<Card>,
    /// See [`AuthenticatorHook`].
    pub authenticator: Option<AuthenticatorHook>,
    /// What it offers to staff, on the first page after they signed in.
    pub tools: Vec<Tool>,
    /// See [`StartHook`].
    pub start: Option<StartHook>,
    /// See [`ReadyHook`].
    pub ready: Option<ReadyHook>,
    /// See [`WorkHook`].
    pub work: Option<WorkHook>,
    /// See [`ResealHook`].
    pub reseals: Option<ResealHook>,
    /// See [`SeedHook`].
    pub demo: Option<SeedHook>,
    /// What `kenroku import` can read for it.
    pub importers: Vec<Importer>,
    /// Its settings in the config file.
    pub settings: Vec<Setting>,
}

impl Module {
    /// A module of this name with nothing in it.
    pub fn new(name: &'static str) -> Self {
        Module {
            name,
            migrations: None,
            vault: ModuleVault { module: name, ..ModuleVault::default() },
            access: ModuleAccess { module: name, ..ModuleAccess::default() },
            routes: Routes::new(),
            locales: Vec::new(),
            entities: Vec::new(),
            card: None,
            authenticator: None,
            tools: Vec::new(),
            start: None,
            ready: None,
            work: None,
            reseals: None,
            demo: None,
            importers: Vec::new(),
            settings: Vec::new(),
        }
    }

    /// Its schema: `kenroku_store::migrations!("name", ["0001_init"])`.
    #[must_use]
    pub fn migrations(mut self, migrations: ModuleMigrations) -> Self {
        self.migrations = Some(migrations);
        self
    }

    /// Its permissions: `&[ViewLiveSnow::META]`.
    #[must_use]
    pub fn permissions(mut self, permissions: &[PermissionMeta]) -> Self {
        self.access.permissions.extend(permissions);
        self
    }

    /// Roles that only make sense with it.
    #[must_use]
    pub fn roles(mut self, roles: &[Role]) -> Self {
        self.access.roles.extend_from_slice(roles);
        self
    }

    /// Its Cedar policies: `include_str!("../policies/snow.cedar")`, with what they are about, in Japanese.
    #[must_use]
    pub fn policies(mut self, text: &'static str, explanation_ja: &'static str) -> Self {
        self.access.policies.push(PolicyFile { module: self.name, text, explanation_ja });
        self
    }

    /// For what it opens personal data, each with its legal basis.
    #[must_use]
    pub fn purposes(mut self, purposes: &[&'static Purpose]) -> Self {
        self.vault.purposes.extend_from_slice(purposes);
        self
    }

    /// Its purposes in the words of the public register.
    #[must_use]
    pub fn explains(mut self, explanations: &[&'static Explanation]) -> Self {
        self.vault.explanations.extend_from_slice(explanations);
        self
    }

    /// Its sealed columns.
    #[must_use]
    pub fn fields(mut self, fields: &[&'static Field]) -> Self {
        self.vault.fields.extend_from_slice(fields);
        self
    }

    /// Adds operations: `Routes::new().get("/snow", page).add(op!(api::ingest))`.
    #[must_use]
    pub fn routes(mut self, routes: Routes) -> Self {
        self.routes = self.routes.merge(routes);
        self
    }

    /// Its texts: `kenroku_ui::locales!("name", "../i18n")`.
    #[must_use]
    pub fn locales(mut self, files: impl IntoIterator<Item = LocaleFile>) -> Self {
        self.locales.extend(files);
        self
    }

    /// NGSI-LD entity types that it publishes; each type has one owner.
    #[must_use]
    pub fn entities(mut self, types: &[&'static str]) -> Self {
        self.entities.extend(types);
        self
    }

    /// Its tile on the portal.
    #[must_use]
    pub fn card(mut self, card: Card) -> Self {
        self.card = Some(card);
        self
    }

    /// What knows the sessions and keys that it gives out.
    #[must_use]
    pub fn authenticator(mut self, hook: AuthenticatorHook) -> Self {
        self.authenticator = Some(hook);
        self
    }

    /// A page for staff, offered to those who have the permission.
    #[must_use]
    pub fn tool(mut self, title: &'static str, href: &'static str, needs: PermissionMeta) -> Self {
        self.tools.push(Tool { title, href, needs });
        self
    }

    /// What to do before serving, usually `builder.put(MyService::load(…))`.
    #[must_use]
    pub fn start(mut self, hook: StartHook) -> Self {
        self.start = Some(hook);
        self
    }

    /// What it needs of modules that start after it.
    #[must_use]
    pub fn ready(mut self, hook: ReadyHook) -> Self {
        self.ready = Some(hook);
        self
    }

    /// Its event handlers, jobs and schedules; they run in `serve` and in `worker`.
    #[must_use]
    pub fn work(mut self, hook: WorkHook) -> Self {
        self.work = Some(hook);
        self
    }

    /// How its sealed values follow the renewal of data keys.
    #[must_use]
    pub fn reseals(mut self, hook: ResealHook) -> Self {
        self.reseals = Some(hook);
        self
    }

    /// Data for `kenroku demo`, written once into an empty installation. It must be labelled 模擬データ.
    #[must_use]
    pub fn demo(mut self, hook: SeedHook) -> Self {
        self.demo = Some(hook);
        self
    }

    /// Its settings; each key begins with the module's name.
    #[must_use]
    pub fn settings(mut self, settings: &[Setting]) -> Self {
        self.settings.extend_from_slice(settings);
        self
    }

    /// A kind of file that `kenroku import` reads for it.
    #[must_use]
    pub fn importer(mut self, importer: Importer) -> Self {
        self.importers.push(importer);
        self
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Module({}, {} operations)", self.name, self.routes.ops().len())
    }
}

/// A page for staff.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// Key of the title.
    pub title: &'static str,
    /// Where it leads.
    pub href: &'static str,
    /// Who does not have it is not offered the page.
    pub needs: PermissionMeta,
}

/// A tile on the portal.
#[derive(Clone)]
pub struct Card {
    /// Key of the title.
    pub title: &'static str,
    /// Key of the sentence below it.
    pub about: &'static str,
    /// Where it leads.
    pub href: &'static str,
    /// Name of the icon in the sprite.
    pub icon: &'static str,
    /// Cards are sorted by this, then by module.
    pub order: u16,
    /// A line that says how things are now, if there is one.
    pub status: Option<CardStatus>,
}

/// Reads a card's line; it must be quick, the portal's first page waits for it.
pub type CardStatus = fn(App) -> HookFuture<'static, Option<CardLine>>;

/// A line of text with values: a key and its arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct CardLine {
    /// Key of the text.
    pub key: &'static str,
    /// Its arguments.
    pub args: Vec<(&'static str, String)>,
    /// Whether it is simulated data.
    pub simulated: bool,
}

impl Card {
    /// A card with the general icon, in the middle of the order.
    pub fn new(title: &'static str, about: &'static str, href: &'static str) -> Self {
        Card { title, about, href, icon: "service", order: 100, status: None }
    }

    /// Name of the icon in the sprite.
    #[must_use]
    pub fn icon(mut self, name: &'static str) -> Self {
        self.icon = name;
        self
    }

    /// Where it stands: smaller comes first.
    #[must_use]
    pub fn order(mut self, order: u16) -> Self {
        self.order = order;
        self
    }

    /// What it says about the present.
    #[must_use]
    pub fn status(mut self, read: CardStatus) -> Self {
        self.status = Some(read);
        self
    }
}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Card({} → {})", self.title, self.href)
    }
}

/// One kind of file that `kenroku import KIND FILE` reads.
#[derive(Clone, Copy)]
pub struct Importer {
    /// The kind, as typed: `osm-roads`.
    pub kind: &'static str,
    /// What it reads and what it makes of it, in one sentence.
    pub about: &'static str,
    /// Reads the file.
    pub run: fn(Import) -> HookFuture<'static, String>,
}

/// What an importer gets. Its result is a summary for the operator.
pub struct Import {
    /// The app, all modules started.
    pub app: App,
    /// The file.
    pub file: PathBuf,
    /// Told how far it is: done and in all, of whatever the importer counts (0 in all: unknown).
    pub progress: Box<dyn FnMut(u64, u64) + Send>,
}
