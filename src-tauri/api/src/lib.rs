//! The wire: types that cross between engine, command line, tray and pages, and the loopback client.
//! No decisions here.

pub mod charts;
pub mod chats;
pub mod checkpoints;
pub mod client;
pub mod clinic;
pub mod crashes;
pub mod doctor;
pub mod error;
pub mod events;
pub mod experiments;
pub mod fleet;
pub mod home;
pub mod install;
pub mod metrics;
pub mod notices;
pub mod prediction;
pub mod restore;
pub mod search;
pub mod settings;
pub mod signals;
pub mod status;
pub mod stopping;
pub mod timeline;
pub mod workspace;

pub use client::Engine;
pub use error::ApiError;
