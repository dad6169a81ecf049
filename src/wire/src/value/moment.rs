//! ISO 8601 dates and times as instants, in the basic and the extended form.

/// A day, a time of day, or both, as far as the text goes. Two are equal when they name the same instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Days since 0000-03-01 of the proleptic Gregorian calendar.
    day: Option<i64>,
    /// Nanoseconds of the day; of the day in UTC if a zone is known.
    time: Option<i64>,
    /// Whether the text says its distance from UTC.
    zoned: bool,
}

const NANOSECONDS_OF_MINUTE: i64 = 60 * 1_000_000_000;
const NANOSECONDS_OF_DAY: i64 = 24 * 60 * NANOSECONDS_OF_MINUTE;

impl Moment {
    /// `2024-02-29` or `20240229`; a time may follow after `T`.
    pub(super) fn of_date(text: &str) -> Option<Self> {
        let text = text.trim();
        let (date, time) = match text.split_once(['T', 't']) {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let day = Some(day_number(date)?);
        match time {
            None => Some(Self { day, time: None, zoned: false }),
            Some(time) => Self::of_clock(time, day),
        }
    }

    /// `23:59:59`, `235959`, `23:59`, with a fraction and a zone (`Z`, `+02:00`, `+0200`, `+02`) if need be; a date may
    /// stand before, with `T` between.
    pub(super) fn of_time(text: &str) -> Option<Self> {
        let text = text.trim();
        match text.split_once(['T', 't']) {
            Some(("", time)) => Self::of_clock(time, None),
            Some(_) => Self::of_date(text),
            None => Self::of_clock(text, None),
        }
    }

    fn of_clock(text: &str, day: Option<i64>) -> Option<Self> {
        let (clock, zone) = match text.find(['Z', 'z', '+', '-']) {
            Some(at) => {
                let (clock, zone) = text.split_at_checked(at)?;
                (clock, Some(zone))
            }
            None => (text, None),
        };
        let local = nanoseconds(clock)?;
        let Some(zone) = zone else { return Some(Self { day, time: Some(local), zoned: false }) };
        let utc = local - zone_minutes(zone)? * NANOSECONDS_OF_MINUTE;
        Some(Self {
            day: day.map(|day| day + utc.div_euclid(NANOSECONDS_OF_DAY)),
            time: Some(utc.rem_euclid(NANOSECONDS_OF_DAY)),
            zoned: true,
        })
    }
}

fn day_number(text: &str) -> Option<i64> {
    let digits = match text.split('-').collect::<Vec<_>>().as_slice() {
        [year, month, day] if year.len() == 4 && month.len() == 2 && day.len() == 2 => {
            [*year, *month, *day].concat()
        }
        [packed] if packed.len() == 8 => (*packed).to_owned(),
        _ => return None,
    };
    let number = decimal(&digits)?;
    let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if !(1..=days).contains(&day) {
        return None;
    }
    // Years that begin in March keep the odd day at their end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(365 * year + leap_days + (153 * month + 2) / 5 + day - 1)
}

fn nanoseconds(clock: &str) -> Option<i64> {
    let (whole, fraction) = match clock.split_once(['.', ',']) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (clock, None),
    };
    let digits = match whole.split(':').collect::<Vec<_>>().as_slice() {
        [packed] => (*packed).to_owned(),
        parts if parts.len() <= 3 && parts.iter().all(|part| part.len() == 2) => parts.concat(),
        _ => return None,
    };
    let number = match digits.len() {
        4 => decimal(&digits)? * 100,
        6 => decimal(&digits)?,
        _ => return None,
    };
    let (hour, minute, second) = (number / 10_000, number / 100 % 100, number % 100);
    // 60 is a leap second, and the same instant as the next minute's first; 24:00:00 ends the day.
    let whole_day = hour == 24 && minute == 0 && second == 0;
    if (hour > 23 && !whole_day) || minute > 59 || second > 60 {
        return None;
    }
    let fraction = match fraction {
        None => 0,
        Some(fraction) if (1..=9).contains(&fraction.len()) && digits.len() == 6 => {
            decimal(&format!("{fraction:0<9}"))?
        }
        Some(_) => return None,
    };
    Some(((hour * 60 + minute) * 60 + second) * 1_000_000_000 + fraction)
}

fn zone_minutes(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, distance) = match (zone.strip_prefix('+'), zone.strip_prefix('-')) {
        (Some(distance), _) => (1, distance),
        (_, Some(distance)) => (-1, distance),
        _ => return None,
    };
    let digits = distance.replacen(':', "", 1);
    let (hours, minutes) = match digits.len() {
        2 => (decimal(&digits)?, 0),
        4 => (decimal(&digits)? / 100, decimal(&digits)? % 100),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

fn decimal(digits: &str) -> Option<i64> {
    if digits.bytes().all(|digit| digit.is_ascii_digit()) { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_follow_each_other_over_every_boundary() {
        let day = |text| Moment::of_date(text).unwrap().day.unwrap();
        for (before, after) in [
            ("2024-02-29", "2024-03-01"),
            ("2023-12-31", "20240101"),
            ("1900-02-28", "1900-03-01"),
            ("0000-02-29", "0000-03-01"),
        ] {
            assert_eq!(day(before) + 1, day(after), "{before}");
        }
        assert_eq!(day("2024-01-01") - day("1970-01-01"), 19_723);
        for text in
            ["1900-02-29", "2024-00-01", "2024-1-01", "24-01-01", "2024-04-31", "", "２０２４0101"]
        {
            assert_eq!(Moment::of_date(text), None, "{text}");
        }
    }

    #[test]
    fn a_zone_moves_the_day_too() {
        assert_eq!(
            Moment::of_date("2024-01-01T00:30:00+01:00"),
            Moment::of_date("20231231T233000Z")
        );
        assert_eq!(
            Moment::of_time("2024-01-01T24:00:00Z"),
            Moment::of_time("2024-01-02T00:00:00Z")
        );
        assert_ne!(Moment::of_date("2024-01-01T00:00:00Z"), Moment::of_date("2024-01-01"));
        assert_eq!(Moment::of_time("T12:00:00.5-05"), Moment::of_time("170000,500Z"));
        for text in [
            "12",
            "1200:00",
            "12:0:0",
            "12:60:00",
            "24:00:01",
            "12:00:00.",
            "12:00.5",
            "12:00+25:00",
            "12:00+1",
        ] {
            assert_eq!(Moment::of_time(text), None, "{text}");
        }
    }
}
