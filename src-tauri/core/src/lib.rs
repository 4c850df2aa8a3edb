//! SHIM's decisions, as pure functions and machines. Nothing here does IO, reads a clock, draws a
//! random number or awaits: `now`, ids and what was read from disk are arguments.

pub mod autostart;
pub mod charts;
pub mod chats;
pub mod checkpoints;
pub mod clients;
pub mod clinic;
pub mod crashes;
pub mod desktop;
pub mod digest;
pub mod experiments;
pub mod fingerprints;
pub mod fleet;
pub mod hangs;
pub mod hooks;
pub mod install;
pub mod journal;
pub mod knobs;
pub mod limits;
pub mod lines;
pub mod memory;
pub mod notices;
pub mod observations;
pub mod policy;
pub mod prediction;
pub mod prompts;
pub mod readings;
pub mod redaction;
pub mod restore;
pub mod risk;
pub mod search;
pub mod settings;
pub mod signals;
pub mod stopping;
pub mod supervisor;
pub mod time;
