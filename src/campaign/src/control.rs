//! The states of a campaign: what an operator may make of them, and what time and progress make of them.
//!
//! Both are pure functions of the campaign's row, so that any controller may decide, and the one that writes first wins.

use crate::progress::Progress;
use crate::time::Instant;
use serde::{Deserialize, Serialize};

/// Where a campaign is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CampaignState {
    /// Accepted; what only the registry can tell is being looked at.
    Checking,
    /// Devices are being enrolled and nothing is sent: the start has not come.
    Enrolling,
    /// Devices are notified and served. Enrolment may still go on.
    Running,
    /// Nothing new is begun until somebody resumes it.
    Paused { by: String, why: String },
    /// Nothing new is begun; jobs are being ended.
    Ending { end: End },
    /// Every job has its outcome.
    Ended { end: End },
}

/// Why a campaign ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// All is done.
    Finished,
    Aborted {
        by: String,
        why: String,
    },
    Expired,
}

impl CampaignState {
    /// The name in documents and events.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Checking => "checking",
            Self::Enrolling => "enrolling",
            Self::Running => "running",
            Self::Paused { .. } => "paused",
            Self::Ending { .. } => "ending",
            Self::Ended { .. } => "ended",
        }
    }

    /// What is to be said beside the name: who paused or aborted it and why, or that it expired.
    pub fn why(&self) -> Option<String> {
        match self {
            Self::Paused { by, why }
            | Self::Ending { end: End::Aborted { by, why } }
            | Self::Ended { end: End::Aborted { by, why } } => {
                Some(if why.is_empty() { by.clone() } else { format!("{by}: {why}") })
            }
            Self::Ending { end: End::Expired } | Self::Ended { end: End::Expired } => {
                Some("expired".to_owned())
            }
            Self::Checking
            | Self::Enrolling
            | Self::Running
            | Self::Ending { end: End::Finished }
            | Self::Ended { end: End::Finished } => None,
        }
    }

    /// Whether a dispatcher may notify devices of this campaign.
    pub fn may_notify(&self) -> bool {
        matches!(self, Self::Running)
    }

    /// Whether a session may begin with a job of this campaign that has not written yet. A pause lets nothing begin.
    pub fn may_begin(&self) -> bool {
        matches!(self, Self::Running)
    }

    /// Whether devices may still be enrolled.
    pub fn may_enrol(&self) -> bool {
        matches!(self, Self::Checking | Self::Enrolling | Self::Running | Self::Paused { .. })
    }

    pub fn is_over(&self) -> bool {
        matches!(self, Self::Ended { .. })
    }
}

/// What an operator (or an upstream system, or a rule) may ask of a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Pause { by: String, why: String },
    Resume,
    Abort { by: String, why: String },
}

impl CampaignState {
    /// What a command makes of a state. `Ok(None)`: it is so already, nothing to write.
    pub fn command(&self, command: Command) -> Result<Option<Self>, CommandRefused> {
        match (self, command) {
            (Self::Checking | Self::Enrolling | Self::Running, Command::Pause { by, why }) => {
                Ok(Some(Self::Paused { by, why }))
            }
            (Self::Paused { .. }, Command::Pause { .. })
            | (Self::Checking | Self::Enrolling | Self::Running, Command::Resume)
            | (
                Self::Ending { end: End::Aborted { .. } }
                | Self::Ended { end: End::Aborted { .. } },
                Command::Abort { .. },
            ) => Ok(None),
            // Whether the start has come is for `decide` to say.
            (Self::Paused { .. }, Command::Resume) => Ok(Some(Self::Enrolling)),
            (
                Self::Checking
                | Self::Enrolling
                | Self::Running
                | Self::Paused { .. }
                | Self::Ending { end: End::Finished | End::Expired },
                Command::Abort { by, why },
            ) => Ok(Some(Self::Ending { end: End::Aborted { by, why } })),
            (Self::Ending { .. } | Self::Ended { .. }, Command::Pause { .. } | Command::Resume)
            | (Self::Ended { end: End::Finished | End::Expired }, Command::Abort { .. }) => {
                Err(CommandRefused { state: self.name() })
            }
        }
    }
}

