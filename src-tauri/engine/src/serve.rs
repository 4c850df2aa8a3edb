//! The loopback listener: answers the api. One line per call; what is decided is decided elsewhere.

mod calls;
mod guard;
mod metrics;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{Arc, mpsc::channel},
    thread::JoinHandle,
    time::Duration,
};

use anyhow::Context;
use shim_api::home::{ENGINE_FILE, EngineFile};
use shim_core::time::Timestamp;
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    changes,
    home::Home,
    metrics::Metrics,
    paths::write_whole,
    restore::{self, RESTORES_MAX},
    run::{Handle, Input, Tasks, Watch, now},
    shutdown::ToldBy,
    snapshots::Snapshots,
};

/// How long requests under way may take to end when the engine does.
const STOP_WAIT: Duration = Duration::from_secs(3);
/// Requests in work at once.
const REQUESTS_MAX: usize = 64;

/// What every call has at hand.
#[derive(Clone)]
pub struct Engine {
    pub handle: Handle,
    pub file: EngineFile,
    pub embedded: bool,
    pub stop: CancellationToken,
    pub restores: Arc<Semaphore>,
    pub requests: Arc<Semaphore>,
}

/// A running engine.
pub struct Running {
    pub file: EngineFile,
    stop: CancellationToken,
    tracker: TaskTracker,
    handle: Handle,
    watch: Option<JoinHandle<()>>,
    snapshots: Snapshots,
    keeping: Option<JoinHandle<()>>,
}

/// Starts the engine on an opened data folder. `embedded` takes any free port: it lives for one command.
pub async fn start(home: Home, embedded: bool) -> anyhow::Result<Running> {
    restore::close_unfinished(&home).context("an interrupted restore could not be closed")?;
    let left = changes::left(&home.path);
    let home = Arc::new(home);
    let stop = CancellationToken::new();
    let tracker = TaskTracker::new();
    let (inputs, taken) = channel();
    let metrics = Metrics::recalled(&home.store).context("the store could not be read")?;
    let handle = Handle::new(Arc::clone(&home), inputs, metrics);
    let tasks =
        Tasks { runtime: tokio::runtime::Handle::current(), tracker: tracker.clone(), stop: stop.clone() };
    let mut watch = Watch::open(Arc::clone(&home), handle.clone(), tasks.clone(), embedded)
        .context("the store could not be read")?;
    watch.checkpoints.only_asked = embedded;
    let snapshots = watch.checkpoints.snapshots.clone();
    let keeping = snapshots.start(handle.clone(), left)?;
    let watch = std::thread::Builder::new().name("watch".to_owned()).spawn(move || watch.run(&taken))?;

    let listener = listen(if embedded { 0 } else { home.settings().api_port }).await?;
    let file = EngineFile {
        port: listener.local_addr()?.port(),
        token: format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple()),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: now(),
    };
    let context = Engine {
        handle: handle.clone(),
        file: file.clone(),
        embedded,
        stop: stop.clone(),
        restores: Arc::new(Semaphore::new(RESTORES_MAX)),
        requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
    };
    if !embedded && context.handle.home.demo.is_none() {
        crate::shutdown::listen(&tasks, &handle);
    }
    let ended = stop.clone();
    tracker.spawn(async move {
        let served =
            axum::serve(listener, calls::router(context)).with_graceful_shutdown(ended.cancelled_owned());
        if let Err(error) = served.await {
            tracing::error!("the listener ended: {error}");
        }
    });
    write_engine_file(&home.path, &file)?;
    Ok(Running { file, stop, tracker, handle, watch: Some(watch), snapshots, keeping: Some(keeping) })
}

impl Running {
    /// Waits until the first look at everything is done.
    pub async fn settled(&self) -> anyhow::Result<()> {
        let handle = self.handle.clone();
        tokio::task::spawn_blocking(move || {
            handle.call(|watch| {
                watch.sweep();
                while !watch.backlog.is_empty() {
                    watch.work_on_backlog();
                }
                watch.settle();
            })
        })
        .await??;
        Ok(())
    }

    /// Resolves when the engine was asked to end over the api.
    pub async fn asked_to_stop(&self) {
        self.stop.cancelled().await;
    }

    /// The engine is about to end, and who says so. What it cannot judge any more it leaves to the next one.
    pub async fn farewell(&self, told_by: ToldBy) {
        let handle = self.handle.clone();
        let said = tokio::task::spawn_blocking(move || handle.call(move |watch| watch.farewell(told_by)));
        let _ = tokio::time::timeout(STOP_WAIT, said).await;
    }

    /// Ends everything: what was accepted is written, every task has ended when this returns.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let _ = self.handle.inputs.send(Input::Stop);
        if let Some(watch) = self.watch.take() {
            let _ = tokio::task::spawn_blocking(move || watch.join()).await;
        }
        if let Some(keeping) = self.keeping.take() {
            let snapshots = self.snapshots.clone();
            let _ = tokio::task::spawn_blocking(move || snapshots.end(keeping)).await;
        }
        self.tracker.close();
        // A peer that neither reads nor goes away is not waited for.
        let _ = tokio::time::timeout(STOP_WAIT, self.tracker.wait()).await;
    }
}

/// The port wanted, or another free one when it is taken.
async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match TcpListener::bind(at(port)).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            tracing::info!("port {port} is in use; taking another");
            TcpListener::bind(at(0)).await.context("no port is free on 127.0.0.1")
        }
        Err(error) => Err(error).context(format!("127.0.0.1:{port} cannot be listened on")),
    }
}

fn write_engine_file(home: &Path, file: &EngineFile) -> anyhow::Result<()> {
    write_whole(&home.join(ENGINE_FILE), &serde_json::to_vec_pretty(file)?)
        .context("engine.json could not be written")
}

/// The last moment that RFC 3339 can say.
const YEAR_9999_MS: i64 = 253_402_207_200_000;

/// Until when a pause lasts: so many seconds, or for good.
pub fn pause_until(seconds: Option<u64>) -> Timestamp {
    seconds.map_or(Timestamp::from_ms(YEAR_9999_MS), |seconds| now().plus(Duration::from_secs(seconds)))
}
