//! Whether SHIM's metrics are handed out without the token.

use super::keys::{Key, Kind, Preset};

pub const KEYS: &[Key] = &[Key {
    name: "metrics.serve",
    about: "Answer /metrics, for Prometheus, to any program of this machine: counts and times, no chat's text or title. \
            `shim metrics` answers either way.",
    default: Preset::Switch(true),
    kind: Kind::Switch(|s, on| s.metrics_serve = on),
}];
