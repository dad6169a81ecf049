//! When a campaign may notify: windows in the week, days left out, and whose clock they are read by.
//!
//! Windows are civil times. They become instants day by day, in a time zone, so that a window from 01:00 to 05:00 is that by the
//! clock on the wall on the days on which clocks are changed too: three hours long, or five.

use crate::time::Instant;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan};
use std::fmt;

#[cfg(test)]
mod tests;

/// How far ahead an opening is looked for. A window that opens on one day of the week opens within it, however long the
/// blackouts may be that a campaign can sensibly have.
const HORIZON_DAYS: i64 = 400;

/// The days of the week on which a window opens: bit 0 is Monday.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Days(u8);

impl Days {
    pub const ALL: Self = Self(0b111_1111);
    /// As written, from Monday on.
    pub const NAMES: [&'static str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    /// Reads `mon`, `mon-fri`, `fri-mon` (over the weekend), and several of these with commas or spaces between.
    pub fn parse(text: &str) -> Option<Self> {
        let mut days = 0;
        for part in text.split([',', ' ']).filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let place = |name: &str| Self::NAMES.iter().position(|known| *known == name.trim());
            let (first, last) = (place(first)?, place(last)?);
            let mut day = first;
            loop {
                days |= 1 << day;
                if day == last {
                    break;
                }
                day = (day + 1) % 7;
            }
        }
        (days != 0).then_some(Self(days))
    }

    fn has(self, day: Weekday) -> bool {
        self.0 >> day.to_monday_zero_offset() & 1 == 1
    }
}

impl fmt::Debug for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Self::NAMES.iter().enumerate().filter(|(day, _)| self.0 >> day & 1 == 1);
        f.debug_list().entries(named.map(|(_, name)| name)).finish()
    }
}

/// A time of day, to the minute: 00:00 to 24:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minute(u16);

impl Minute {
    pub const MIDNIGHT: Self = Self(0);
    pub const END: Self = Self(24 * 60);

    /// Reads `hh:mm`.
    pub fn parse(text: &str) -> Option<Self> {
        let (hours, minutes) = text.split_once(':')?;
        let number = |text: &str| {
            (text.len() == 2 && text.bytes().all(|c| c.is_ascii_digit()))
                .then(|| text.parse::<u16>().ok())
                .flatten()
        };
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        let minute = Self(hours * 60 + minutes);
        (minutes < 60 && minute <= Self::END).then_some(minute)
    }

    fn time(self) -> Option<Time> {
        let (hour, minute) = (i8::try_from(self.0 / 60).ok()?, i8::try_from(self.0 % 60).ok()?);
        Time::new(hour, minute, 0, 0).ok()
    }
}

/// A part of each of some days. One that ends no later than it begins goes on over midnight, and belongs to the day on which it
/// begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub days: Days,
    pub from: Minute,
    pub to: Minute,
}

impl Window {
    const WHOLE_DAY: Self = Self { days: Days::ALL, from: Minute::MIDNIGHT, to: Minute::END };

    /// From when to when it is open if it begins on `date`. Nothing on other days, nor when clocks skip all of it.
    fn on(self, date: Date, zone: &TimeZone) -> Option<(Instant, Instant)> {
        if !self.days.has(date.weekday()) {
            return None;
        }
        let over_midnight = self.to <= self.from && self.to < Minute::END;
        let last = if over_midnight { date.tomorrow().ok()? } else { date };
        let (from, to) = (at(date, self.from, zone)?, at(last, self.to, zone)?);
        (from < to).then_some((from, to))
    }
}

/// The instant of a time of day. A time that clocks skip is the one as long after; of one that comes twice, the first.
fn at(date: Date, minute: Minute, zone: &TimeZone) -> Option<Instant> {
    let (date, minute) = if minute == Minute::END {
        (date.tomorrow().ok()?, Minute::MIDNIGHT)
    } else {
        (date, minute)
    };
    let zoned = date.to_datetime(minute.time()?).to_zoned(zone.clone()).ok()?;
    u64::try_from(zoned.timestamp().as_millisecond()).ok().map(Instant)
}

/// Days on which nothing is sent, the first and the last included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blackout {
    pub from: Date,
    pub to: Date,
}

/// Whose clock windows and blackouts are read by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Zone {
    /// One for all devices.
    Named(TimeZone),
    /// Each device's own; of a device whose zone is not known, the other one, if there is one.
    Device { otherwise: Option<TimeZone> },
}

