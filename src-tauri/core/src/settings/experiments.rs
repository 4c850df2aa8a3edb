//! Whether SHIM tries other values of its own settings by itself.

use super::keys::{Key, Kind, Preset};

pub const KEYS: &[Key] = &[Key {
    name: "experiments.auto",
    about: "Try ideas found in this machine's history without being asked, within the bounds of `shim experiments knobs`. A key that you set in this file is never tried. Switched off, what runs goes on until it ends or you stop it.",
    default: Preset::Switch(true),
    kind: Kind::Switch(|s, on| s.experiments_auto = on),
}];
