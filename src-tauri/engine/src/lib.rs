//! The engine: watches clients, keeps their chats, notices deaths, restores, answers the api. Decisions
//! are `shim_core`'s; what is decided is carried out here.

pub mod checkpoints;
mod clients;
mod desktop;
pub mod doctor;
mod effects;
mod fingerprints;
mod git;
mod half_done;
mod home;
pub mod hooks;
pub mod install;
mod journal;
mod launch;
mod paths;
mod processes;
mod readings;
mod restore;
mod retention;
mod rows;
mod run;
mod search;
mod serve;
mod signals;
mod sweep;
mod terminal;
mod timeline;
mod views;

pub use home::{Home, HomeError};
pub use launch::run_launch_file;
#[cfg(windows)]
pub use processes::interrupt as interrupt_console;
pub use serve::{Running, start};
pub use shim_store::faults::BOUNDARIES;
