//! Listening, draining, stopping.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::Service as _;
use tower_http::compression::CompressionLayer;

use crate::App;
use crate::request::{Listener, Peer};

/// Compresses answers with gzip for those who accept it; what is compressed already, pictures and event
/// streams pass as they are.
pub fn compressed(router: Router) -> Router {
    router.layer(CompressionLayer::new())
}

/// One of the addresses, bound and ready to accept.
pub struct Bound {
    listener: TcpListener,
    kind: Listener,
}

/// An address that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program listens there.
    #[error(
        "{0} is in use by another program; stop that program (`ss -ltnp` names it) or choose another port"
    )]
    Taken(SocketAddr),
    /// The system does not let this user have it.
    #[error(
        "{0} may not be used by this user; choose a port of 1024 or above, or give the service CAP_NET_BIND_SERVICE"
    )]
    Forbidden(SocketAddr),
    /// No interface of this machine has the address.
    #[error("{0} is not an address of this machine; `ip address` lists them, 0.0.0.0 and [::] mean all")]
    NotOurs(SocketAddr),
    /// Anything else.
    #[error("{0}: {1}")]
    Other(SocketAddr, io::Error),
}

impl Bound {
    /// Binds an address; port 0 takes any free one.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub async fn bind(addr: SocketAddr, kind: Listener) -> Result<Self, BindError> {
        let listener = TcpListener::bind(addr).await.map_err(|e| match e.kind() {
            io::ErrorKind::AddrInUse => BindError::Taken(addr),
            io::ErrorKind::PermissionDenied => BindError::Forbidden(addr),
            io::ErrorKind::AddrNotAvailable => BindError::NotOurs(addr),
            _ => BindError::Other(addr, e),
        })?;
        Ok(Bound { listener, kind })
    }

    /// The address with its real port.
    pub fn addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Serves until `stop` turns true, then refuses new connections, answers 503 on `/readyz`, and lets running
/// requests finish for as long as the settings say. Returns how many connections were cut off.
pub async fn serve(app: &App, router: Router, bound: Vec<Bound>, mut stop: watch::Receiver<bool>) -> usize {
    let watcher = Arc::new(GracefulShutdown::new());
    let mut accepting = tokio::task::JoinSet::new();
    for b in bound {
        accepting.spawn(accept(app.clone(), router.clone(), b, watcher.clone(), stop.clone()));
    }
    // A dropped sender means that nobody can ask us to stop any more: stop.
    let _ = stop.wait_for(|stopping| *stopping).await;
    app.start_draining();
    while accepting.join_next().await.is_some() {}
    if let Some(watcher) = Arc::into_inner(watcher) {
        // Whoever is still busy after that is cut off; the count tells the operator.
        let _ = tokio::time::timeout(app.settings().drain, watcher.shutdown()).await;
    }
    app.metrics().open_connections()
}

async fn accept(
    app: App,
    router: Router,
    bound: Bound,
    watcher: Arc<GracefulShutdown>,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(app.settings().connections));
    loop {
        let next = async {
            let permit = room.clone().acquire_owned().await;
            (permit, bound.listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            pair = next => pair,
            _ = stop.wait_for(|stopping| *stopping) => return,
        };
        let (stream, addr) = match accepted {
            Ok(pair) => pair,
            Err(error) => {
                // Out of file handles: those who wait are served as soon as others leave.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let running = app.metrics().connection();
        let peer = Peer { addr, listener: bound.kind };
        let connection = connection(&app, router.clone(), stream, peer);
        let watched = watcher.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = watched.await {
                tracing::debug!(%error, "connection ended");
            }
            drop((running, permit));
        });
    }
}

fn connection(
    app: &App,
    router: Router,
    stream: TcpStream,
    peer: Peer,
) -> impl GracefulConnection<Error = hyper::Error> + Send + use<> {
    // Small answers must not wait for the client's acknowledgement (Nagle).
    let _ = stream.set_nodelay(true);
    let settings = app.settings();
    let service = hyper::service::service_fn(move |mut req: hyper::Request<Incoming>| {
        let mut router = router.clone();
        req.extensions_mut().insert(peer);
        let req: Request = req.map(Body::new);
        async move { router.call(req).await }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout)
        .max_buf_size(settings.header_limit.max(8192))
        .keep_alive(true)
        .serve_connection(TokioIo::new(stream), service)
}
