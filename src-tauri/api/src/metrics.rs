//! `GET /api/metrics`: what the engine measured of itself. The same numbers as `/metrics`, for who holds the token.

pub use shim_core::metrics::text::{Exposed, Sample};

/// Where Prometheus asks, on the listener of the api: without a token, and text.
pub const METRICS_PATH: &str = "/metrics";
