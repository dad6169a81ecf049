use super::*;
use proptest::prelude::*;

const TERMS: Terms = Terms {
    retry: Retry { attempts: 3, base: Duration::from_mins(1), cap: Duration::from_mins(10) },
    answer_within: Duration::from_mins(10),
    pull: false,
    pull_until: None,
};
const PULL: Terms = Terms { pull: true, ..TERMS };
const NOW: Instant = Instant(1_000_000);
const LATER: Instant = Instant(2_000_000);

fn notified() -> Job {
    Job::new(NOW).on_notified(7, NOW, &TERMS)
}

fn in_session() -> Job {
    notified().on_session_started(LATER)
}

fn written() -> Job {
    in_session().on_write_sent(LATER)
}

#[test]
fn r23_a_silent_device_is_retried_on_schedule_then_given_up() {
    let mut job = Job::new(NOW);
    let mut now = NOW;
    for attempt in 1..=3 {
        job = job.on_notified(7, now, &TERMS);
        assert_eq!(job.so_far().attempts, attempt);
        let deadline = job.deadline().unwrap();
        assert_eq!(
            job.on_deadline(Instant(deadline.0 - 1), 0, &TERMS),
            job,
            "not before the deadline"
        );
        job = job.on_deadline(deadline, 0, &TERMS);
        assert!(job.so_far().silent, "known after the first answer_within");
        now = deadline;
    }
    assert_eq!(job.outcome(), Some(Outcome::Unreachable));
}

#[test]
fn a_device_that_comes_in_time_is_not_silent() {
    let job = in_session().on_outcome(Outcome::Applied);
    assert_eq!(
        job,
        Job::Ended {
            outcome: Outcome::Applied,
            so_far: SoFar { attempts: 1, connected: true, ..SoFar::default() }
        }
    );
}

#[test]
fn before_a_write_an_abort_cancels_and_expiry_expires() {
    for job in [Job::new(NOW), notified(), in_session()] {
        assert_eq!(job.on_abort(NOW, &TERMS).outcome(), Some(Outcome::Cancelled));
        assert_eq!(job.on_expire(NOW, &TERMS).outcome(), Some(Outcome::Expired));
    }
}

#[test]
fn after_a_write_the_session_goes_on_through_abort_and_expiry() {
    assert_eq!(written().on_abort(NOW, &TERMS), written());
    assert_eq!(written().on_expire(NOW, &TERMS), written());
    let proving = written().on_proving(LATER);
    assert_eq!(proving.on_abort(NOW, &TERMS), proving);
}

#[test]
fn a_session_lost_before_a_write_is_tried_again_from_the_start() {
    let job = in_session().on_session_lost(NOW, 0, &TERMS);
    assert!(matches!(job, Job::Waiting { .. }) && !job.must_reread());
}

#[test]
fn a_session_lost_after_a_write_must_read_again() {
    let job = written().on_deadline(LATER, 0, &TERMS);
    assert!(matches!(job, Job::Waiting { .. }) && job.must_reread());
    let stopped = job.on_abort(LATER, &TERMS);
    assert_eq!(
        stopped.deadline(),
        Some(LATER.plus(TERMS.answer_within)),
        "it may still come and be read"
    );
    assert!(matches!(
        stopped.on_session_started(LATER),
        Job::InSession { phase: Phase::Query, .. }
    ));
    assert_eq!(
        stopped.on_deadline(LATER.plus(TERMS.answer_within), 0, &TERMS).outcome(),
        Some(Outcome::Broken)
    );
}

#[test]
fn a_device_whose_session_could_not_work_is_called_again_even_after_the_last_attempt() {
    let last = (0..3).fold(Job::new(NOW), |job, _| job.on_notified(7, NOW, &TERMS));
    let again = last.on_call_again(LATER);
    let so_far = SoFar { attempts: 3, connected: true, ..SoFar::default() };
    assert_eq!(again, Job::Waiting { not_before: LATER, so_far });
    assert_eq!(in_session().on_call_again(LATER), in_session());
}

#[test]
fn r11_a_pull_job_waits_without_counting_attempts() {
    let lost = Job::new(NOW).on_session_started(LATER).on_session_lost(NOW, 0, &PULL);
    assert_eq!(
        lost,
        Job::Waiting { not_before: NOW, so_far: SoFar { connected: true, ..SoFar::default() } }
    );
}

#[test]
fn a_notification_committed_after_its_session_only_adds_the_attempt() {
    let early = Job::new(NOW).on_session_started(LATER);
    let job = early.on_notified(7, NOW, &TERMS);
    assert_eq!(job.so_far().attempts, 1);
    assert!(matches!(job, Job::InSession { .. }));
}

#[test]
fn a_job_is_stored_in_a_few_octets() {
    let now = Instant(1_800_000_000_000);
    let waiting = Job::new(now);
    let notified = waiting.on_notified(0xffff, now, &TERMS);
    let session = notified.on_session_started(now).on_write_sent(now);
    for job in [
        waiting,
        notified,
        session,
        session.on_proving(now),
        session.on_accepted(&[6], now),
        session.on_outcome(Outcome::UnknownDevice),
    ] {
        let stored = postcard::to_allocvec(&job).unwrap();
        assert!(stored.len() <= 16, "{} octets: {job:?}", stored.len());
        assert_eq!(postcard::from_bytes::<Job>(&stored).unwrap(), job);
    }
}

