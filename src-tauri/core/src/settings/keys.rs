//! The table of keys: one file per group of settings, each key with its unit, range and default.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{
    Settings, checkpoints, clients, clinic, desktop, experiments, hangs, journal, metrics, notices, policy,
    privacy, restore, signals, watch,
};
use crate::notices::TimeOfDay;

/// What a key is set to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(untagged)]
#[ts(export, export_to = "core.ts")]
pub enum Value {
    Switch(bool),
    Whole(u64),
    Text(String),
    Texts(Vec<String>),
}

/// What a key takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum Takes {
    Switch,
    /// From `min` to `max`; the unit stands in the key's name and words.
    Whole {
        min: u64,
        max: u64,
    },
    Text,
    Texts,
    OneOf {
        choices: Vec<String>,
    },
}

/// A key of the file.
pub struct Key {
    pub name: &'static str,
    /// What it is, with its unit and range.
    pub about: &'static str,
    pub(super) default: Preset,
    pub(super) kind: Kind,
}

/// What holds where nothing is set.
pub(super) enum Preset {
    Whole(u64),
    Switch(bool),
    Text(&'static str),
    Texts(&'static [&'static str]),
    OneOf(&'static str),
}

pub(super) enum Kind {
    Whole {
        min: u64,
        max: u64,
        set: fn(&mut Settings, u64),
    },
    Switch(fn(&mut Settings, bool)),
    Text(fn(&mut Settings, String)),
    /// A text such as "22:00".
    Time(fn(&mut Settings, TimeOfDay)),
    Texts(fn(&mut Settings, Vec<String>)),
    OneOf(&'static [&'static str], fn(&mut Settings, usize)),
}

/// What the key would take instead.
#[derive(Debug)]
pub(super) struct OutOfBounds(pub String);

/// Read when the engine starts and not again, or taken over then only as far as they add a folder.
const READ_ONCE: [&str; 8] = [
    "api.port",
    "journal.commit_ms",
    "watch.within",
    "watch.homes",
    "clients.codex.homes",
    "clients.gemini.homes",
    "clients.opencode.homes",
    "clients.claude-desktop.homes",
];

impl Key {
    pub fn default(&self) -> Value {
        match self.default {
            Preset::Whole(number) => Value::Whole(number),
            Preset::Switch(on) => Value::Switch(on),
            Preset::Text(text) | Preset::OneOf(text) => Value::Text(text.to_owned()),
            Preset::Texts(texts) => Value::Texts(texts.iter().map(|text| (*text).to_owned()).collect()),
        }
    }

    pub fn takes(&self) -> Takes {
        match self.kind {
            Kind::Whole { min, max, .. } => Takes::Whole { min, max },
            Kind::Switch(_) => Takes::Switch,
            Kind::Text(_) | Kind::Time(_) => Takes::Text,
            Kind::Texts(_) => Takes::Texts,
            Kind::OneOf(choices, _) => {
                Takes::OneOf { choices: choices.iter().map(|choice| (*choice).to_owned()).collect() }
            }
        }
    }

    /// Whether a change of it holds wholly only from the engine's next start on.
    pub fn is_read_once(&self) -> bool {
        READ_ONCE.contains(&self.name)
    }

    /// `None` is a value of a kind that no key takes.
    pub(super) fn apply(&self, value: Option<&Value>, settings: &mut Settings) -> Result<(), OutOfBounds> {
        match (&self.kind, value) {
            (Kind::Whole { min, max, set }, Some(Value::Whole(number))) if (*min..=*max).contains(number) => {
                set(settings, *number);
            }
            (Kind::Switch(set), Some(Value::Switch(on))) => set(settings, *on),
            (Kind::Text(set), Some(Value::Text(text))) => set(settings, text.clone()),
            (Kind::Time(set), Some(Value::Text(text))) => {
                set(settings, TimeOfDay::parse(text).ok_or_else(|| self.out_of_bounds())?);
            }
            (Kind::Texts(set), Some(Value::Texts(texts))) => set(settings, texts.clone()),
            (Kind::OneOf(choices, set), Some(Value::Text(text))) => {
                let choice = choices.iter().position(|choice| choice == text);
                set(settings, choice.ok_or_else(|| self.out_of_bounds())?);
            }
            _ => return Err(self.out_of_bounds()),
        }
        Ok(())
    }

    fn out_of_bounds(&self) -> OutOfBounds {
        OutOfBounds(match self.kind {
            Kind::Whole { min, max, .. } => format!("must be a whole number from {min} to {max}"),
            Kind::Switch(_) => "must be true or false".to_owned(),
            Kind::Text(_) => "must be a text in quotes".to_owned(),
            Kind::Time(_) => "must be a time of day from \"00:00\" to \"23:59\", in quotes".to_owned(),
            Kind::Texts(_) => "must be a list of texts in quotes".to_owned(),
            Kind::OneOf(choices, _) => format!("must be one of {}", choices.join(", ")),
        })
    }
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
    desktop::KEYS,
    notices::KEYS,
    privacy::KEYS,
    experiments::KEYS,
    metrics::KEYS,
];

/// Every key there is.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    GROUPS.iter().flat_map(|group| group.iter())
}

pub fn key(name: &str) -> Option<&'static Key> {
    keys().find(|key| key.name == name)
}

pub(super) fn paths(list: Vec<String>) -> Vec<PathBuf> {
    list.into_iter().map(PathBuf::from).collect()
}
