//! List prices of models, with the day from which each holds: what a chat's answers would cost by token. What somebody
//! pays under a subscription is not known to anybody but them.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Serialize};

use crate::{observations::Usage, time::Timestamp};

/// What tokens cost by list price, and how many have a price at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    pub nano_dollars: u64,
    pub priced_tokens: u64,
}

impl Spent {
    /// What one answer of the model cost; nothing is priced where the model or its price on that day is not known.
    pub fn on(model: Option<&str>, at: Option<Timestamp>, usage: Usage) -> Self {
        let price = model.zip(at).and_then(|(model, at)| price(model, at));
        price.map_or_else(Self::default, |price| Self {
            nano_dollars: price.of(usage),
            priced_tokens: usage.total(),
        })
    }

    /// Takes one answer back and counts it as `again`.
    pub fn corrected(self, before: Self, again: Self) -> Self {
        let one = |sum: u64, before: u64, again: u64| sum.saturating_sub(before).saturating_add(again);
        Self {
            nano_dollars: one(self.nano_dollars, before.nano_dollars, again.nano_dollars),
            priced_tokens: one(self.priced_tokens, before.priced_tokens, again.priced_tokens),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "below 2^53 up to nine million dollars")]
    pub fn dollars(self) -> f64 {
        self.nano_dollars as f64 / 1e9
    }
}

/// Nano-dollars for one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "[u64; 5]")]
pub struct Rates {
    pub input: u64,
    pub output: u64,
    /// Into a cache that keeps for five minutes.
    pub cache_write: u64,
    pub cache_write_hour: u64,
    pub cache_read: u64,
}

impl From<[u64; 5]> for Rates {
    fn from([input, output, cache_write, cache_write_hour, cache_read]: [u64; 5]) -> Self {
        Self { input, output, cache_write, cache_write_hour, cache_read }
    }
}

/// Of one model, from one day on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Price {
    model: String,
    /// `YYYY-MM-DD`, UTC.
    since: Option<String>,
    tokens: Rates,
    above: Option<Above>,
}

/// What every token of a request costs whose prompt, caches counted, is longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
struct Above {
    prompt: u64,
    tokens: Rates,
}

impl Price {
    /// Nano-dollars of one answer.
    pub fn of(&self, usage: Usage) -> u64 {
        let prompt = usage.total().saturating_sub(usage.output);
        let rates =
            self.above.filter(|above| prompt > above.prompt).map_or(self.tokens, |above| above.tokens);
        let for_an_hour = usage.cache_creation_hour.min(usage.cache_creation);
        let each = [
            (usage.input, rates.input),
            (usage.output, rates.output),
            (usage.cache_creation - for_an_hour, rates.cache_write),
            (for_an_hour, rates.cache_write_hour),
            (usage.cache_read, rates.cache_read),
        ];
        each.into_iter().fold(0, |sum: u64, (tokens, rate)| sum.saturating_add(tokens.saturating_mul(rate)))
    }
}

#[derive(Deserialize)]
struct Table {
    as_of: String,
    prices: Vec<Price>,
}

/// Prices by model, the oldest first.
type ByModel = BTreeMap<String, Vec<Price>>;

/// A table that cannot be read prices nothing; a test reads it.
static TABLE: LazyLock<Option<(String, ByModel)>> = LazyLock::new(|| {
    let table: Table = serde_json::from_str(include_str!("prices.json")).ok()?;
    let mut by_model = ByModel::new();
    for price in table.prices {
        by_model.entry(price.model.clone()).or_default().push(price);
    }
    by_model.values_mut().for_each(|prices| prices.sort_by(|a, b| a.since.cmp(&b.since)));
    Some((table.as_of, by_model))
});

/// The day on which the prices were looked up.
pub fn as_of() -> Option<&'static str> {
    TABLE.as_ref().map(|(day, _)| day.as_str())
}

