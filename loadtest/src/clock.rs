//! The one reader of the clock: when something was heard, and how long an answer took.

use std::time::Instant;

/// Now, on the monotonic clock of this machine.
#[expect(
    clippy::disallowed_methods,
    reason = "the simulated world measures real time, and here is its only clock"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The minute that it is, as short message centres write it: `YYMMDDhhmm`, UTC.
pub(crate) fn utc_minutes() -> String {
    let Moment { year, month, day, hour, minute, .. } = Moment::now();
    format!("{:02}{month:02}{day:02}{hour:02}{minute:02}", year % 100)
}

/// A moment of the calendar, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) year: u64,
    pub(crate) month: u64,
    pub(crate) day: u64,
    pub(crate) hour: u64,
    pub(crate) minute: u64,
    pub(crate) second: u64,
}

impl Moment {
    #[expect(
        clippy::disallowed_methods,
        reason = "receipts tell the time of day, and here is the only clock"
    )]
    pub(crate) fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self::of(since.unwrap_or_default().as_secs())
    }

    /// `2024-05-01T10:00:00Z`
    pub(crate) fn text(self) -> String {
        let Self { year, month, day, hour, minute, second } = self;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// Seconds since 1970.
    pub(crate) fn of(seconds: u64) -> Self {
        let (mut days, second) = (seconds / 86_400, seconds % 86_400);
        let leap = |year: u64| {
            year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
        };
        let mut year = 1970;
        while days >= 365 + u64::from(leap(year)) {
            days -= 365 + u64::from(leap(year));
            year += 1;
        }
        let mut month = 1;
        for length in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
            if days < length {
                break;
            }
            days -= length;
            month += 1;
        }
        let (hour, minute) = (second / 3_600, second / 60 % 60);
        Self { year, month, day: days + 1, hour, minute, second: second % 60 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, [year, month, day, hour, minute, second]) in [
            (0, [1970, 1, 1, 0, 0, 0]),
            (951_827_696, [2000, 2, 29, 12, 34, 56]),
            (1_714_557_600, [2024, 5, 1, 10, 0, 0]),
            (1_735_689_599, [2024, 12, 31, 23, 59, 59]),
        ] {
            let moment = Moment { year, month, day, hour, minute, second };
            assert_eq!(Moment::of(seconds), moment);
        }
    }
}
