//! Which chat gets which arm: by a hash of the chat, so that it is the same after every restart, equal to Statsig's
//! for the same salt and unit. A share that grows takes chats from the old value only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::settings::Value;

/// Buckets of a salt, as Statsig has them: a share is a number of these.
pub const BUCKETS: u64 = 10_000;

/// Where a unit falls, 0 to 9999: the first eight bytes of SHA-256 of `salt.unit`, big-endian, modulo 10000. Statsig's
/// `compute_user_hash` of a rule is this with the salt `<config's salt>.<rule's salt>`.
pub fn bucket(salt: &str, unit: &str) -> u64 {
    let digest = Sha256::new_with_prefix(salt).chain_update(".").chain_update(unit).finalize();
    digest.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte)) % BUCKETS
}

/// The buckets among the arms. Each treatment has a slice of them, of which it holds the lower part; the rest is the
/// old value's, arm 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// First bucket, the first that is none of it any more, and whose they are.
    cells: Vec<(u64, u64, usize)>,
}

impl Split {
    /// `slices` names whose each slice is (0 is nobody's); `treated` buckets of 10000 are taken of each.
    pub fn new(slices: &[usize], treated: u64) -> Self {
        let count = slices.len().max(1) as u64;
        let mut cells = Vec::with_capacity(slices.len());
        for (place, arm) in (0_u64..).zip(slices) {
            let (from, to) = (BUCKETS * place / count, BUCKETS * (place + 1) / count);
            let taken = (to - from) * treated.min(BUCKETS) / BUCKETS;
            cells.push((from, from + taken, *arm));
        }
        Self { cells }
    }

    pub fn arm(&self, bucket: u64) -> usize {
        let cell = self.cells.iter().find(|(from, to, _)| (*from..*to).contains(&bucket));
        cell.map_or(0, |(_, _, arm)| *arm)
    }

    /// Buckets of an arm.
    pub fn buckets(&self, arm: usize) -> u64 {
        let of = |wanted: Option<usize>| -> u64 {
            let cells = self.cells.iter().filter(|(_, _, arm)| wanted.is_none_or(|wanted| *arm == wanted));
            cells.map(|(from, to, _)| to - from).sum()
        };
        match arm {
            0 => BUCKETS - of(None) + of(Some(0)),
            arm => of(Some(arm)),
        }
    }

    /// The chance of `arm` for a chat that got either it or the old value.
    #[expect(clippy::cast_precision_loss, reason = "at most 10000")]
    pub fn share(&self, arm: usize) -> f64 {
        let (treated, control) = (self.buckets(arm) as f64, self.buckets(0) as f64);
        if treated + control > 0.0 { treated / (treated + control) } else { 0.0 }
    }
}

/// What a value is asked for: OpenFeature's evaluation context.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Whom it is for, such as a chat's id.
    pub targeting_key: Option<String>,
    pub attributes: BTreeMap<String, Value>,
}

/// OpenFeature's reasons, those that occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// By the hash.
    Split,
    /// One value for all.
    Static,
    /// By the user's word for this one.
    TargetingMatch,
    /// Nothing is tried.
    Default,
    Error,
}

/// OpenFeature's error codes, those that occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    FlagNotFound,
    TypeMismatch,
    TargetingKeyMissing,
    ProviderNotReady,
}

/// OpenFeature's resolution details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    pub value: Value,
    /// The arm's name.
    pub variant: Option<String>,
    pub reason: Reason,
    pub error: Option<ErrorCode>,
}

impl Resolution {
    pub fn failed(default: &Value, error: ErrorCode) -> Self {
        Self { value: default.clone(), variant: None, reason: Reason::Error, error: Some(error) }
    }
}

/// Who says which value a flag has for whom, in OpenFeature's shape: SHIM's own experiments, or another's behind it.
pub trait Provider {
    fn name(&self) -> &'static str;
    /// Never fails: an error gives `default` with its code. Asked twice, it answers the same.
    fn resolve(&self, flag: &str, default: &Value, context: &Context) -> Resolution;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made with `sha256_hash` of Statsig's Python SDK (statsig 0.72.1, `statsig/utils.py`), modulo 10000 as its
    /// evaluator's `__eval_pass_percentage` does.
    const STATSIG: [(&str, &str, u64); 25] = [
        ("exp", "user-1", 9317),
        ("exp", "claude-code:11111111-1111-4111-8111-111111111111", 3882),
        ("exp", "", 8819),
        ("exp", "chat 7", 2603),
        ("exp", "日本", 11),
        ("shim:checkpoints.calls:1", "user-1", 6041),
        ("shim:checkpoints.calls:1", "claude-code:11111111-1111-4111-8111-111111111111", 9425),
        ("shim:checkpoints.calls:1", "", 9483),
        ("shim:checkpoints.calls:1", "chat 7", 9590),
        ("shim:checkpoints.calls:1", "日本", 3262),
        ("a.b", "user-1", 6282),
        ("a.b", "claude-code:11111111-1111-4111-8111-111111111111", 2739),
        ("a.b", "", 3199),
        ("a.b", "chat 7", 441),
        ("a.b", "日本", 3407),
        ("ü", "user-1", 226),
        ("ü", "claude-code:11111111-1111-4111-8111-111111111111", 9799),
        ("ü", "", 1479),
        ("ü", "chat 7", 6874),
        ("ü", "日本", 523),
        ("4Cu2nMbaAxeJvfPGkUvZBH", "user-1", 4829),
        ("4Cu2nMbaAxeJvfPGkUvZBH", "claude-code:11111111-1111-4111-8111-111111111111", 627),
        ("4Cu2nMbaAxeJvfPGkUvZBH", "", 8312),
        ("4Cu2nMbaAxeJvfPGkUvZBH", "chat 7", 2584),
        ("4Cu2nMbaAxeJvfPGkUvZBH", "日本", 2590),
    ];

    #[test]
    fn buckets_are_statsigs() {
        for (salt, unit, expected) in STATSIG {
            assert_eq!(bucket(salt, unit), expected, "{salt}.{unit}");
        }
    }

    #[test]
    fn shares_are_what_the_buckets_hold() {
        let split = Split::new(&[1], 2500);
        assert_eq!((split.buckets(0), split.buckets(1), split.share(1)), (7500, 2500, 0.25));
        let three = Split::new(&[1, 2, 3], 5000);
        assert_eq!([0, 1, 2, 3].map(|arm| three.buckets(arm)), [5001, 1666, 1666, 1667]);
        let dropped = Split::new(&[1, 0, 3], 5000);
        assert_eq!([0, 1, 2, 3].map(|arm| dropped.buckets(arm)), [6667, 1666, 0, 1667]);
        assert_eq!(Split::new(&[], 5000).buckets(0), BUCKETS);
        assert_eq!(Split::new(&[1], 0).share(1), 0.0);
    }

    proptest! {
        #[test]
        fn a_share_that_grows_takes_nobody_back(arms in 1_usize..5, less in 0..=BUCKETS, more in 0..=BUCKETS) {
            let slices: Vec<_> = (1..=arms).collect();
            let (less, more) = (less.min(more), less.max(more));
            let (before, after) = (Split::new(&slices, less), Split::new(&slices, more));
            for bucket in (0..BUCKETS).step_by(7) {
                let arm = before.arm(bucket);
                prop_assert!(arm == 0 || after.arm(bucket) == arm, "{bucket}: {arm} became {}", after.arm(bucket));
            }
            let all: u64 = (0..=arms).map(|arm| after.buckets(arm)).sum();
            prop_assert_eq!(all, BUCKETS);
        }
    }
}
