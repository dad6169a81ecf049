//! What an SMSC's answer means for us: one table from statuses to remedies.
//!
//! Statuses are those of SMPP 3.4 section 5.1.3; what vendors add (0x0400 to 0x04FF) and what nobody defined counts as temporary,
//! since giving a device up because of an unknown number could cut off a fleet.

use crate::notify::Remedy;
use rusmpp::CommandStatus;

/// The remedy for a status other than `ESME_ROK`, and the setting that answers it, where one does.
pub(crate) fn remedy(status: CommandStatus) -> (Remedy, &'static str) {
    use CommandStatus as S;
    match status {
        S::EsmeRmsgqful | S::EsmeRthrottled => {
            (Remedy::SlowDown, "lower `per_second` or `window` if it goes on")
        }
        S::EsmeRinvdstadr | S::EsmeRinvdstton | S::EsmeRinvdstnpi => {
            (Remedy::GiveUp, "the device's `msisdn` is not one that this SMSC serves")
        }
        S::EsmeRxPAppn | S::EsmeRxRAppn => (Remedy::GiveUp, "the receiving side refuses it"),
        S::EsmeRinvsrcadr | S::EsmeRinvsrcton | S::EsmeRinvsrcnpi => {
            (Remedy::Mend, "`source`, `source_ton` and `source_npi` must be what the SMSC expects")
        }
        S::EsmeRbindfail | S::EsmeRinvpaswd | S::EsmeRinvsysid | S::EsmeRinvsystyp => {
            (Remedy::Mend, "`system_id`, `password` and `system_type` must be what the SMSC knows")
        }
        S::EsmeRinvsertyp => (Remedy::Mend, "`service_type` must be one that the SMSC knows"),
        S::EsmeRinvdcs => (Remedy::Mend, "`data_coding` must be one that the SMSC takes"),
        S::EsmeRinvmsglen
        | S::EsmeRinvtlvlen
        | S::EsmeRinvtlvstream
        | S::EsmeRtlvnotallwd
        | S::EsmeRinvtlvval
        | S::EsmeRmissingtlv
        | S::EsmeRinvesmclass => (Remedy::Mend, "try the other `segmentation`"),
        S::EsmeRinvexpiry | S::EsmeRinvregdlvflg => (
            Remedy::Mend,
            "the SMSC refuses receipts (`receipts = false` asks for none) or validity periods",
        ),
        S::EsmeRinvprtflg
        | S::EsmeRinvsched
        | S::EsmeRinvrepflag
        | S::EsmeRinvcmdlen
        | S::EsmeRinvcmdid
        | S::EsmeRprohibited => {
            (Remedy::Mend, "the SMSC does not take submit_sm as this version sends it")
        }
        S::EsmeRinvbndsts => (Remedy::Later, "the bind is not one that may send: look at `mode`"),
        _ => (Remedy::Later, "it is sent again later"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_full_slows_the_route_down_and_what_is_wrong_with_a_number_ends_the_attempt() {
        for (number, wanted) in [
            (0x14, Remedy::SlowDown),
            (0x58, Remedy::SlowDown),
            (0x0B, Remedy::GiveUp),
            (0x0A, Remedy::Mend),
            (0x0E, Remedy::Mend),
            (0x43, Remedy::Mend),
            (0x08, Remedy::Later),
            (0x45, Remedy::Later),
            (0x64, Remedy::Later),
            (0x65, Remedy::GiveUp),
            (0xFF, Remedy::Later),
        ] {
            assert_eq!(remedy(CommandStatus::from(number)).0, wanted, "{number:#x}");
        }
    }

    /// The page for whoever connects an SMSC says of each status what is done.
    #[test]
    fn the_page_says_of_each_status_what_is_done() {
        let page = include_str!("../../../../../docs/connecting-an-smsc.md");
        let (_, table) = page.split_once("| the SMSC says |").unwrap();
        let done = |status: u32| {
            let listed = |cell: &str| {
                let numbers: Vec<u32> = cell
                    .split("0x")
                    .skip(1)
                    .filter_map(|rest| {
                        let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
                        u32::from_str_radix(&rest[..end], 16).ok()
                    })
                    .collect();
                let range = cell.contains(" to 0x") && numbers.len() >= 2;
                let [.., from, to] = numbers.as_slice() else { return numbers.contains(&status) };
                numbers.contains(&status) || range && (*from..=*to).contains(&status)
            };
            let row = table.lines().find(|row| row.split('|').nth(1).is_some_and(listed));
            row.map(|row| row.split('|').nth(2).unwrap_or_default().trim())
        };
        for status in 1..0x400 {
            let words: &[&str] = match remedy(CommandStatus::from(status)).0 {
                // What has no row of its own is told of in the last one.
                Remedy::Later => continue,
                Remedy::SlowDown => &["halves the pace"],
                Remedy::GiveUp => &["ends the job as `unreachable`"],
                Remedy::Mend => &["lets the route rest", "tries again with growing pauses"],
            };
            let done = done(status).unwrap_or_else(|| panic!("{status:#x} is not on the page"));
            assert!(words.iter().any(|words| done.starts_with(words)), "{status:#x}: {done}");
        }
    }

    #[test]
    fn a_status_that_nobody_knows_gives_no_device_up() {
        for number in (0x400..0x500).chain([0x9999, u32::MAX]) {
            assert_eq!(remedy(CommandStatus::from(number)).0, Remedy::Later, "{number:#x}");
        }
    }
}
