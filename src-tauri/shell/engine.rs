//! The engine as the shell sees it: finds it, starts it when none runs, starts it again when it dies, and
//! listens to its events. An engine that somebody else started is used and left alone.

mod program;
mod restarts;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::Context;
use program::{Child, Program};
use restarts::Restarts;
use shim_api::{ApiError, Engine, error::ErrorCode, events::Event};

/// How often a starting or missing engine is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long Quit waits for the engine to end.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// What the rest of the shell hears from the engine's thread.
pub trait Listener: Send + 'static {
    fn engine_is(&self, up: bool);
    fn event(&self, event: Event);
}

/// The way to the engine, shared by all threads.
#[derive(Clone)]
pub struct Link(Arc<Shared>);

struct Shared {
    home: PathBuf,
    state: Mutex<State>,
    woken: Condvar,
}

struct State {
    reach: Reach,
    /// The engine that was started here; its end is asked for at Quit.
    own: Option<Child>,
    closing: bool,
}

enum Reach {
    Up(Engine),
    Down { why: String },
}

impl Link {
    /// The way to the engine of this data folder, which is made if it is not there.
    pub fn new(home: PathBuf) -> anyhow::Result<Self> {
        program::create_private(&home)
            .with_context(|| format!("the data folder {} cannot be made", home.display()))?;
        let reach = Reach::Down { why: "starting it".to_owned() };
        let state = Mutex::new(State { reach, own: None, closing: false });
        Ok(Self(Arc::new(Shared { home, state, woken: Condvar::new() })))
    }

    pub fn home(&self) -> &Path {
        &self.0.home
    }

    pub fn engine(&self) -> Result<Engine, ApiError> {
        match &self.state().reach {
            Reach::Up(engine) => Ok(engine.clone()),
            Reach::Down { why } => {
                Err(ApiError::new(ErrorCode::EngineDown, format!("SHIM's engine is down: {why}")))
            }
        }
    }

    /// Why no engine answers, in words for a person.
    pub fn why_down(&self) -> String {
        match &self.state().reach {
            Reach::Up(_) => "it does not answer".to_owned(),
            Reach::Down { why } => why.clone(),
        }
    }

    /// Takes over why none answers, from who starts it. Whether that is news.
    pub fn hear_why_down(&self, said: String) -> bool {
        match &mut self.state().reach {
            Reach::Down { why } if *why != said => {
                *why = said;
                true
            }
            Reach::Down { .. } | Reach::Up(_) => false,
        }
    }

    pub fn is_closing(&self) -> bool {
        self.state().closing
    }

    /// Ends the engine if it was started here, and the watching over it. Blocks up to `STOP_WAIT`.
    pub fn close(&self) {
        self.state().closing = true;
        self.0.woken.notify_all();
        if self.own_engine_runs() {
            if let Err(error) = self.engine().and_then(|engine| engine.stop()) {
                tracing::warn!("the engine could not be asked to end: {error}");
            }
            let deadline = Instant::now() + STOP_WAIT;
            while self.own_engine_runs() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Reaps the own engine when it has ended.
    fn own_engine_runs(&self) -> bool {
        self.state().own.as_mut().is_some_and(Child::runs)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pause(&self, span: Duration) {
        let state = self.state();
        drop(self.0.woken.wait_timeout_while(state, span, |state| !state.closing));
    }
}

/// Starts the thread that keeps an engine running. It ends when the link closes; where it waits for the
/// next event of somebody else's engine, it ends with the process.
pub fn keep(link: Link, listener: impl Listener) -> anyhow::Result<JoinHandle<()>> {
    let starts = Starts { program: Program::find(), restarts: Restarts::new(Instant::now()) };
    spawn(Keeper { link, listener, starts: Some(starts) })
}

/// Like `keep`, but starts none. One that runs is reached when this returns.
pub fn follow(link: Link, listener: impl Listener) -> anyhow::Result<JoinHandle<()>> {
    if let Ok(engine) = Engine::connect(link.home()) {
        link.state().reach = Reach::Up(engine);
    }
    spawn(Keeper { link, listener, starts: None })
}

fn spawn(keeper: Keeper<impl Listener>) -> anyhow::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("engine".to_owned())
        .spawn(move || keeper.run())
        .context("no thread for the engine")
}

struct Keeper<L> {
    link: Link,
    listener: L,
    /// `None`: another process starts it.
    starts: Option<Starts>,
}

struct Starts {
    program: Program,
    restarts: Restarts,
}

impl<L: Listener> Keeper<L> {
    fn run(mut self) {
        while !self.link.is_closing() {
            match Engine::connect(self.link.home()) {
                Ok(engine) => self.listen(&engine),
                Err(error) => self.start_if_due(&error),
            }
            self.link.pause(LOOK_EVERY);
        }
    }

    /// Holds the event stream open; it breaks when the engine ends.
    fn listen(&mut self, engine: &Engine) {
        let since = Instant::now();
        self.link.state().reach = Reach::Up(engine.clone());
        self.listener.engine_is(true);
        let ended = engine.events(|event| {
            self.listener.event(event);
            !self.link.is_closing()
        });
        if let Err(error) = ended {
            tracing::info!("{error}");
        }
        if let Some(starts) = &mut self.starts {
            starts.restarts.stood(since.elapsed());
        }
        self.set_down("it ended; starting it again".to_owned());
    }

    fn start_if_due(&mut self, error: &ApiError) {
        if self.link.own_engine_runs() {
            return;
        }
        if error.code != ErrorCode::EngineDown {
            // One runs and answers, but not as this version understands: a second one would not help.
            return self.set_down(error.message.clone());
        }
        let Some(Starts { program, restarts }) = &mut self.starts else { return };
        let ended = self.link.state().own.take();
        let mut down = None;
        if let Some(child) = ended {
            let how = child.last_words();
            tracing::warn!("the engine that was started here is gone: {how}");
            restarts.died(Instant::now());
            down = Some(format!("{how}; starting it again"));
        }
        if restarts.is_due(Instant::now()) {
            match program.start(self.link.home()) {
                Ok(child) => self.link.state().own = Some(child),
                Err(error) => {
                    restarts.died(Instant::now());
                    down = Some(format!("{error:#}"));
                }
            }
        }
        if let Some(why) = down {
            self.set_down(why);
        }
    }

    fn set_down(&self, why: String) {
        let news = {
            let mut state = self.link.state();
            let news = !matches!(&state.reach, Reach::Down { why: known } if *known == why);
            state.reach = Reach::Down { why };
            news
        };
        if news {
            self.listener.engine_is(false);
        }
    }
}
