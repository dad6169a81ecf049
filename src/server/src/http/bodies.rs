//! Bodies of requests, taken in within bounds: of size, of time, and of memory over all connections together.
//!
//! Anybody may send a body before it is known who he is. A small one costs its connection and no more; a large one needs
//! one of a few places, so that thousands of connections with unfinished bodies hold megabytes and not gigabytes.

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::BodyExt;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// What a body may have without a place, in octets: nearly every message of a device.
const SMALL: usize = 16 * 1024;

/// Larger bodies in memory at once.
pub(super) const LARGE_AT_ONCE: usize = 256;

/// What bounds bodies.
#[derive(Debug)]
pub(super) struct Bodies {
    large: Semaphore,
    /// Octets of one body.
    most: usize,
    /// From the end of the headers to the end of the body.
    wait: Duration,
    /// How long a large body may wait for its place.
    hold: Duration,
}

/// A whole body, and its place for as long as it is in memory.
#[derive(Debug)]
pub(super) struct Whole<'a> {
    pub(super) octets: Bytes,
    _place: Option<SemaphorePermit<'a>>,
}

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the message is larger than this server takes")]
    TooLarge,
    #[error("the body did not come whole")]
    Incomplete(#[source] axum::Error),
    #[error("the body did not come in time")]
    Late,
    #[error("too many large messages at once")]
    Full,
}

impl Bodies {
    pub(super) fn new(most: usize, wait: Duration, hold: Duration) -> Self {
        Self { large: Semaphore::new(LARGE_AT_ONCE), most, wait, hold }
    }

    /// The whole body.
    pub(super) async fn take(&self, body: Body) -> Result<Whole<'_>, BodyError> {
        // What says so itself is not even begun.
        if body.size_hint().lower() > self.most as u64 {
            return Err(BodyError::TooLarge);
        }
        tokio::time::timeout(self.wait, self.collect(body)).await.unwrap_or(Err(BodyError::Late))
    }

    async fn collect(&self, mut body: Body) -> Result<Whole<'_>, BodyError> {
        let (mut octets, mut place) = (Pieces::default(), None);
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame.map_err(BodyError::Incomplete)?.into_data() else { continue };
            let length = octets.length() + piece.len();
            if length > self.most {
                return Err(BodyError::TooLarge);
            }
            if length > SMALL && place.is_none() {
                let permit = tokio::time::timeout(self.hold, self.large.acquire()).await;
                place = Some(permit.ok().and_then(Result::ok).ok_or(BodyError::Full)?);
            }
            octets.push(piece);
        }
        Ok(Whole { octets: octets.whole(), _place: place })
    }
}

/// A body as it comes. Most come in one piece, which is not copied.
#[derive(Debug, Default)]
enum Pieces {
    #[default]
    None,
    One(Bytes),
    Many(Vec<u8>),
}

impl Pieces {
    fn length(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(piece) => piece.len(),
            Self::Many(octets) => octets.len(),
        }
    }

    fn push(&mut self, piece: Bytes) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(piece),
            Self::One(first) => Self::Many([first, piece].concat()),
            Self::Many(mut octets) => {
                octets.extend_from_slice(&piece);
                Self::Many(octets)
            }
        };
    }

    fn whole(self) -> Bytes {
        match self {
            Self::None => Bytes::new(),
            Self::One(piece) => piece,
            Self::Many(octets) => octets.into(),
        }
    }
}
