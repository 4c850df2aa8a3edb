//! The real Claude Code, run in a folder of its own: an empty environment, a dummy key, the stand-in on loopback.
//! Nothing of the machine's own accounts, settings or programs is read, touched or reached.

mod codex;
mod desktop;
mod gemini;
mod headless;
mod home;
#[cfg(target_os = "linux")]
mod memory;
mod opencode;
mod processes;
mod terminal;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

pub use codex::{Codex, CodexStart};
pub use desktop::Desktop;
pub use gemini::{Gemini, GeminiStart};
pub use headless::{Headless, Start};
pub use home::{DUMMY_KEY, Home, Registry};
#[cfg(target_os = "linux")]
pub use memory::MemoryGroup;
pub use opencode::{OWN_INSTRUCTIONS, Opencode, OpencodeStart};
pub use processes::{Process, is_alive, send};
pub use rustix::process::Signal;
pub use terminal::Terminals;

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Waits until `look` finds something, and gives it.
pub fn wait<T>(timeout: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("waited {timeout:?} in vain for {what}");
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