/// A command that comes too late.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the campaign is {state}")]
pub struct CommandRefused {
    /// The name of the state it is in.
    pub state: &'static str,
}

/// What of a campaign's row bears on its next state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub state: CampaignState,
    /// Every device that belongs to the campaign is enrolled, as known before the counters were summed.
    pub enrolment_complete: bool,
    pub start: Option<Instant>,
    pub expires: Option<Instant>,
}

/// The state that a campaign should go to now, if it should leave the one it is in.
pub fn decide(facts: &Facts, progress: &Progress, now: Instant) -> Option<CampaignState> {
    let expired = facts.expires.is_some_and(|expires| now >= expires);
    let started = facts.start.is_none_or(|start| now >= start);
    let finished = progress.finished(facts.enrolment_complete);
    match &facts.state {
        CampaignState::Ended { .. } => None,
        // Nobody enrols into an ending campaign, so all that is enrolled is all there is.
        CampaignState::Ending { end } => {
            progress.finished(true).then(|| CampaignState::Ended { end: end.clone() })
        }
        CampaignState::Checking => Some(CampaignState::Enrolling),
        _ if finished => Some(CampaignState::Ended { end: End::Finished }),
        _ if expired => Some(CampaignState::Ending { end: End::Expired }),
        CampaignState::Enrolling => started.then_some(CampaignState::Running),
        CampaignState::Running | CampaignState::Paused { .. } => None,
    }
}

