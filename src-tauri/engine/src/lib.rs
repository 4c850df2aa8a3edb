//! The engine: watches clients, keeps their chats, notices deaths, restores, answers the api. Decisions
//! are `shim_core`'s; what is decided is carried out here.

pub mod autostart;
mod changes;
mod charts;
pub mod checkpoints;
mod clients;
mod clinic;
pub mod demo;
mod desktop;
pub mod doctor;
mod effects;
mod experiments;
mod fingerprints;
mod fleet;
mod git;
mod half_done;
mod hangs;
mod holders;
mod home;
pub mod hooks;
pub mod install;
mod journal;
mod launch;
mod memory;
mod metrics;
mod paths;
mod policy;
mod prediction;
mod processes;
mod readings;
mod renaming;
mod restore;
mod retention;
mod risky;
mod rows;
mod run;
mod search;
mod seat;
mod serve;
mod settings;
mod shutdown;
mod signals;
mod snapshots;
mod stopping;
mod sweep;
mod terminal;
mod timeline;
mod views;
mod workspace;

pub use home::{Home, HomeError};
pub use launch::run_launch_file;
#[cfg(windows)]
pub use processes::interrupt as interrupt_console;
pub use serve::{Running, start};
pub use shim_store::faults::{BESIDE, BOUNDARIES};
pub use shutdown::ToldBy;
