//! [`App`]: the state of the server, handed to every handler. Cheap to clone.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use kenroku_access::Access;
use kenroku_bus::Bus;
use kenroku_store::Db;
use kenroku_types::{Env, Problem};

use crate::metrics::Metrics;
use crate::rate::RateLimiter;
use crate::{Error, Settings};

/// What a handler may know besides its request: a handler simply takes an `App` argument.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    env: Env,
    settings: Settings,
    db: Db,
    access: Access,
    bus: Bus,
    services: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
    metrics: Metrics,
    rates: RateLimiter,
    ready_checks: Vec<(&'static str, ReadyCheck)>,
    draining: AtomicBool,
}

/// Answers whether one thing the server needs is usable; the text says what is wrong.
pub type ReadyCheck =
    Box<dyn Fn(App) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// Collects what an [`App`] holds. The binary makes one; tests use [`crate::test::TestApp`].
pub struct AppBuilder(Inner);

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "App({:?}, {} services)", self.0.db, self.0.services.len())
    }
}

impl App {
    /// Starts an app on this clock and random source, with these limits, this database and this door.
    pub fn builder(env: Env, settings: Settings, db: Db, access: Access) -> AppBuilder {
        let rates = RateLimiter::new(settings.rate_per_second, settings.rate_burst);
        AppBuilder(Inner {
            bus: Bus::local(env.clone()),
            env,
            settings,
            db,
            access,
            services: HashMap::new(),
            metrics: Metrics::default(),
            rates,
            ready_checks: Vec::new(),
            draining: AtomicBool::new(false),
        })
    }

    /// The clock and the random source.
    pub fn env(&self) -> &Env {
        &self.0.env
    }

    /// The database.
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// Who may do what.
    pub fn access(&self) -> &Access {
        &self.0.access
    }

    /// Where events are published and jobs are queued.
    pub fn bus(&self) -> &Bus {
        &self.0.bus
    }

    /// Limits and addresses.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The service that the binary or a module put in under its type.
    ///
    /// # Errors
    /// An internal problem when nobody put one in: the binary's test that builds all modules finds this.
    pub fn get<T: Any + Send + Sync>(&self) -> crate::Result<Arc<T>> {
        lookup(&self.0.services)
    }

    /// Counters and histograms.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn rates(&self) -> &RateLimiter {
        &self.0.rates
    }

    pub(crate) fn ready_checks(&self) -> &[(&'static str, ReadyCheck)] {
        &self.0.ready_checks
    }

    /// Says that the server is about to stop: `/readyz` answers 503 so that no new work is sent here.
    pub fn start_draining(&self) {
        self.0.draining.store(true, Ordering::SeqCst);
    }

    /// Whether the server is about to stop.
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::SeqCst)
    }
}

impl AppBuilder {
    /// Puts a service in under its type, replacing an earlier one of the same type.
    pub fn put<T: Any + Send + Sync>(&mut self, service: T) -> &mut Self {
        self.put_shared(Arc::new(service))
    }

    /// Puts a service in that others share already.
    pub fn put_shared<T: Any + Send + Sync>(&mut self, service: Arc<T>) -> &mut Self {
        self.0.services.insert(TypeId::of::<T>(), service);
        self
    }

    /// The clock and the random source.
    pub fn env(&self) -> &Env {
        &self.0.env
    }

    /// The database.
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// Another bus than the one of this process alone.
    pub fn use_bus(&mut self, bus: Bus) -> &mut Self {
        self.0.bus = bus;
        self
    }

    /// Where events are published and jobs are queued.
    pub fn bus(&self) -> &Bus {
        &self.0.bus
    }

    /// Who may do what.
    pub fn access(&self) -> &Access {
        &self.0.access
    }

    /// Limits and addresses.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Limits and addresses, to change them before the app is built.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.0.settings
    }

    /// A service put in earlier.
    ///
    /// # Errors
    /// As [`App::get`].
    pub fn get<T: Any + Send + Sync>(&self) -> crate::Result<Arc<T>> {
        lookup(&self.0.services)
    }

    /// Counters and histograms, to add sources of gauges.
    pub fn metrics(&mut self) -> &mut Metrics {
        &mut self.0.metrics
    }

    /// Adds a condition of `/readyz`.
    pub fn ready_check<F, Fut>(&mut self, name: &'static str, check: F) -> &mut Self
    where
        F: Fn(App) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.0.ready_checks.push((name, Box::new(move |app| Box::pin(check(app)))));
        self
    }

    /// The finished state.
    pub fn build(mut self) -> App {
        self.0.rates = RateLimiter::new(self.0.settings.rate_per_second, self.0.settings.rate_burst);
        App(Arc::new(self.0))
    }
}

fn lookup<T: Any + Send + Sync>(
    services: &HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
) -> crate::Result<Arc<T>> {
    services.get(&TypeId::of::<T>()).and_then(|s| s.clone().downcast::<T>().ok()).ok_or_else(|| {
        let mut problem = Problem::internal();
        problem.cause = format!("no {} was put into the app at start", std::any::type_name::<T>());
        Error(Box::new(problem))
    })
}

impl FromRequestParts<App> for App {
    type Rejection = Infallible;
    async fn from_request_parts(_: &mut Parts, app: &App) -> Result<Self, Infallible> {
        Ok(app.clone())
    }
}

impl FromRef<App> for Env {
    fn from_ref(app: &App) -> Env {
        app.env().clone()
    }
}

impl FromRef<App> for Db {
    fn from_ref(app: &App) -> Db {
        app.db().clone()
    }
}

#[cfg(test)]
mod tests {
    use crate::Routes;
    use crate::test::TestApp;

    #[tokio::test]
    async fn services_are_found_by_type_and_their_absence_is_an_error() {
        let app = TestApp::build(Routes::new(), |b| {
            b.put(7_u32).put_shared(std::sync::Arc::new("plan".to_owned()));
        })
        .await;
        assert_eq!(*app.app().get::<u32>().unwrap(), 7);
        assert_eq!(*app.app().get::<String>().unwrap(), "plan");
        let missing = app.app().get::<u64>().unwrap_err();
        assert_eq!(missing.0.status, 500);
        assert!(missing.0.cause.contains("u64"));
    }
}
