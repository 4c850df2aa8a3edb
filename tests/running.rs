//! Processes that a test starts: ended with it, and waited for.

use std::{
    path::Path,
    process::{Child, ExitStatus},
    time::{Duration, Instant},
};

use shim_api::{Engine, home::read_engine_file};

/// Longest wait for SHIM to do something; machines that run tests are slow at times.
const WAIT: Duration = Duration::from_secs(90);

/// A process that is ended when the test ends.
pub struct Running(pub Child);

impl Running {
    /// The engine that this very process is, once it answers.
    pub fn answers(&mut self, data: &Path) -> Engine {
        let pid = self.0.id();
        wait("the engine to answer", || {
            let ended = self.0.try_wait().unwrap();
            assert!(ended.is_none(), "the engine ended instead of answering: {ended:?}");
            let file = read_engine_file(data).filter(|file| file.pid == pid)?;
            let engine = Engine::at(file);
            engine.status().is_ok().then_some(engine)
        })
    }

    pub fn ended(&mut self) -> ExitStatus {
        wait("the engine to end", || self.0.try_wait().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < WAIT, "waited {} s for {what}", WAIT.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
}
