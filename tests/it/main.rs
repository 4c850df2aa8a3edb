//! Integration tests: the real client, the stand-in API, and SHIM as its user calls it. One binary.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod boundaries;
mod claude_desktop;
mod clinic;
mod codex;
mod fingerprints;
mod fleets;
mod forks;
mod gemini;
mod hangs;
mod hooks;
mod hostile;
mod install;
mod kill_matrix;
mod lost_files;
mod many;
mod mcp;
mod metrics;
mod opencode;
mod policy;
mod receipts;
mod refusals;
mod searching;
mod settings;
mod shutdown;
mod signals;
mod states;
mod workspace;
mod world;
