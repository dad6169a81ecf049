//! Randomness that comes from the seed alone, so that a fleet can be had a second time.
//!
//! The generator is `SplitMix64`: one addition and two multiplications a draw, and a good stream from any start, so a
//! device needs no state of its own before it is woken.

/// A stream of draws, named by the seed, a device and a purpose.
#[derive(Debug, Clone)]
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    /// Two streams differ when any of the three differ.
    pub(crate) fn of(seed: u64, index: u64, purpose: u64) -> Self {
        let mut dice = Self { state: seed };
        let mixed = dice.next() ^ index.wrapping_mul(0x9E6C_63D0_876A_68DF);
        dice.state = mixed;
        dice.state = dice.next() ^ purpose.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        dice
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, not including, 1.
    pub(crate) fn share(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are what an f64 holds exactly")]
        let draw = (self.next() >> 11) as f64;
        draw / 9_007_199_254_740_992.0
    }

    /// A number below `limit`; 0 when `limit` is 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.next() % limit }
    }

    pub(crate) fn octets(&mut self) -> [u8; 16] {
        let mut octets = [0; 16];
        for (half, draw) in octets.chunks_mut(8).zip([self.next(), self.next()]) {
            half.copy_from_slice(&draw.to_be_bytes());
        }
        octets
    }

    /// A secret of 20 letters and digits.
    pub(crate) fn secret(&mut self) -> String {
        const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        (0..20)
            .filter_map(|_| LETTERS.get(usize::try_from(self.below(32)).unwrap_or(0)))
            .map(|letter| char::from(*letter))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_dice_and_another_does_not() {
        assert_eq!(Dice::of(1, 2, 3).octets(), Dice::of(1, 2, 3).octets());
        for other in [Dice::of(2, 2, 3), Dice::of(1, 3, 3), Dice::of(1, 2, 4)] {
            assert_ne!(Dice::of(1, 2, 3).octets(), other.clone().octets());
        }
    }

    #[test]
    fn shares_are_spread_evenly() {
        let below = (0..10_000).filter(|index| Dice::of(7, *index, 1).share() < 0.2).count();
        assert!((1_850..2_150).contains(&below), "{below}");
    }
}
