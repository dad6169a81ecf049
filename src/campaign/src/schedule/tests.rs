use super::*;
use proptest::prelude::*;

fn instant(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn window(days: &str, from: &str, to: &str) -> Window {
    Window {
        days: Days::parse(days).unwrap(),
        from: Minute::parse(from).unwrap(),
        to: Minute::parse(to).unwrap(),
    }
}

fn in_berlin(windows: Vec<Window>) -> Schedule {
    Schedule {
        windows,
        zone: Zone::Named(time_zone("Europe/Berlin").unwrap()),
        ..Schedule::default()
    }
}

fn opening(schedule: &Schedule, from: &str) -> String {
    schedule.opening(instant(from), "").unwrap().unwrap().to_string()
}

#[test]
fn a_campaign_without_windows_may_always_notify() {
    let always = Schedule::default();
    assert_eq!(always.opening(Instant(5), "nowhere"), Ok(Some(Instant(5))));
    assert!(always.is_always() && !always.is_by_device());
    assert_eq!(always.opening_for_all(Instant(5)), Some(Instant(5)));
}

#[test]
fn inside_a_window_now_is_the_opening_and_outside_it_is_the_next_one() {
    let nights = in_berlin(vec![window("mon-fri", "01:00", "05:00")]);
    // 2026-11-25 is a Wednesday; Berlin is one hour ahead of UTC.
    assert_eq!(opening(&nights, "2026-11-25T02:30:00+01:00"), "2026-11-25T01:30:00Z");
    assert_eq!(opening(&nights, "2026-11-25T00:59:59+01:00"), "2026-11-25T00:00:00Z");
    assert_eq!(
        opening(&nights, "2026-11-25T05:00:00+01:00"),
        "2026-11-26T00:00:00Z",
        "the end is outside"
    );
    assert_eq!(
        opening(&nights, "2026-11-27T12:00:00+01:00"),
        "2026-11-30T00:00:00Z",
        "not at the weekend"
    );
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
    let late = in_berlin(vec![window("fri", "22:00", "02:00")]);
    assert_eq!(
        opening(&late, "2026-11-28T01:00:00+01:00"),
        "2026-11-28T00:00:00Z",
        "Saturday, one o'clock"
    );
    assert_eq!(opening(&late, "2026-11-28T02:00:00+01:00"), "2026-12-04T21:00:00Z", "a week later");
    let all_day = in_berlin(vec![window("sun", "00:00", "24:00")]);
    assert_eq!(opening(&all_day, "2026-11-29T23:59:00+01:00"), "2026-11-29T22:59:00Z");
    assert_eq!(opening(&all_day, "2026-11-30T00:00:00+01:00"), "2026-12-05T23:00:00Z");
}

#[test]
fn on_the_day_clocks_go_forward_a_window_is_what_the_clock_on_the_wall_says() {
    // 2026-03-29 in Berlin: 02:00 becomes 03:00.
    let nights = in_berlin(vec![window("sun", "01:00", "05:00")]);
    assert_eq!(opening(&nights, "2026-03-29T00:00:00+01:00"), "2026-03-29T00:00:00Z");
    assert_eq!(
        opening(&nights, "2026-03-29T04:59:00+02:00"),
        "2026-03-29T02:59:00Z",
        "three hours in all"
    );
    assert_eq!(opening(&nights, "2026-03-29T05:00:00+02:00"), "2026-04-04T23:00:00Z");
    let skipped = in_berlin(vec![window("sun", "02:00", "03:00")]);
    assert_eq!(
        opening(&skipped, "2026-03-29T00:00:00+01:00"),
        "2026-04-05T00:00:00Z",
        "an hour that does not exist is not made up for"
    );
    let half = in_berlin(vec![window("sun", "02:30", "04:00")]);
    assert_eq!(opening(&half, "2026-03-29T00:00:00+01:00"), "2026-03-29T01:30:00Z");
}

#[test]
fn on_the_day_clocks_go_back_the_hour_that_comes_twice_is_in_the_window_twice() {
    // 2026-10-25 in Berlin: 03:00 becomes 02:00.
    let nights = in_berlin(vec![window("sun", "01:00", "05:00")]);
    assert_eq!(opening(&nights, "2026-10-25T00:00:00+02:00"), "2026-10-24T23:00:00Z");
    for inside in
        ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T04:59:00+01:00"]
    {
        assert_eq!(nights.opening(instant(inside), ""), Ok(Some(instant(inside))), "{inside}");
    }
    assert_eq!(opening(&nights, "2026-10-25T05:00:00+01:00"), "2026-11-01T00:00:00Z");
}

#[test]
fn nothing_opens_on_a_day_left_out_even_if_the_window_began_before() {
    let mut schedule = in_berlin(vec![window("mon-sun", "22:00", "02:00")]);
    let date = |day| jiff::civil::date(2026, 12, day);
    schedule.blackout =
        vec![Blackout { from: date(24), to: date(26) }, Blackout { from: date(27), to: date(27) }];
    assert_eq!(opening(&schedule, "2026-12-23T23:00:00+01:00"), "2026-12-23T22:00:00Z");
    assert_eq!(
        opening(&schedule, "2026-12-24T00:30:00+01:00"),
        "2026-12-27T23:00:00Z",
        "the window of the last day left out lasts until 02:00 of the day after"
    );
    let only_days = Schedule { windows: Vec::new(), ..schedule };
    assert_eq!(opening(&only_days, "2026-12-25T12:00:00+01:00"), "2026-12-27T23:00:00Z");
}

#[test]
fn a_device_is_asked_by_its_own_clock() {
    let schedule = Schedule {
        windows: vec![window("mon-sun", "01:00", "05:00")],
        zone: Zone::Device { otherwise: None },
        ..Schedule::default()
    };
    assert!(schedule.is_by_device());
    let from = instant("2026-11-25T12:00:00Z");
    let opens = |zone| schedule.opening(from, zone).map(|at| at.unwrap().to_string());
    assert_eq!(opens("Asia/Tokyo").unwrap(), "2026-11-25T16:00:00Z");
    assert_eq!(opens("+09:00").unwrap(), "2026-11-25T16:00:00Z");
    assert_eq!(opens("America/New_York").unwrap(), "2026-11-26T06:00:00Z");
    assert_eq!(
        opens("Middle/Earth"),
        Err(ZoneUnknown),
        "better not at all than at three in the afternoon"
    );
    assert_eq!(schedule.opening_for_all(from), Some(from));
    let careful = Schedule {
        zone: Zone::Device { otherwise: time_zone("Europe/Berlin") },
        ..schedule.clone()
    };
    assert_eq!(careful.opening(from, "").unwrap(), Some(instant("2026-11-26T00:00:00Z")));
}

#[test]
fn windows_that_cannot_open_before_the_end_are_seen() {
    let schedule = in_berlin(vec![window("sun", "01:00", "05:00")]);
    let monday = instant("2026-11-23T00:00:00Z");
    assert!(!schedule.opens_before(monday, instant("2026-11-28T00:00:00Z")));
    assert!(schedule.opens_before(monday, instant("2026-11-30T00:00:00Z")));
    let by_device = Schedule { zone: Zone::Device { otherwise: None }, ..schedule };
    assert!(
        by_device.opens_before(monday, instant("2026-11-28T12:00:00Z")),
        "it is Sunday first in the far east"
    );
}

#[test]
fn days_and_times_are_read_as_people_write_them() {
    assert_eq!(Days::parse("mon-fri, sun"), Days::parse("sun,mon,tue,wed,thu,fri"));
    assert_eq!(Days::parse("fri-mon"), Days::parse("fri sat sun mon"));
    assert_eq!(Days::parse("mon-sun"), Some(Days::ALL));
    for bad in ["", "monday", "mon-", "-", "mon-xyz", "1-5"] {
        assert_eq!(Days::parse(bad), None, "{bad}");
    }
    assert_eq!(Minute::parse("24:00"), Some(Minute::END));
    for bad in ["", "1:00", "01:60", "24:01", "99:00", "01:00:00", "ab:cd", "+1:00"] {
        assert_eq!(Minute::parse(bad), None, "{bad}");
    }
    for bad in ["", "+15:00", "+1", "Nowhere", "-25:00"] {
        assert!(time_zone(bad).is_none(), "{bad}");
    }
}

proptest! {
    /// R16: within the window and nowhere else, whatever the calendar does.
    #[test]
    fn an_opening_is_open_and_is_never_before_it_was_asked_for(
        at_ in 1_767_225_600_000_u64..1_830_000_000_000, from in 0_u16..1_440, to in 0_u16..=1_440, days in 1_u8..128,
        left_out in 0_i16..400, for_days in 0_i16..10
    ) {
        let first = jiff::civil::date(2026, 1, 1).saturating_add(i64::from(left_out).days());
        let schedule = Schedule {
            windows: vec![Window { days: Days(days), from: Minute(from), to: Minute(to) }],
            blackout: vec![Blackout { from: first, to: first.saturating_add(i64::from(for_days).days()) }],
            zone: Zone::Named(time_zone("America/New_York").unwrap()),
        };
        if let Some(opens) = schedule.opening(Instant(at_), "").unwrap() {
            prop_assert!(opens >= Instant(at_));
            prop_assert_eq!(schedule.opening(opens, "").unwrap(), Some(opens), "it is open then");
            if opens > Instant(at_) {
                // One millisecond earlier it was closed, so the opening is the first.
                let before = schedule.opening(Instant(opens.0 - 1), "").unwrap();
                prop_assert_eq!(before, Some(opens));
            }
        }
    }
}
