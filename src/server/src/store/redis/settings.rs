//! What the store asks of a Redis before it is used: settings that keep its promises, and the shape it was made with.

use std::collections::HashMap;
use std::time::Duration;

use redis::{Pipeline, RedisError};

use crate::store::{Shard, StoreError};

use super::calls::{Calls, Plea};
use super::keys::{self, Layout, Shape};
use super::node::{Asked, Node};
use super::{failed, parse};

/// How long a server may take to tell its settings.
const ANSWER: Duration = Duration::from_secs(2);

/// Refuses a Redis that may drop rows by itself; warns of one that needs more memory or forgets when it crashes.
pub(super) async fn check(node: &Node) -> Result<(), StoreError> {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("CONFIG").arg("GET").arg("maxmemory-policy").arg("appendonly").arg("appendfsync");
    pipeline.arg("hash-max-listpack-*");
    let settings: HashMap<String, String> =
        match node.ask(&Asked::each(pipeline, 1), ANSWER).await.map_err(|failure| failure.error) {
            Ok(mut values) => parse(values.pop().unwrap_or(redis::Value::Nil))?,
            Err(error) if is_away(&error) => return Err(failed("read its settings")(error)),
            Err(error) => {
                tracing::warn!(%error, "the settings of Redis cannot be checked");
                return Ok(());
            }
        };
    let setting = |name: &str| settings.get(name).map_or("", String::as_str);
    let server = node.address();
    if setting("maxmemory-policy") != "noeviction" {
        return Err(StoreError::Refused(
            "Redis may evict rows; set maxmemory-policy to noeviction",
        ));
    }
    match (setting("appendonly"), setting("appendfsync")) {
        ("yes", "always") => {}
        ("yes", _) => {
            tracing::warn!(
                server,
                "a crash of Redis takes the last second with it; set appendfsync to always"
            );
        }
        _ => {
            tracing::warn!(server, "Redis forgets everything when it stops; set appendonly to yes");
        }
    }
    let listpack = |name: &str| setting(name).parse::<u64>().unwrap_or(0);
    if listpack("hash-max-listpack-value") < 2048 || listpack("hash-max-listpack-entries") < 128 {
        tracing::warn!(
            server,
            "rows take more memory than they need; set hash-max-listpack-value 2048, hash-max-listpack-entries 128"
        );
    }
    Ok(())
}

fn is_away(error: &RedisError) -> bool {
    error.is_io_error() || error.is_timeout()
}

/// The shape that the deployment was made with; `wanted` when it is made now.
pub(super) async fn shape(calls: &Calls, wanted: Shape) -> Result<Shape, StoreError> {
    /// The version of everything that the store writes into a new deployment, and that of the layout before.
    const VERSION: &str = "3";
    const PLAIN: &str = "2";
    let key = keys::deployment_key();
    let mut pipeline = Pipeline::new();
    pipeline.cmd("HSETNX").arg(&key).arg("version").arg(VERSION);
    pipeline.cmd("HSETNX").arg(&key).arg("buckets").arg(wanted.buckets);
    pipeline.cmd("HMGET").arg(&key).arg("version").arg("buckets");
    // Coming twice it finds what it wrote.
    let plea = Plea {
        shard: Shard::from(0),
        asked: Asked::at_once(pipeline, 3),
        script: None,
        doing: "read of how the store lies in Redis",
        changes: false,
    };
    let answer = calls.make(&plea).await?.pop().unwrap_or(redis::Value::Nil);
    let (_, _, (version, buckets)): (bool, bool, (String, u64)) = parse(answer)?;
    let layout = match version.as_str() {
        VERSION if buckets > 0 => Layout::Packed,
        PLAIN if buckets > 0 => Layout::Plain,
        _ => {
            return Err(StoreError::Refused(
                "the store in Redis was written by another version of the program",
            ));
        }
    };
    Ok(Shape { buckets, layout })
}
