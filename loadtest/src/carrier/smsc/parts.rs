//! Pushes in several messages, put together again.

use super::user_data::{Part, Piece};
use crate::verdict::{Finding, Rule};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Pushes that may be incomplete at a time.
const MOST_OPEN: usize = 100_000;
/// How long the others of a push are waited for, at least.
const PATIENCE: Duration = Duration::from_mins(10);

/// What one message fits into without parts: 140 octets less the ports.
const FITS_ONE: usize = 133;

/// Pushes of which not all parts have come.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    open: HashMap<Key, Push>,
    /// When those were last forgotten that nobody completes.
    swept: Option<Instant>,
}

/// Of whom and which.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    number: Box<str>,
    reference: u16,
    long: bool,
}

#[derive(Debug)]
struct Push {
    began: Instant,
    pieces: Vec<Option<Box<[u8]>>>,
}

impl Parts {
    /// A piece came. Answers the push when it is whole now.
    pub(crate) fn add(
        &mut self,
        number: &str,
        piece: Piece<'_>,
        now: Instant,
    ) -> Result<Option<Vec<u8>>, Finding> {
        let Some(Part { reference, long, total, number: place }) = piece.part else {
            return Ok(Some(piece.payload.to_vec()));
        };
        let wrong = |detail: String| Err(Finding::new(Rule::PartsMismatch, detail));
        let key = Key { number: number.into(), reference, long };
        if !self.open.contains_key(&key) {
            self.sweep(now);
            if self.open.len() >= MOST_OPEN {
                return wrong(format!("{MOST_OPEN} pushes are incomplete."));
            }
            let push = Push { began: now, pieces: vec![None; total.into()] };
            self.open.insert(key.clone(), push);
        }
        let Some(push) = self.open.get_mut(&key) else { return Ok(None) };
        if push.pieces.len() != usize::from(total) {
            return wrong(format!("It has {total} parts, and had {} before.", push.pieces.len()));
        }
        let Some(known) = push.pieces.get_mut(usize::from(place) - 1) else { return Ok(None) };
        match known {
            // Sent once more, because its answer was lost.
            Some(known) if **known == *piece.payload => return Ok(None),
            Some(_) => return wrong(format!("Part {place} came twice and was not the same.")),
            None => *known = Some(piece.payload.into()),
        }
        if push.pieces.iter().any(Option::is_none) {
            return Ok(None);
        }
        let whole = push.pieces.iter().flatten().flat_map(|piece| piece.iter().copied()).collect();
        self.open.remove(&key);
        Self::needed(whole).map(Some)
    }

    fn sweep(&mut self, now: Instant) {
        let since = |then: Instant| now.saturating_duration_since(then);
        if self.swept.is_none_or(|swept| since(swept) >= PATIENCE / 2) {
            self.swept = Some(now);
            self.open.retain(|_, push| since(push.began) < PATIENCE);
        }
    }

    /// Parts cost: what fits one message has to be one.
    fn needed(whole: Vec<u8>) -> Result<Vec<u8>, Finding> {
        if whole.len() <= FITS_ONE {
            let detail = format!("{} octets were cut, and fit one message.", whole.len());
            return Err(Finding::new(Rule::PartsMismatch, detail));
        }
        Ok(whole)
    }

    /// Pushes that are not whole.
    pub(crate) fn waiting(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn piece(reference: u16, total: u8, number: u8, payload: &[u8]) -> Piece<'_> {
        let part = Part { reference, long: false, total, number };
        Piece { part: Some(part), payload }
    }

    #[test]
    fn parts_come_in_any_order_and_more_than_once() {
        let now = clock::now();
        let mut parts = Parts::default();
        let [one, two] = [[1; 100], [2; 100]];
        assert_eq!(parts.add("999", piece(7, 2, 2, &two), now), Ok(None));
        assert_eq!(parts.add("999", piece(7, 2, 2, &two), now), Ok(None));
        assert_eq!(parts.add("998", piece(7, 2, 1, &one), now), Ok(None), "somebody else's");
        assert_eq!(parts.add("999", piece(8, 2, 1, &one), now), Ok(None), "of another push");
        let whole = parts.add("999", piece(7, 2, 1, &one), now).unwrap().unwrap();
        assert_eq!(whole, [one, two].concat());
        assert_eq!(parts.waiting(), 2);
        let whole = Piece { part: None, payload: &[5; 3] };
        assert_eq!(parts.add("999", whole, now), Ok(Some(vec![5; 3])));
    }

    #[test]
    fn what_does_not_belong_together_is_noticed() {
        let now = clock::now();
        let mut parts = Parts::default();
        parts.add("999", piece(7, 2, 1, &[1; 100]), now).unwrap();
        let differs = parts.add("999", piece(7, 2, 1, &[2; 100]), now).unwrap_err();
        assert_eq!(differs.rule, Rule::PartsMismatch);
        assert!(parts.add("999", piece(7, 3, 2, &[2; 100]), now).is_err());
        parts.add("999", piece(9, 2, 1, &[1; 60]), now).unwrap();
        let waste = parts.add("999", piece(9, 2, 2, &[1; 60]), now).unwrap_err();
        assert!(waste.detail.contains("fit one message"), "{}", waste.detail);
    }

    #[test]
    fn the_others_are_not_waited_for_forever() {
        let now = clock::now();
        let mut parts = Parts::default();
        parts.add("999", piece(7, 2, 1, &[1; 100]), now).unwrap();
        let later = now + PATIENCE;
        parts.add("999", piece(8, 2, 1, &[1; 100]), later).unwrap();
        assert_eq!(parts.waiting(), 1);
    }
}
