//! The families of `shim_core::metrics` as prometheus-client keeps and writes them.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use prometheus_client::{
    encoding::text,
    metrics::{
        counter::Counter,
        exemplar::{CounterWithExemplar, HistogramWithExemplars},
        family::{Family, MetricConstructor},
        gauge::Gauge,
        info::Info,
    },
    registry::{Registry, Unit},
};
use shim_core::metrics::{self as table, Kind};

type Label = (&'static str, Cow<'static, str>);
type Labels = Vec<Label>;

/// Characters of an exemplar's labels and values together that OpenMetrics allows.
const EXEMPLAR_CHARS_MAX: usize = 128;

pub struct Families {
    registry: Registry,
    counters: HashMap<&'static str, Family<Labels, CounterWithExemplar<Labels>>>,
    read: HashMap<&'static str, Family<Labels, Counter<f64, AtomicU64>>>,
    gauges: HashMap<&'static str, Family<Labels, Gauge<f64, AtomicU64>>>,
    histograms: HashMap<&'static str, Family<Labels, HistogramWithExemplars<Labels>, Buckets>>,
}

impl std::fmt::Debug for Families {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Families").finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
struct Buckets(&'static [f64]);

impl MetricConstructor<HistogramWithExemplars<Labels>> for Buckets {
    fn new_metric(&self) -> HistogramWithExemplars<Labels> {
        HistogramWithExemplars::new(self.0.iter().copied())
    }
}

impl Families {
    /// Every family of the table, with no series but that of what the engine is.
    pub fn new() -> Self {
        let mut families = Self {
            registry: Registry::default(),
            counters: HashMap::new(),
            read: HashMap::new(),
            gauges: HashMap::new(),
            histograms: HashMap::new(),
        };
        table::ALL.iter().for_each(|family| families.add(family));
        families
    }

    fn add(&mut self, family: &table::Family) {
        let (name, registry) = (family.name, &mut self.registry);
        match family.kind {
            Kind::Counter => register(registry, family, self.counters.entry(name).or_default().clone()),
            Kind::ReadCounter => register(registry, family, self.read.entry(name).or_default().clone()),
            Kind::Gauge => register(registry, family, self.gauges.entry(name).or_default().clone()),
            Kind::Histogram(bounds) => {
                let new = || Family::new_with_constructor(Buckets(bounds));
                register(registry, family, self.histograms.entry(name).or_insert_with(new).clone());
            }
            Kind::Info => {
                let labels: Labels = labels(family, [env!("CARGO_PKG_VERSION")]);
                register(registry, family, Info::new(labels));
            }
        }
    }

    pub fn count<const N: usize>(
        &self,
        family: &table::Family,
        values: [&str; N],
        by: u64,
        exemplar: Option<Exemplar<'_>>,
    ) {
        if let Some(counters) = self.counters.get(family.name) {
            let exemplar = exemplar.and_then(Exemplar::labels);
            counters.get_or_create(&labels(family, values)).inc_by(by, exemplar, None);
        }
    }

    /// Has a count stand at 0 where it did not count yet.
    pub fn begin<const N: usize>(&self, family: &table::Family, values: [&str; N]) {
        if let Some(counters) = self.counters.get(family.name) {
            drop(counters.get_or_create(&labels(family, values)));
        }
    }

    pub fn observe<const N: usize>(
        &self,
        family: &table::Family,
        values: [&str; N],
        value: f64,
        exemplar: Option<Exemplar<'_>>,
    ) {
        if let Some(histograms) = self.histograms.get(family.name) {
            let exemplar = exemplar.and_then(Exemplar::labels);
            histograms.get_or_create(&labels(family, values)).observe(value, exemplar, None);
        }
    }

    /// Says how a gauge stands, or how far something has counted.
    pub fn set<const N: usize>(&self, family: &table::Family, values: [&str; N], value: f64) {
        let labels = labels(family, values);
        if let Some(gauges) = self.gauges.get(family.name) {
            gauges.get_or_create(&labels).set(value);
        } else if let Some(read) = self.read.get(family.name) {
            read.get_or_create(&labels).inner().store(value.to_bits(), Ordering::Relaxed);
        }
    }

    /// Takes away what was read for the question before.
    pub fn forget_moment(&self) {
        for family in table::ALL.iter().filter(|family| family.from == table::From::Moment) {
            if let Some(gauges) = self.gauges.get(family.name) {
                gauges.clear();
            }
            if let Some(read) = self.read.get(family.name) {
                read.clear();
            }
        }
    }

    /// As OpenMetrics 1.0. Writing to a text cannot fail.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

fn register(
    registry: &mut Registry,
    family: &table::Family,
    metric: impl prometheus_client::registry::Metric,
) {
    let unit = match family.unit {
        table::Unit::None => return registry.register(family.name, family.help, metric),
        table::Unit::Seconds => Unit::Seconds,
        table::Unit::Bytes => Unit::Bytes,
        table::Unit::Dollars => Unit::Other(table::Unit::Dollars.name().to_owned()),
        // The crate's own would name them `_ratios`.
        table::Unit::Ratio => Unit::Other(table::Unit::Ratio.name().to_owned()),
    };
    registry.register_with_unit(family.stem(), family.help, unit, metric);
}

fn labels<const N: usize>(family: &table::Family, values: [&str; N]) -> Labels {
    debug_assert_eq!(family.labels.len(), N, "{}", family.name);
    family.labels.iter().zip(values).map(|(label, value)| (*label, Cow::Owned(value.to_owned()))).collect()
}

/// What one thing that was counted can be found by. Series never carry it.
#[derive(Clone, Copy)]
pub struct Exemplar<'a> {
    pub chat: &'a str,
    /// What kind of number, and the number: `crash`, `restore` or `checkpoint`.
    pub number: (&'static str, i64),
}

impl Exemplar<'_> {
    /// `None` where a client's own id is longer than OpenMetrics takes.
    fn labels(self) -> Option<Labels> {
        let (name, number) = (self.number.0, self.number.1.to_string());
        let labels: Labels = vec![("chat", Cow::Owned(self.chat.to_owned())), (name, Cow::Owned(number))];
        let chars: usize =
            labels.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
        (chars <= EXEMPLAR_CHARS_MAX).then_some(labels)
    }
}
