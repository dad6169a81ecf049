//! What the store asks of a Redis before it is used: settings that keep its promises, and the shape it was made with.

use std::collections::HashMap;

use redis::aio::ConnectionManager;

use crate::store::StoreError;

use super::failed;
use super::keys::Shape;

/// Refuses a Redis that may drop rows by itself; warns of one that needs more memory or forgets when it crashes.
pub(super) async fn check(connection: &ConnectionManager) -> Result<(), StoreError> {
    let mut command = redis::cmd("CONFIG");
    command.arg("GET").arg("maxmemory-policy").arg("appendonly").arg("hash-max-listpack-*");
    let settings: HashMap<String, String> = match command.query_async(&mut connection.clone()).await
    {
        Ok(settings) => settings,
        Err(error) if error.is_io_error() || error.is_timeout() => {
            return Err(failed("read its settings")(error));
        }
        Err(error) => {
            tracing::warn!(%error, "the settings of Redis cannot be checked");
            return Ok(());
        }
    };
    let setting = |name: &str| settings.get(name).map_or("", String::as_str);
    if setting("maxmemory-policy") != "noeviction" {
        return Err(StoreError::Refused(
            "Redis may evict rows; set maxmemory-policy to noeviction",
        ));
    }
    if setting("appendonly") != "yes" {
        tracing::warn!("Redis forgets everything when it stops; set appendonly to yes");
    }
    let listpack = |name: &str| setting(name).parse::<u64>().unwrap_or(0);
    if listpack("hash-max-listpack-value") < 2048 || listpack("hash-max-listpack-entries") < 64 {
        tracing::warn!(
            "rows take more memory than they need; set hash-max-listpack-value 2048, -entries 64"
        );
    }
    Ok(())
}

/// The shape that the deployment was made with; `wanted` when it is made now.
pub(super) async fn shape(
    connection: &ConnectionManager,
    wanted: Shape,
) -> Result<Shape, StoreError> {
    const KEY: &str = "reveille:store";
    /// The version of everything that the store writes.
    const VERSION: &str = "1";
    let mut pipeline = redis::pipe();
    pipeline.cmd("HSETNX").arg(KEY).arg("version").arg(VERSION).ignore();
    pipeline.cmd("HSETNX").arg(KEY).arg("buckets").arg(wanted.buckets).ignore();
    pipeline.cmd("HMGET").arg(KEY).arg("version").arg("buckets");
    let answer: Result<((String, u64),), _> =
        pipeline.atomic().query_async(&mut connection.clone()).await;
    let ((version, buckets),) = answer.map_err(failed("read how it lies in Redis"))?;
    if version != VERSION || buckets == 0 {
        return Err(StoreError::Refused(
            "the store in Redis was written by another version of the program",
        ));
    }
    Ok(Shape { buckets })
}
