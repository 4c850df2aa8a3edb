//! The wire: types that cross between engine, command line, tray and pages, and the loopback client.
//! No decisions here.

pub mod chats;
pub mod checkpoints;
pub mod client;
pub mod crashes;
pub mod doctor;
pub mod error;
pub mod events;
pub mod home;
pub mod restore;
pub mod search;
pub mod signals;
pub mod status;

pub use client::Engine;
pub use error::ApiError;