/// The next instant at which [`decide`] may answer otherwise although nothing is counted.
pub fn look_again(facts: &Facts, now: Instant) -> Option<Instant> {
    [facts.start, facts.expires].into_iter().flatten().filter(|instant| *instant > now).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Outcome;
    use crate::progress::ENROLLED;
    use proptest::prelude::*;

    const NOW: Instant = Instant(1_000);

    fn facts(state: CampaignState) -> Facts {
        Facts {
            state,
            enrolment_complete: true,
            start: Some(Instant(500)),
            expires: Some(Instant(2_000)),
        }
    }

    fn progress(enrolled: i64, ended: i64) -> Progress {
        Progress::from_counters([(ENROLLED, enrolled), (Outcome::Applied.field(), ended)])
    }

    fn paused() -> CampaignState {
        CampaignState::Paused { by: "ann".into(), why: "complaints".into() }
    }

    fn abort() -> Command {
        Command::Abort { by: "ann".into(), why: "wrong value".into() }
    }

    #[test]
    fn a_campaign_runs_from_its_start_and_ends_with_its_last_job() {
        let checking = facts(CampaignState::Checking);
        assert_eq!(decide(&checking, &progress(0, 0), NOW), Some(CampaignState::Enrolling));
        let mut enrolling = facts(CampaignState::Enrolling);
        enrolling.enrolment_complete = false;
        assert_eq!(
            decide(&enrolling, &progress(5, 0), Instant(499)),
            None,
            "the start has not come"
        );
        assert_eq!(
            decide(&enrolling, &progress(5, 0), NOW),
            Some(CampaignState::Running),
            "running may overlap enrolling"
        );
        let mut running = facts(CampaignState::Running);
        assert_eq!(decide(&running, &progress(5, 4), NOW), None);
        assert_eq!(
            decide(&running, &progress(5, 5), NOW),
            Some(CampaignState::Ended { end: End::Finished })
        );
        running.enrolment_complete = false;
        assert_eq!(decide(&running, &progress(5, 5), NOW), None, "more devices may come");
    }

    #[test]
    fn a_campaign_without_devices_ends_at_once() {
        assert_eq!(
            decide(&facts(CampaignState::Enrolling), &progress(0, 0), NOW),
            Some(CampaignState::Ended { end: End::Finished })
        );
    }

    #[test]
    fn expiry_ends_running_and_paused_campaigns_alike() {
        for state in [CampaignState::Enrolling, CampaignState::Running, paused()] {
            let ending = decide(&facts(state), &progress(5, 1), Instant(2_000)).unwrap();
            assert_eq!(ending, CampaignState::Ending { end: End::Expired });
            assert_eq!(decide(&facts(ending.clone()), &progress(5, 4), Instant(2_000)), None);
            assert_eq!(
                decide(&facts(ending), &progress(5, 5), Instant(2_000)),
                Some(CampaignState::Ended { end: End::Expired })
            );
        }
    }

    #[test]
    fn c4_pause_resume_and_abort_do_the_same_when_repeated() {
        let pause = Command::Pause { by: "ann".into(), why: "complaints".into() };
        assert_eq!(CampaignState::Running.command(pause.clone()), Ok(Some(paused())));
        assert_eq!(paused().command(pause), Ok(None));
        assert_eq!(paused().command(Command::Resume), Ok(Some(CampaignState::Enrolling)));
        assert_eq!(
            decide(&facts(CampaignState::Enrolling), &progress(5, 0), NOW),
            Some(CampaignState::Running)
        );
        assert_eq!(CampaignState::Running.command(Command::Resume), Ok(None));
        let aborting = paused().command(abort()).unwrap().unwrap();
        assert_eq!(aborting.why().unwrap(), "ann: wrong value");
        assert_eq!(aborting.command(abort()), Ok(None));
        assert!(aborting.command(Command::Resume).is_err());
    }

    #[test]
    fn a_state_is_stored_and_read_back() {
        let aborted = CampaignState::Running.command(abort()).unwrap().unwrap();
        for state in
            [CampaignState::Checking, paused(), aborted, CampaignState::Ended { end: End::Expired }]
        {
            let stored = postcard::to_allocvec(&state).unwrap();
            assert_eq!(postcard::from_bytes::<CampaignState>(&stored).unwrap(), state);
        }
    }

    fn state() -> impl Strategy<Value = CampaignState> {
        let end = prop_oneof![
            Just(End::Finished),
            Just(End::Expired),
            Just(End::Aborted { by: String::new(), why: String::new() })
        ];
        prop_oneof![
            Just(CampaignState::Checking),
            Just(CampaignState::Enrolling),
            Just(CampaignState::Running),
            Just(paused()),
            end.clone().prop_map(|end| CampaignState::Ending { end }),
            end.prop_map(|end| CampaignState::Ended { end }),
        ]
    }

    proptest! {
        #[test]
        fn every_command_is_defined_in_every_state_and_repeating_it_changes_nothing(
            state in state(), which in 0..3
        ) {
            let command = match which {
                0 => Command::Pause { by: "ann".into(), why: String::new() },
                1 => Command::Resume,
                _ => abort(),
            };
            if let Ok(Some(next)) = state.command(command.clone()) {
                prop_assert_eq!(next.command(command), Ok(None));
                prop_assert!(!state.is_over());
            }
        }

        #[test]
        fn every_campaign_settles_and_an_ended_one_stays_ended(
            state in state(), enrolled in 0_i64..3, ended in 0_i64..3, complete: bool, now in 0_u64..3_000
        ) {
            let mut facts = facts(state);
            facts.enrolment_complete = complete;
            let progress = progress(enrolled.max(ended), ended);
            let mut steps = 0;
            while let Some(next) = decide(&facts, &progress, Instant(now)) {
                prop_assert!(!facts.state.is_over());
                prop_assert_ne!(&next, &facts.state);
                facts.state = next;
                steps += 1;
                prop_assert!(steps < 5);
            }
            if now >= 2_000 && progress.finished(true) {
                prop_assert!(facts.state.is_over());
            }
        }
    }
}