/// What the model cost on that day, UTC.
pub fn price(model: &str, at: Timestamp) -> Option<&'static Price> {
    let (_, by_model) = TABLE.as_ref()?;
    let day =
        jiff::Timestamp::from_millisecond(at.ms()).ok()?.to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
    let prices = by_model.get(plain(model))?;
    prices.iter().rev().find(|price| price.since.as_ref().is_none_or(|since| *since <= day))
}

/// Without whose it is, the length of its window, and the day of its release.
fn plain(model: &str) -> &str {
    let model = model.rsplit('/').next().unwrap_or(model);
    let model = model.split('[').next().unwrap_or(model);
    let is_date = |text: &str| {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        digits == 8 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
    };
    let dated = [8, 10].into_iter().find_map(|length| {
        let (head, date) = model.split_at_checked(model.len().checked_sub(length)?)?;
        head.strip_suffix('-').filter(|_| is_date(date))
    });
    dated.unwrap_or(model)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Timestamp {
        let at: jiff::Timestamp = format!("{text}T12:00:00Z").parse().unwrap();
        Timestamp::from_ms(at.as_millisecond())
    }

    fn usage([input, output, cache_creation, cache_creation_hour, cache_read]: [u64; 5]) -> Usage {
        Usage { input, output, cache_creation, cache_creation_hour, cache_read }
    }

    #[test]
    fn answers_cost_what_the_list_says() {
        for (model, at, used, nano_dollars) in [
            ("claude-opus-5-5", "2026-12-01", [1000, 100, 0, 0, 0], Some(6_000_000)),
            // 2000 into the cache, half of them for an hour, and 10000 out of it.
            ("claude-opus-5-5", "2026-12-01", [0, 0, 2000, 1000, 10_000], Some(15_000_000)),
            ("anthropic/claude-opus-4-5-20251101", "2026-12-01", [1, 1, 0, 0, 0], Some(30_000)),
            ("claude-opus-4-8[1m]", "2026-12-01", [1, 0, 0, 0, 0], Some(5000)),
            // A price that changed.
            ("claude-sonnet-5-5", "2026-10-06", [0, 0, 0, 0, 10], Some(2000)),
            ("claude-sonnet-5-5", "2026-10-07", [0, 0, 0, 0, 10], Some(1000)),
            // The prompt's cliff counts what comes out of the cache, and what is answered does not.
            ("claude-haiku-5-5", "2026-12-01", [1, 10, 0, 0, 99_999], Some(1_005_090)),
            ("claude-haiku-5-5", "2026-12-01", [2, 10, 0, 0, 99_999], Some(5_025_950)),
            ("claude-haiku-5-5", "2026-10-06", [1, 0, 0, 0, 0], None),
            ("models/gemini-2.5-pro", "2026-12-01", [200_001, 0, 0, 0, 0], Some(500_002_500)),
            ("gpt-5.5-2026-04-23", "2026-12-01", [1, 1, 0, 0, 1], Some(35_500)),
            ("qwen3-coder", "2026-12-01", [1, 1, 0, 0, 0], None),
            ("<synthetic>", "2026-12-01", [0, 0, 0, 0, 0], None),
        ] {
            let cost = price(model, day(at)).map(|price| price.of(usage(used)));
            assert_eq!(cost, nano_dollars, "{model} on {at}: {used:?}");
        }
    }

    #[test]
    fn what_has_no_price_is_not_counted_as_nothing() {
        let used = usage([7, 0, 0, 0, 0]);
        let at = Some(day("2026-12-01"));
        assert_eq!(Spent::on(Some("qwen3-coder"), at, used), Spent::default());
        assert_eq!(Spent::on(None, at, used).priced_tokens, 0);
        let known = Spent::on(Some("claude-opus-5-5"), at, used);
        assert_eq!(known, Spent { nano_dollars: 28_000, priced_tokens: 7 });
        assert_eq!(known.corrected(known, Spent::default()), Spent::default());
        assert!(as_of().is_some());
    }
}
