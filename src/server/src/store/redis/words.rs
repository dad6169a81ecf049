//! Words are written once in a shard; rows of devices hold codes of two octets for them.
//!
//! A code is drawn from the word itself. The first word that takes a code in a shard has it for good, and a word whose code
//! is another's is written out. Each call of `commit.lua` says the words that its rows stand on, and nothing happens if one
//! of them is not what the shard knows under its code: so a row and its words always come into the same server, the words
//! first, and what a failover loses of words it loses of rows as well.
//!
//! A row with codes is [`CODED`], the number of its words, each as a code (the upper bit set) or as its length and octets,
//! and the rest. Other rows are as they came, behind [`AS_IT_IS`] where they could be mistaken.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::store::shard::stable_hash;
use crate::store::words::{WORDED, join, split};
use crate::store::{Change, Row, Shard, StoreError, Table};

use super::{Inner, keys, parse};

/// A row whose words are codes.
const CODED: u8 = 0x83;
/// The octets of the row follow.
const AS_IT_IS: u8 = 0x80;
/// The upper bit of a code.
const CODE: u16 = 0x8000;
/// The bit of a length that takes two octets.
const LONG: u16 = 0x4000;
/// Shorter words are written out.
const SHORTEST: usize = 3;
/// Words of a shard; what comes after them is written out. Somebody put into groups or kinds what is a device's own.
const MOST: usize = 2048;
/// Hashes that hold the words of a shard, so that each stays a listpack.
pub(super) const HASHES: u16 = 32;

const CORRUPT: StoreError = StoreError::Corrupt("words of a row");

type Word = Arc<[u8]>;

/// What this process knows of the words of all shards. What it knows stays true: a code never changes its word.
#[derive(Default)]
pub(super) struct Words {
    shards: RwLock<HashMap<Shard, HashMap<u16, Word>>>,
}

/// Codes that rows of one call stand on.
pub(super) type Used = HashMap<u16, Word>;

/// A code that this process does not know yet.
pub(super) struct Unknown;

impl Words {
    /// Whether the words of the shard were ever asked for.
    pub(super) fn know(&self, shard: Shard) -> bool {
        self.shards.read().unwrap_or_else(PoisonError::into_inner).contains_key(&shard)
    }

    /// Takes over words of a shard that Redis has.
    pub(super) fn learn(&self, shard: Shard, words: impl IntoIterator<Item = (u16, Word)>) {
        let mut shards = self.shards.write().unwrap_or_else(PoisonError::into_inner);
        shards.entry(shard).or_default().extend(words);
    }

    /// The row as it is written, and into `used` what it stands on.
    pub(super) fn encode(&self, shard: Shard, row: &[u8], used: &mut Used) -> Vec<u8> {
        self.try_encode(shard, row, used).unwrap_or_else(|| {
            let mistaken = row.first().is_some_and(|first| *first >= AS_IT_IS);
            [if mistaken { &[AS_IT_IS][..] } else { &[] }, row].concat()
        })
    }

    fn try_encode(&self, shard: Shard, row: &[u8], used: &mut Used) -> Option<Vec<u8>> {
        let (words, rest) = split(row.strip_prefix(&[WORDED])?)?;
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
        let known = shards.get(&shard)?;
        let mut coded = vec![CODED, u8::try_from(words.len()).ok()?];
        for word in words {
            let code = code(word);
            let has_it = known.get(&code).or_else(|| used.get(&code));
            let may = has_it.map_or(known.len() < MOST, |other| **other == *word);
            if may && word.len() >= SHORTEST {
                coded.extend_from_slice(&code.to_be_bytes());
                used.entry(code).or_insert_with(|| word.into());
            } else {
                let length = u16::try_from(word.len()).ok().filter(|length| *length < LONG)?;
                match u8::try_from(length) {
                    Ok(length) if u16::from(length) < LONG >> 8 => coded.push(length),
                    _ => coded.extend_from_slice(&(length | LONG).to_be_bytes()),
                }
                coded.extend_from_slice(word);
            }
        }
        coded.extend_from_slice(rest);
        Some(coded)
    }

    /// The row as it came; the words of the shard must be known.
    pub(super) fn decode(
        &self,
        shard: Shard,
        stored: &[u8],
    ) -> Result<Result<Vec<u8>, Unknown>, StoreError> {
        let mut rest = match stored.split_first() {
            Some((&CODED, rest)) => rest,
            Some((&AS_IT_IS, rest)) => return Ok(Ok(rest.to_vec())),
            _ => return Ok(Ok(stored.to_vec())),
        };
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
        let known = shards.get(&shard);
        let mut words: Vec<&[u8]> = Vec::new();
        for _ in 0..take::<1>(&mut rest).ok_or(CORRUPT)?[0] {
            let [first] = take(&mut rest).ok_or(CORRUPT)?;
            let mut number = u16::from(first);
            if number >= LONG >> 8 {
                let [second] = take(&mut rest).ok_or(CORRUPT)?;
                number = number << 8 | u16::from(second);
            }
            if number >= CODE {
                let Some(word) = known.and_then(|known| known.get(&number)) else {
                    return Ok(Err(Unknown));
                };
                words.push(word);
            } else {
                let length = usize::from(if number >= LONG { number ^ LONG } else { number });
                let (word, after) = rest.split_at_checked(length).ok_or(CORRUPT)?;
                words.push(word);
                rest = after;
            }
        }
        Ok(Ok(join(&words, rest)))
    }
}

