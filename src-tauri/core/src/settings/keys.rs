//! The table of keys: one file per group of settings, each key with its unit, range and default in words.

use std::path::PathBuf;

use super::{Settings, checkpoints, clients, clinic, hangs, journal, policy, restore, signals, watch};

/// A key of the file.
pub struct Key {
    pub name: &'static str,
    pub about: &'static str,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Whole { min: u64, max: u64, set: fn(&mut Settings, u64) },
    Switch(fn(&mut Settings, bool)),
    Text(fn(&mut Settings, String)),
    Texts(fn(&mut Settings, Vec<String>)),
    OneOf(&'static [&'static str], fn(&mut Settings, usize)),
}

const GROUPS: &[&[Key]] = &[
    watch::KEYS,
    journal::KEYS,
    checkpoints::KEYS,
    restore::KEYS,
    policy::KEYS,
    signals::KEYS,
    signals::WARNING,
    signals::DANGER,
    hangs::KEYS,
    clinic::KEYS,
    clients::KEYS,
];

/// Every key there is.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    GROUPS.iter().flat_map(|group| group.iter())
}

pub(super) fn paths(list: Vec<String>) -> Vec<PathBuf> {
    list.into_iter().map(PathBuf::from).collect()
}
