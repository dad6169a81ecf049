//! Instants of the store's clock, and instants and durations as people write them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A moment by the store's clock, in milliseconds since 1970-01-01T00:00:00Z. Written as RFC 3339 in UTC.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Instant(pub u64);

impl Instant {
    /// The end of the year 9999: the last instant that RFC 3339 can write.
    pub const LAST: Self = Self(253_402_300_799_999);

    /// Reads RFC 3339, with any offset. Refuses what lies before 1970 or after 9999.
    pub fn parse(text: &str) -> Result<Self, InstantError> {
        let stamp: jiff::Timestamp =
            text.trim().parse().map_err(|source| InstantError::Unreadable { source })?;
        let milliseconds = u64::try_from(stamp.as_millisecond())
            .map_err(|source| InstantError::Before1970 { source })?;
        if milliseconds > Self::LAST.0 {
            Err(InstantError::TooLate)
        } else {
            Ok(Self(milliseconds))
        }
    }

    pub fn plus(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The time from `earlier` to this instant; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stamp = i64::try_from(self.0.min(Self::LAST.0))
            .ok()
            .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        match stamp {
            Some(stamp) => stamp.fmt(f),
            None => write!(f, "{} ms", self.0),
        }
    }
}

/// Why a text is no instant.
#[derive(Debug, thiserror::Error)]
pub enum InstantError {
    #[error("not an instant as in 2026-11-25T01:00:00+01:00")]
    Unreadable {
        #[source]
        source: jiff::Error,
    },
    #[error("before 1970")]
    Before1970 {
        #[source]
        source: std::num::TryFromIntError,
    },
    #[error("after the year 9999")]
    TooLate,
}

/// Reads a whole number with one unit: `500ms`, `30s`, `10m`, `2h`, `7d`.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or(DurationError::NoUnit)?;
    let (number, unit) = text.split_at_checked(split).ok_or(DurationError::NoUnit)?;
    let number: u64 = number.parse().map_err(|source| DurationError::NoNumber { source })?;
    let milliseconds = match unit.trim_start() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        other => return Err(DurationError::Unit { unit: other.to_owned() }),
    };
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or(DurationError::TooLong)
}

/// Writes a duration as [`parse_duration`] reads it, in its largest whole unit.
pub fn duration_text(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    for (size, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
        if milliseconds >= size && milliseconds.is_multiple_of(size) {
            return format!("{}{unit}", milliseconds / size);
        }
    }
    format!("{milliseconds}ms")
}

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    #[error("a duration needs a unit: ms, s, m, h or d, as in 10m")]
    NoUnit,
    #[error("a duration starts with a whole number, as in 10m")]
    NoNumber {
        #[source]
        source: std::num::ParseIntError,
    },
    #[error("`{unit}` is no unit of a duration; there are ms, s, m, h and d")]
    Unit { unit: String },
    #[error("longer than can be counted")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_read_with_its_offset_and_written_in_utc() {
        let instant = Instant::parse("2026-11-25T01:00:00+01:00").unwrap();
        assert_eq!(instant.to_string(), "2026-11-25T00:00:00Z");
        assert_eq!(Instant::parse("1970-01-01T00:00:00Z").unwrap(), Instant(0));
        assert_eq!(
            Instant::parse("9999-12-31T23:59:59.999Z").ok(),
            None,
            "beyond what the time zones' library counts"
        );
        assert!(
            Instant::LAST.to_string().starts_with("9999")
                || Instant::LAST.to_string().ends_with("ms")
        );
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "tomorrow",
            "2026-11-25",
            "2026-11-25T01:00:00",
            "1969-12-31T23:59:59Z",
            "2026-13-01T00:00:00Z",
        ] {
            assert!(Instant::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_carry_one_unit() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("10m", 600_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
        ] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(duration, Duration::from_millis(milliseconds));
            assert_eq!(duration_text(duration), text);
        }
        for text in [
            "",
            "10",
            "m",
            "10 minutes",
            "1h30m",
            "-1s",
            "1.5h",
            "99999999999999999999s",
            "999999999999999999d",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counting_beyond_the_end_stays_at_the_end() {
        assert_eq!(Instant(u64::MAX).plus(Duration::from_secs(1)), Instant(u64::MAX));
        assert_eq!(Instant(5).since(Instant(9)), Duration::ZERO);
    }
}
