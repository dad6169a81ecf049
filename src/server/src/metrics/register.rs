//! From the list to handles: every family is registered, and every series that can be known at start is resolved once, so
//! that it stands in `/metrics` from the first scrape on and counting it later costs a few nanoseconds.

use super::{
    labels::Label,
    list::{Kind, Metric},
};
use metrics::{Counter, Gauge, Histogram, Key, Level, Metadata, Recorder};
use metrics_prometheus::recorder::Freezable;
use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};
use std::marker::PhantomData;

const METADATA: Metadata<'static> =
    Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// The registry while it is filled.
pub(super) struct Register {
    recorder: Freezable,
    registry: Registry,
}

impl Register {
    pub(super) fn new() -> Self {
        let registry = Registry::new();
        let recorder =
            metrics_prometheus::Recorder::builder().with_registry(&registry).build_freezable();
        Self { recorder, registry }
    }

    /// Registers a family. What can fail here is a mistake in the list, and every test would meet it.
    pub(super) fn add(&self, metric: &Metric) -> Result<(), prometheus::Error> {
        let opts = Opts::new(metric.name, metric.help);
        match metric.kind {
            Kind::Counter => {
                self.recorder.try_register_metric(IntCounterVec::new(opts, metric.labels)?)
            }
            Kind::Gauge => self.recorder.try_register_metric(GaugeVec::new(opts, metric.labels)?),
            Kind::Histogram(buckets) => {
                let opts = HistogramOpts::from(opts).buckets(buckets.to_vec());
                self.recorder.try_register_metric(HistogramVec::new(opts, metric.labels)?)
            }
        }
    }

    /// Registers a family of gauges whose series come and go.
    pub(super) fn coming_and_going(&self, metric: &Metric) -> Result<GaugeVec, prometheus::Error> {
        let gauges = GaugeVec::new(Opts::new(metric.name, metric.help), metric.labels)?;
        self.recorder.try_register_metric(gauges.clone())?;
        Ok(gauges)
    }

    pub(super) fn counter(&self, metric: &Metric, labels: &[&str]) -> Counter {
        self.recorder.register_counter(&key(metric, labels), &METADATA)
    }

    pub(super) fn gauge(&self, metric: &Metric, labels: &[&str]) -> Gauge {
        self.recorder.register_gauge(&key(metric, labels), &METADATA)
    }

    pub(super) fn histogram(&self, metric: &Metric, labels: &[&str]) -> Histogram {
        self.recorder.register_histogram(&key(metric, labels), &METADATA)
    }

    /// A counter for each value of the only label.
    pub(super) fn counters<E: Label>(&self, metric: &Metric) -> By<E, Counter> {
        By::new(|value: E| self.counter(metric, &[value.name()]))
    }

    /// From here on nothing is added.
    pub(super) fn freeze(self) -> Registry {
        self.recorder.freeze();
        self.registry
    }
}

fn key(metric: &Metric, values: &[&str]) -> Key {
    let labels = metric.labels.iter().zip(values);
    let labels: Vec<_> =
        labels.map(|(label, value)| metrics::Label::new(*label, (*value).to_owned())).collect();
    Key::from_parts(metric.name, labels)
}

/// One handle for each value of a label.
#[derive(Debug)]
pub(crate) struct By<E, M> {
    handles: Vec<M>,
    of: PhantomData<fn(E)>,
}

impl<E: Label, M> By<E, M> {
    pub(super) fn new(make: impl Fn(E) -> M) -> Self {
        Self { handles: E::ALL.iter().map(|value| make(*value)).collect(), of: PhantomData }
    }

    pub(crate) fn at(&self, value: E) -> &M {
        let place = E::ALL.iter().position(|known| *known == value).unwrap_or_default();
        self.handles.get(place).expect("a label has values, and each has its handle")
    }
}
