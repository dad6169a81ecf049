//! How common each thing is in a fleet: named mixes, mixes as text, and the kind of one device.

use super::{Answer, Auth, Fault, Habits, Kind, Mix, Model, ServerNonce};
use crate::dice::Dice;
use std::str::FromStr;
use wire::Encoding;

/// What chance says about the fault of one device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draw {
    /// From 0 to 1: which fault.
    pub(super) share: f64,
    pub(super) detail: u32,
    /// How long it is away, in milliseconds.
    pub(super) away: u32,
}

impl Draw {
    /// 1, 2 or 3: the number of a message that most sessions have.
    pub(super) fn one_of_three(self) -> u32 {
        self.detail % 3 + 1
    }
}

/// Why a text is no mix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MixError {
    #[error("there is no fault {0:?}; write all, demo, none, or names of these: {known}", known = known())]
    Name(String),
    #[error("the share of {0:?} has to be a number from 0 to 1")]
    Share(String),
    #[error("the shares of the faults are more than the whole fleet")]
    TooMuch,
}

fn known() -> String {
    let names: Vec<&str> = Fault::ALL.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

impl Default for Mix {
    fn default() -> Self {
        Self::healthy()
    }
}

/// `all`, `demo` or `none`, or faults with their shares: `silent=0.1,slow=0.2`.
impl FromStr for Mix {
    type Err = MixError;

    fn from_str(text: &str) -> Result<Self, MixError> {
        match text.trim() {
            "all" => return Ok(Self::every_fault()),
            "demo" => return Ok(Self::demo()),
            "none" => return Ok(Self::population()),
            _ => {}
        }
        let mut mix = Self::population();
        for term in text.split(',').map(str::trim) {
            let (name, share) = term.split_once('=').ok_or_else(|| no_share(term))?;
            let place =
                mix.share_mut(name.trim()).ok_or_else(|| MixError::Name(name.to_owned()))?;
            *place = share
                .trim()
                .parse()
                .ok()
                .filter(|share| (0.0..=1.0).contains(share))
                .ok_or_else(|| MixError::Share(name.to_owned()))?;
        }
        // Tenths do not add up exactly.
        if mix.at_fault() > 1.000_001 { Err(MixError::TooMuch) } else { Ok(mix) }
    }
}

fn no_share(term: &str) -> MixError {
    let known = Fault::ALL.iter().any(|(name, _)| *name == term);
    if known { MixError::Share(term.to_owned()) } else { MixError::Name(term.to_owned()) }
}

impl Mix {
    /// The devices of `reveille demo`, with nothing wrong with them.
    fn population() -> Self {
        Self {
            windows: 0.1,
            hmac: 0.05,
            no_server_auth: 0.02,
            says_no: 0.1,
            says_nothing: 0.05,
            as_wanted: 0.2,
            reports: 0.01,
            ..Self::healthy()
        }
    }

    /// The population of `reveille demo`: every fault occurs, most devices are well.
    pub fn demo() -> Self {
        Self::population().with_faults_of_the_demo()
    }

    /// Nine devices of ten have a fault, and all faults are equally common.
    pub fn every_fault() -> Self {
        let mut mix = Self::population();
        #[expect(clippy::cast_precision_loss, reason = "there are a few dozen faults")]
        let each = 0.9 / Fault::ALL.len() as f64;
        for (name, _) in Fault::ALL {
            if let Some(share) = mix.share_mut(name) {
                *share = each;
            }
        }
        mix
    }

    /// Every device has the same fault; otherwise [`Mix::healthy`].
    pub fn only(fault: Fault) -> Self {
        let mut mix = Self::healthy();
        if let Some(share) = mix.share_mut(fault.name()) {
            *share = 1.0;
        }
        if let Fault::OfflineFor { milliseconds } = fault {
            mix.offline_milliseconds = milliseconds;
        }
        mix
    }

    /// The kind of one device.
    pub fn kind(&self, seed: u64, index: u64) -> Kind {
        let mut dice = Dice::of(seed, index, 1);
        let draw = self.draw(&mut dice);
        let fault = self.fault(draw);
        let encoding = if dice.share() < self.xml { Encoding::Xml } else { Encoding::Wbxml };
        let habits = match dice.share() {
            // Of the three only this one says that it leaves.
            _ if fault == Fault::Unenrols => Habits::Windows,
            draw if draw < self.habits_a => Habits::A,
            draw if draw < self.habits_a + self.windows => Habits::Windows,
            _ => Habits::B,
        };
        let windows = habits == Habits::Windows;
        let auth = match dice.share() {
            _ if windows => Auth::Md5,
            draw if draw < self.basic => Auth::Basic,
            draw if draw < self.basic + self.hmac => Auth::Hmac,
            _ => Auth::Md5,
        };
        // The certificate of the connection proves the server to a Windows client.
        let proves_server =
            (dice.share() >= self.no_server_auth && !windows) || fault == Fault::LostServerNonce;
        let answer = match dice.share() {
            draw if draw < self.says_no => Answer::No,
            draw if draw < self.says_no + self.says_nothing => Answer::Nothing,
            _ => Answer::Yes,
        };
        let model = match dice.share() {
            _ if windows => Model::Laptop,
            draw if draw < self.legacy => Model::Legacy7,
            draw if draw < self.legacy + self.rv200 => Model::Rv200,
            _ => Model::Rv100,
        };
        // A device whose nodes are missing or cannot be written would not have got the wanted values into them.
        let spoilt = matches!(fault, Fault::MissingNodes | Fault::ReadOnlyNodes);
        let as_wanted = dice.share() < self.as_wanted && !spoilt;
        let polls = dice.share() < self.polls;
        let report = (dice.share() < self.reports).then_some("the battery is worn");
        let server_nonce = match dice.share() {
            draw if draw < self.nonce_lost && proves_server => ServerNonce::Lost,
            _ => ServerNonce::Kept,
        };
        Kind {
            fault,
            habits,
            encoding,
            auth,
            proves_server,
            answer,
            model,
            as_wanted,
            polls,
            report,
            server_nonce,
        }
    }

    fn draw(&self, dice: &mut Dice) -> Draw {
        let share = dice.share();
        let detail = dice.next();
        let shortest = self.offline_milliseconds / 4;
        let longer = detail % u64::from(self.offline_milliseconds - shortest).max(1);
        let away = shortest.saturating_add(u32::try_from(longer).unwrap_or(0));
        Draw { share, detail: u32::try_from(detail % 3_000_000).unwrap_or(0), away }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_demo_holds_every_fault_and_the_wanted_share_of_devices_that_need_nothing() {
        let kinds: Vec<Kind> = (0..20_000).map(|index| Mix::demo().kind(11, index)).collect();
        let there: HashSet<&str> = kinds.iter().map(|kind| kind.fault.name()).collect();
        for (fault, _) in Fault::ALL {
            assert!(there.contains(fault), "{fault}");
        }
        let well = kinds.iter().filter(|kind| kind.fault == Fault::None).count();
        assert!((12_000..15_500).contains(&well), "{well}");
        let wanted = kinds.iter().filter(|kind| kind.as_wanted).count();
        assert!((3_200..4_200).contains(&wanted), "{wanted}");
        assert_eq!(kinds, (0..20_000).map(|index| Mix::demo().kind(11, index)).collect::<Vec<_>>());
    }

    #[test]
    fn a_fleet_of_one_fault_has_no_other() {
        for fault in [Fault::Silent, Fault::NoAtomic, Fault::CannotAsk, Fault::StaleNonce] {
            assert!((0..100).all(|index| Mix::only(fault).kind(3, index).fault == fault));
        }
    }

    #[test]
    fn every_fault_together_are_nine_devices_of_ten() {
        let mix: Mix = "all".parse().unwrap();
        assert!((mix.at_fault() - 0.9).abs() < 1e-9);
        let mut of_each = std::collections::HashMap::new();
        for index in 0..2_000 {
            *of_each.entry(mix.kind(1, index).fault.name()).or_insert(0) += 1;
        }
        assert_eq!(of_each.len(), Fault::ALL.len() + 1);
        assert!(of_each.values().all(|devices| *devices > 30), "{of_each:?}");
    }

    #[test]
    fn a_mix_is_read_from_names_and_shares_and_mistakes_are_told() {
        let mix: Mix = "silent=0.25, slow = 0.75".parse().unwrap();
        assert_eq!(format!("{} {} {}", mix.silent, mix.slow, mix.stale_nonce), "0.25 0.75 0");
        assert!("none".parse::<Mix>().unwrap().at_fault() < f64::EPSILON);
        assert_eq!("demo".parse::<Mix>().unwrap(), Mix::demo());
        let wrong = |text: &str| text.parse::<Mix>().unwrap_err();
        assert_eq!(wrong("silnet=1"), MixError::Name("silnet".to_owned()));
        assert_eq!(wrong("tired"), MixError::Name("tired".to_owned()));
        assert_eq!(wrong("silent"), MixError::Share("silent".to_owned()));
        for share in ["1.5", "-1", "half", "NaN"] {
            assert_eq!(wrong(&format!("slow={share}")), MixError::Share("slow".to_owned()));
        }
        assert_eq!(wrong("silent=0.6,slow=0.6"), MixError::TooMuch);
        assert!(wrong("x=1").to_string().contains("read_only_nodes"));
    }
}
