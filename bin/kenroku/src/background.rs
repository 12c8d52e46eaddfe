//! Loops that modules run besides answering requests: in `serve`, in `worker` and in `demo`.

use kenroku_http::App;
use kenroku_snow::Snow;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Starts them; each ends soon after `stop` turns true.
pub fn start(app: &App, stop: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
    let mut running = Vec::new();
    if let Ok(snow) = app.get::<Snow>() {
        let mut stop = stop.clone();
        running.push(tokio::spawn(async move {
            snow.run(async move {
                let _ = stop.wait_for(|stopping| *stopping).await;
            })
            .await;
        }));
    }
    running
}

/// Waits until all have ended.
pub async fn ended(loops: Vec<JoinHandle<()>>) {
    for one in loops {
        if let Err(e) = one.await {
            tracing::error!(error = %e, "a background loop broke off");
        }
    }
}