/// Reads the name of a time zone (`Europe/Berlin`), or an offset (`+05:30`).
pub fn time_zone(text: &str) -> Option<TimeZone> {
    let text = text.trim();
    match text.as_bytes().first() {
        Some(sign @ (b'+' | b'-')) => {
            let minute = Minute::parse(text.get(1..)?).filter(|minute| minute.0 <= 14 * 60)?;
            let seconds = i32::from(minute.0) * 60;
            let seconds = if *sign == b'-' { -seconds } else { seconds };
            Offset::from_seconds(seconds).ok().map(TimeZone::fixed)
        }
        Some(_) => TimeZone::get(text).ok(),
        None => None,
    }
}

/// When devices may be notified. The default is: always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Open in any of these; with none of them, all day.
    pub windows: Vec<Window>,
    pub blackout: Vec<Blackout>,
    pub zone: Zone,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { windows: Vec::new(), blackout: Vec::new(), zone: Zone::Named(TimeZone::UTC) }
    }
}

/// Why a device's windows cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the device's time zone is not known, and the campaign names no other")]
pub struct ZoneUnknown;

impl Schedule {
    /// Whether there is nothing to wait for, ever.
    pub fn is_always(&self) -> bool {
        self.windows.is_empty() && self.blackout.is_empty()
    }

    /// Whether each device has its own opening: nothing can then be said for the campaign as a whole.
    pub fn is_by_device(&self) -> bool {
        !self.is_always() && matches!(self.zone, Zone::Device { .. })
    }

    /// The first instant from `from` on at which a device in `zone` (as the registry has it) may be notified; `None` when there
    /// is none within the next year.
    pub fn opening(&self, from: Instant, zone: &str) -> Result<Option<Instant>, ZoneUnknown> {
        if self.is_always() {
            return Ok(Some(from));
        }
        match &self.zone {
            Zone::Named(zone) => Ok(self.opening_in(from, zone)),
            Zone::Device { otherwise } => {
                let zone = time_zone(zone).or_else(|| otherwise.clone()).ok_or(ZoneUnknown)?;
                Ok(self.opening_in(from, &zone))
            }
        }
    }

    /// The same for the campaign as a whole; at once when each device has its own opening.
    pub fn opening_for_all(&self, from: Instant) -> Option<Instant> {
        match &self.zone {
            Zone::Named(zone) if !self.is_always() => self.opening_in(from, zone),
            Zone::Named(_) | Zone::Device { .. } => Some(from),
        }
    }

    /// Whether it opens at all before `end`, wherever on earth a device may be.
    pub fn opens_before(&self, from: Instant, end: Instant) -> bool {
        let opens = |zone: &TimeZone| self.opening_in(from, zone).is_some_and(|at| at < end);
        match &self.zone {
            _ if self.is_always() => true,
            Zone::Named(zone) => opens(zone),
            Zone::Device { .. } => ["-12:00", "+00:00", "+14:00"]
                .iter()
                .filter_map(|zone| time_zone(zone))
                .any(|zone| opens(&zone)),
        }
    }

    fn opening_in(&self, from: Instant, zone: &TimeZone) -> Option<Instant> {
        let stamp = Timestamp::from_millisecond(i64::try_from(from.0).ok()?).ok()?;
        let today = zone.to_datetime(stamp).date();
        let whole_day = [Window::WHOLE_DAY];
        let windows: &[Window] = if self.windows.is_empty() { &whole_day } else { &self.windows };
        // Yesterday's windows may last until today. The earliest opening of a day is the earliest of all, but for a window of
        // the day before that reaches past a blackout; so one day more is looked at once something was found.
        let mut found: Option<Instant> = None;
        for day in -1..=HORIZON_DAYS {
            let Ok(date) = today.checked_add(day.days()) else { break };
            let had = found;
            for (opens, closes) in windows.iter().filter_map(|window| window.on(date, zone)) {
                let opens = self.past_blackouts(opens.max(from), zone)?;
                if opens < closes {
                    found = Some(found.map_or(opens, |earlier| earlier.min(opens)));
                }
            }
            if had.is_some() {
                return found;
            }
        }
        found
    }

    /// `at`, or the end of the blackouts that it falls into.
    fn past_blackouts(&self, mut at_: Instant, zone: &TimeZone) -> Option<Instant> {
        // Each round leaves one blackout behind, in whatever order they stand.
        for _ in 0..=self.blackout.len() {
            let mut moved = false;
            for blackout in &self.blackout {
                let begins = at(blackout.from, Minute::MIDNIGHT, zone)?;
                let ends = at(blackout.to, Minute::END, zone)?;
                if begins <= at_ && at_ < ends {
                    at_ = ends;
                    moved = true;
                }
            }
            if !moved {
                break;
            }
        }
        Some(at_)
    }
}
