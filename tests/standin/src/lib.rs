//! A stand-in for the Anthropic Messages API on loopback, and the real Claude Code run against it in a
//! folder of its own. For tests and trials: it knows no model, keeps no secret, and reaches no network.

mod chat_completions;
#[cfg(target_os = "linux")]
pub mod client;
mod gemini;
pub mod install;
mod limits;
pub mod mcp_clients;
pub mod observers;
pub mod requests;
mod responses;
pub mod rules;
pub mod script;
mod server;
mod stream;

pub use requests::Request;
pub use server::Standin;