#[test]
fn work_that_a_device_took_up_ends_with_its_word_or_with_its_time() {
    let waits = written().on_accepted(&[0, 3], LATER);
    assert_eq!(waits.deadline(), Some(LATER));
    for unmoved in [
        waits.on_word(1, true),
        waits.on_session_started(NOW),
        waits.on_session_lost(NOW, 0, &TERMS),
        waits.on_write_sent(NOW),
        waits.on_abort(NOW, &TERMS),
        waits.on_expire(NOW, &TERMS),
    ] {
        assert_eq!(unmoved, waits);
    }
    let half = waits.on_word(3, true);
    assert!(!half.ended() && half != waits);
    assert_eq!(half.on_word(3, false), half, "the first word stands");
    assert_eq!(half.on_word(0, true).outcome(), Some(Outcome::Applied));
    assert_eq!(half.on_word(0, false).outcome(), Some(Outcome::Failed));
    assert_eq!(waits.on_deadline(LATER, 0, &TERMS).outcome(), Some(Outcome::Failed));
    assert_eq!(written().on_accepted(&[200], LATER), written(), "no campaign has so many settings");
}

#[derive(Debug, Clone)]
enum Event {
    Notified,
    Deadline,
    Session,
    Phase,
    Write,
    Proving,
    Accepted,
    Word(u8, bool),
    Lost,
    CallAgain,
    Outcome(Outcome),
    Abort,
    Expire,
}

impl Event {
    fn apply(&self, job: Job, now: Instant, dice: u64, terms: &Terms) -> Job {
        let deadline = now.plus(Duration::from_secs(30));
        match self {
            Self::Notified => job.on_notified(7, now, terms),
            Self::Deadline => job.on_deadline(job.deadline().unwrap_or(now).max(now), dice, terms),
            Self::Session => job.on_session_started(deadline),
            Self::Phase => job.on_phase(Phase::Ask, deadline),
            Self::Write => job.on_write_sent(deadline),
            Self::Proving => job.on_proving(deadline),
            Self::Accepted => job.on_accepted(&[0, 2], deadline),
            Self::Word(place, done) => job.on_word(*place, *done),
            Self::Lost => job.on_session_lost(now, dice, terms),
            Self::CallAgain => job.on_call_again(now),
            Self::Outcome(outcome) => job.on_outcome(*outcome),
            Self::Abort => job.on_abort(now, terms),
            Self::Expire => job.on_expire(now, terms),
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Notified),
        4 => Just(Event::Deadline),
        4 => Just(Event::Session),
        2 => Just(Event::Phase),
        3 => Just(Event::Write),
        2 => Just(Event::Proving),
        2 => Just(Event::Accepted),
        2 => (0_u8..3, any::<bool>()).prop_map(|(place, done)| Event::Word(place, done)),
        3 => Just(Event::Lost),
        1 => Just(Event::CallAgain),
        1 => prop_oneof![Just(Outcome::Applied), Just(Outcome::Declined), Just(Outcome::Failed)].prop_map(Event::Outcome),
        1 => Just(Event::Abort),
        1 => Just(Event::Expire),
    ]
}

proptest! {
    #[test]
    fn a_job_has_one_outcome_and_is_never_cancelled_after_a_write(
        events in proptest::collection::vec(event(), 0..40), pull: bool, dice: u64
    ) {
        let terms = if pull { PULL } else { TERMS };
        let (mut job, mut now) = (Job::new(NOW), NOW);
        for event in events {
            now = now.plus(Duration::from_secs(1));
            let before = job;
            job = event.apply(job, now, dice, &terms);
            if before.ended() {
                prop_assert_eq!(job, before);
            }
            if before.so_far().written {
                prop_assert!(job.so_far().written);
                prop_assert!(!matches!(job.outcome(), Some(Outcome::Cancelled | Outcome::Expired | Outcome::Unreachable)));
            }
            prop_assert!(!before.so_far().silent || job.so_far().silent);
            prop_assert!(!before.so_far().connected || job.so_far().connected);
        }
    }

    #[test]
    fn whatever_happened_a_job_ends_when_its_campaign_does(
        events in proptest::collection::vec(event(), 0..40), pull: bool, abort: bool, dice: u64
    ) {
        let terms = if pull { PULL } else { TERMS };
        let (mut job, mut now) = (Job::new(NOW), NOW);
        for event in events {
            now = now.plus(Duration::from_secs(1));
            job = event.apply(job, now, dice, &terms);
        }
        // The sweeper of an ending campaign and the deadlines are all that still happens.
        for _ in 0..4 {
            job = if abort { job.on_abort(now, &terms) } else { job.on_expire(now, &terms) };
            now = job.deadline().unwrap_or(now);
            job = job.on_deadline(now, dice, &terms);
        }
        prop_assert!(job.ended(), "{:?}", job);
    }

    #[test]
    fn a_push_job_that_nobody_stops_ends_after_its_attempts(
        events in proptest::collection::vec(event(), 0..40), dice: u64
    ) {
        let (mut job, mut now) = (Job::new(NOW), NOW);
        for event in events {
            now = now.plus(Duration::from_secs(1));
            job = event.apply(job, now, dice, &TERMS);
        }
        for _ in 0..10 {
            if let Job::Waiting { not_before, .. } = job {
                job = job.on_notified(7, not_before, &TERMS);
            }
            now = job.deadline().unwrap_or(now);
            job = job.on_deadline(now, dice, &TERMS);
        }
        prop_assert!(job.ended(), "{:?}", job);
    }
}