impl Inner {
    /// Learns all words of a shard.
    pub(super) async fn ask_for_words(&self, shard: Shard) -> Result<(), StoreError> {
        let (_, found) = self
            .ask(shard, HASHES.into(), |pipeline| {
                for hash in 0..HASHES {
                    pipeline.cmd("HGETALL").arg(keys::words_key(shard, hash));
                }
            })
            .await?;
        self.words.learn(shard, []);
        for hash in found {
            let words = parse::<Vec<([u8; 2], Vec<u8>)>>(hash)?;
            let words =
                words.into_iter().map(|(code, word)| (u16::from_be_bytes(code), word.into()));
            self.words.learn(shard, words);
        }
        Ok(())
    }

    /// Puts codes for words into the rows of a change; adds what they stand on to `used`.
    pub(super) async fn code_words(
        &self,
        shard: Shard,
        change: &mut Change,
        used: &mut Used,
    ) -> Result<(), StoreError> {
        for put in change.puts.iter_mut().filter(|put| self.shape.codes_words(put.key.table)) {
            if !self.words.know(shard) {
                self.ask_for_words(shard).await?;
            }
            put.bytes = self.words.encode(shard, &put.bytes, used);
        }
        Ok(())
    }

    /// A row as it came from above.
    pub(super) async fn read_words(
        &self,
        shard: Shard,
        table: Table,
        row: Option<Row>,
    ) -> Result<Option<Row>, StoreError> {
        let row = match row {
            Some(row) if self.shape.codes_words(table) => row,
            row => return Ok(row),
        };
        if let Ok(bytes) = self.words.decode(shard, &row.bytes)? {
            return Ok(Some(Row { bytes: bytes.into(), ..row }));
        }
        self.ask_for_words(shard).await?;
        match self.words.decode(shard, &row.bytes)? {
            Ok(bytes) => Ok(Some(Row { bytes: bytes.into(), ..row })),
            Err(Unknown) => Err(CORRUPT),
        }
    }
}

/// The hash among those of a shard that holds this code.
pub(super) fn hash_of(code: u16) -> u16 {
    code % HASHES
}

fn code(word: &[u8]) -> u16 {
    let [.., upper, lower] = stable_hash(word).to_be_bytes();
    u16::from_be_bytes([upper, lower]) | CODE
}

fn take<const N: usize>(octets: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = octets.split_first_chunk()?;
    *octets = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG_WORD: [u8; 300] = [b'x'; 300];

    impl Words {
        fn of_new(shard: Shard) -> Self {
            let words = Self::default();
            words.learn(shard, []);
            words
        }
    }

    fn row() -> Vec<u8> {
        let words = [&b""[..], b"1.2", b"Europe/Stockholm", &LONG_WORD, b"ab"];
        join(&words, b"the rest")
    }

    fn there_and_back(words: &Words, row: &[u8]) -> (usize, Used) {
        let shard = Shard::from(3);
        let mut used = Used::new();
        let coded = words.encode(shard, row, &mut used);
        let reader = Words::of_new(shard);
        if !used.is_empty() {
            assert!(reader.decode(shard, &coded).unwrap().is_err(), "it knows no word yet");
        }
        reader.learn(shard, used.clone());
        assert_eq!(reader.decode(shard, &coded).unwrap().ok().unwrap(), row);
        (coded.len(), used)
    }

    #[test]
    fn words_take_two_octets_and_come_back() {
        let (octets, used) = there_and_back(&Words::of_new(Shard::from(3)), &row());
        assert_eq!((octets, used.len()), (2 + 1 + 2 + 2 + 2 + 3 + 8, 3));
    }

    #[test]
    fn a_word_whose_code_is_anothers_is_written_out() {
        let words = Words::of_new(Shard::from(3));
        for word in [&b"1.2"[..], &LONG_WORD] {
            words.learn(Shard::from(3), [(code(word), Word::from(&b"another"[..]))]);
        }
        let (octets, used) = there_and_back(&words, &row());
        assert_eq!((octets, used.len()), (2 + 1 + 4 + 2 + 302 + 3 + 8, 1));
    }

    #[test]
    fn a_shard_keeps_so_many_words_and_writes_out_the_others() {
        let words = Words::of_new(Shard::from(3));
        let many = (0..u16::try_from(MOST).unwrap()).map(|code| (code, Word::from(&b"w"[..])));
        words.learn(Shard::from(3), many);
        assert_eq!(there_and_back(&words, &row()).1.len(), 0);
    }

    #[test]
    fn rows_without_words_come_back_as_they_were() {
        let words = Words::of_new(Shard::from(3));
        for row in [&b""[..], b"x", &[WORDED], &[WORDED, 9, 9], &[CODED, 1], &[AS_IT_IS]] {
            there_and_back(&words, row);
        }
        for wrong in [&[CODED][..], &[CODED, 1], &[CODED, 1, 5, 1], &[CODED, 1, 0x80]] {
            assert!(words.decode(Shard::from(3), wrong).is_err(), "{wrong:?}");
        }
    }
}
