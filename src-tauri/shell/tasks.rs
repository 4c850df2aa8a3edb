//! Short work off the main thread: restores, window opening, waiting for a notification's button. Owned
//! here and limited in number; whatever still runs ends with the process.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

/// Threads at once. Each waiting notification holds one, the rest is brief.
const TASKS_MAX: usize = 24;

#[derive(Default)]
pub struct Tasks {
    running: Mutex<Vec<JoinHandle<()>>>,
    turn: Arc<Mutex<()>>,
}

impl Tasks {
    /// Runs `work` in a thread of its own; false when too many run and `work` was dropped.
    pub fn run(&self, name: &str, work: impl FnOnce() + Send + 'static) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|task| !task.is_finished());
        if running.len() >= TASKS_MAX {
            tracing::warn!("{TASKS_MAX} tasks run already; {name} was dropped");
            return false;
        }
        match std::thread::Builder::new().name(name.to_owned()).spawn(work) {
            Ok(task) => running.push(task),
            Err(error) => {
                tracing::error!("no thread for {name}: {error}");
                return false;
            }
        }
        true
    }

    /// Like `run`, one after the other.
    pub fn run_in_turn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> bool {
        let turn = self.turn.clone();
        self.run(name, move || {
            let _mine = turn.lock().unwrap_or_else(PoisonError::into_inner);
            work();
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn work_beyond_the_limit_is_refused_until_some_ends() {
        let tasks = Tasks::default();
        let (release, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        for _ in 0..TASKS_MAX {
            let held = held.clone();
            assert!(tasks.run("held", move || {
                let _ = held.lock().unwrap().recv();
            }));
        }
        assert!(!tasks.run("one too many", || {}));
        drop(release);
        while tasks.running.lock().unwrap().iter().any(|task| !task.is_finished()) {
            std::thread::yield_now();
        }
        assert!(tasks.run("after", || {}));
    }
}
