//! A gateway as it is wanted, and what it has seen.

use crate::{carrier::PerSecond, fleet::Breaches};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

/// A gateway as it is wanted.
#[derive(Debug, Clone)]
pub struct GatewayPlan {
    pub listen: SocketAddr,
    /// User and password of HTTP Basic, if it wants any.
    pub account: Option<(String, String)>,
    /// Of everything that chance decides here.
    pub seed: u64,
    /// So many octets of what goes over its connections are kept for
    /// [`PushGateway::capture`](super::PushGateway::capture).
    pub traffic_kept: usize,
    pub courtesy: Courtesy,
}

impl Default for GatewayPlan {
    /// Any free port, no account, and every courtesy.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            account: None,
            seed: 1,
            traffic_kept: 0,
            courtesy: Courtesy::default(),
        }
    }
}

/// How a gateway behaves. All shares are from 0 to 1.
#[derive(Debug, Clone, Default)]
pub struct Courtesy {
    /// Above so many pushes in any second: 4001, the service is not available.
    pub per_second: Option<u32>,
    /// Share of the subscribers that are refused for good (2003), always the same ones.
    pub unknown: f64,
    /// Share of the pushes that are refused for the moment (3000).
    pub refused_for_now: f64,
    /// Share of the pushes that are delivered, and whose connection is closed instead of an answer.
    pub unanswered: f64,
    /// Between a push and its answer.
    pub answers_after: Duration,
    /// Between a push and its delivery. A push whose `deliver-before-timestamp` is earlier expires.
    pub delivers_after: Duration,
    /// Share of the pushes that never get to the handset, and whose results say so.
    pub undelivered: f64,
    /// Share of the results that are never posted.
    pub results_missing: f64,
    /// Between a delivery and its result.
    pub results_after: Duration,
}

/// What a gateway has seen so far.
#[derive(Debug, Clone, Default, Serialize)]
pub struct GatewayReport {
    /// What the pushes broke of the rules.
    pub breaches: Breaches,
    /// Requests, whatever became of them.
    pub pushes: u64,
    /// Requests without the right account.
    pub strangers: u64,
    /// How pushes were answered: code to count.
    pub answers: BTreeMap<u16, u64>,
    /// Connections that were closed instead of an answer.
    pub unanswered: u64,
    /// The pushes by the second in which they came.
    pub per_second: PerSecond,
    /// Handed over to devices.
    pub delivered: u64,
    pub undelivered: u64,
    pub expired: u64,
    /// Results that the other side has heard.
    pub results: u64,
    /// Results that it did not answer as it should, and that were posted again.
    pub results_again: u64,
    /// Results that were not posted: as planned, or because nobody took them in time.
    pub results_missing: u64,
}
