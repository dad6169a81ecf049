//! Words are written once in a shard; rows of devices hold codes of two octets for them.
//!
//! A code is drawn from the word itself. The first word that takes a code in a shard has it for good, and a word whose code
//! is another's is written out. Each call of `commit.lua` says the words that its rows stand on, and nothing happens if one
//! of them is not what the shard knows under its code: so a row and its words always come into the same server, the words
//! first, and what a failover loses of words it loses of rows as well. Words that were there for a while are said all at once, by
//! a stamp. What this process knows of words it forgets when the
//! servers may have changed, and a row tells by a check whether its words are the ones it was written with.
//!
//! A row with codes is [`CODED`], the number of its words, their check, each as a code (the upper bit set) or as its length
//! and octets, and the rest. Other rows are as they came, behind [`AS_IT_IS`] where they could be mistaken.

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

/// What this process knows of the words of all shards. It stays true as long as the servers are the same: there a code never
/// changes its word. After a failover it may.
#[derive(Default)]
pub(super) struct Words {
    shards: RwLock<HashMap<Shard, Known>>,
}

/// What is known of one shard.
struct Known {
    /// Since then the servers may have changed ([`super::nodes::Nodes::changes`]).
    asked: u64,
    /// The newest when they were asked for, if there were any.
    stamp: Option<Stamp>,
    /// Those that the stamp stands for.
    words: HashMap<u16, Word>,
    /// Words that this process wrote since.
    later: HashMap<u16, Word>,
}

/// Whoever knows all words up to a stamp need not name them one by one.
type Stamp = [u8; 6];

/// What rows of one call stand on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Used {
    /// For words that it stands for.
    pub(super) stamp: Option<Stamp>,
    /// Others, by their codes.
    pub(super) words: HashMap<u16, Word>,
}

impl Used {
    pub(super) fn is_empty(&self) -> bool {
        self.stamp.is_none() && self.words.is_empty()
    }
}

impl Known {
    fn get(&self, code: u16) -> Option<&Word> {
        self.words.get(&code).or_else(|| self.later.get(&code))
    }

    /// Whether the stamp says enough: each word that it does not stand for is named in every commit.
    fn is_whole(&self) -> bool {
        self.later.is_empty()
    }
}

/// A code that this process does not know, or whose word is not the one that the row was written with.
#[derive(Debug)]
pub(super) struct Unknown;

impl Words {
    /// Whether the words of the shard were asked for since the servers changed last.
    fn know(&self, shard: Shard, changes: u64) -> bool {
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
        shards.get(&shard).is_some_and(|known| known.asked == changes)
    }

    /// Whether rows may be written without asking for the words of the shard again.
    fn know_all(&self, shard: Shard, changes: u64) -> bool {
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
        shards.get(&shard).is_some_and(|known| known.asked == changes && known.is_whole())
    }

    /// Takes over all words of a shard, as Redis told them when the servers had changed so often.
    fn take(&self, shard: Shard, changes: u64, stamp: Option<Stamp>, words: HashMap<u16, Word>) {
        let known = Known { asked: changes, stamp, words, later: HashMap::new() };
        self.shards.write().unwrap_or_else(PoisonError::into_inner).insert(shard, known);
    }

    /// Takes over words that Redis has taken from here, unless the servers have changed meanwhile.
    pub(super) fn learn(&self, shard: Shard, changes: u64, used: Used) {
        if used.words.is_empty() {
            return;
        }
        let mut shards = self.shards.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shards.get_mut(&shard).filter(|known| known.asked == changes) {
            let unknown = |code: &u16| !known.words.contains_key(code);
            let later: Vec<_> = used.words.into_iter().filter(|(code, _)| unknown(code)).collect();
            known.later.extend(later);
        }
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
        coded.extend_from_slice(&check(&words).to_be_bytes());
        for word in words {
            let code = code(word);
            let has_it = known.get(code).or_else(|| used.words.get(&code));
            let room = known.words.len() + known.later.len() < MOST;
            if has_it.map_or(room, |other| **other == *word) && word.len() >= SHORTEST {
                coded.extend_from_slice(&code.to_be_bytes());
                if known.stamp.is_some() && known.words.contains_key(&code) {
                    used.stamp = known.stamp;
                } else {
                    used.words.entry(code).or_insert_with(|| word.into());
                }
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

    /// The row as it came, if the words of the shard are known and are those that it was written with.
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
        let [count] = take(&mut rest).ok_or(CORRUPT)?;
        let written_with = take(&mut rest).map(u16::from_be_bytes).ok_or(CORRUPT)?;
        let mut words: Vec<&[u8]> = Vec::new();
        for _ in 0..count {
            let [first] = take(&mut rest).ok_or(CORRUPT)?;
            let mut number = u16::from(first);
            if number >= LONG >> 8 {
                let [second] = take(&mut rest).ok_or(CORRUPT)?;
                number = number << 8 | u16::from(second);
            }
            if number >= CODE {
                let Some(word) = known.and_then(|known| known.get(number)) else {
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
        Ok(if check(&words) == written_with { Ok(join(&words, rest)) } else { Err(Unknown) })
    }
}

impl Inner {
    /// Learns all words of a shard.
    pub(super) async fn ask_for_words(&self, shard: Shard) -> Result<(), StoreError> {
        // Counted before the question: whatever changes from now on makes the answer doubtful.
        let changes = self.calls.changes();
        let (_, mut found) = self
            .ask(shard, usize::from(HASHES) + 1, |pipeline| {
                for hash in 0..HASHES {
                    pipeline.cmd("HGETALL").arg(keys::words_key(shard, hash));
                }
                pipeline.cmd("HKEYS").arg(keys::stamps_key(shard));
            })
            .await?;
        let stamps = parse::<Vec<Stamp>>(found.pop().unwrap_or(redis::Value::Nil))?;
        let mut all = HashMap::new();
        for hash in found {
            let words = parse::<Vec<([u8; 2], Vec<u8>)>>(hash)?;
            all.extend(
                words.into_iter().map(|(code, word)| (u16::from_be_bytes(code), Word::from(word))),
            );
        }
        self.words.take(shard, changes, stamps.into_iter().max(), all);
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
            if !self.words.know_all(shard, self.calls.changes()) {
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
        if self.words.know(shard, self.calls.changes())
            && let Ok(bytes) = self.words.decode(shard, &row.bytes)?
        {
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

/// What tells the words of a row from others that have the same codes.
fn check(words: &[&[u8]]) -> u16 {
    words.iter().fold(0u16, |check, word| {
        let [.., upper, lower, _, _] = stable_hash(word).to_be_bytes();
        check.rotate_left(5) ^ u16::from_be_bytes([upper, lower])
    })
}

fn take<const N: usize>(octets: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = octets.split_first_chunk()?;
    *octets = rest;
    Some(*taken)
}

/// Two words that have the same code.
#[cfg(test)]
pub(super) fn of_one_code() -> (String, String) {
    let mut seen = HashMap::new();
    (0..)
        .map(|number: u32| format!("word {number}"))
        .find_map(|word| Some((seen.insert(code(word.as_bytes()), word.clone())?, word)))
        .expect("there are more words than codes")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG_WORD: [u8; 300] = [b'x'; 300];

    /// How often the servers have changed, in most tests.
    const CHANGES: u64 = 1;

    impl Words {
        fn of(shard: Shard, words: impl IntoIterator<Item = (u16, Word)>) -> Self {
            let known = Self::default();
            known.take(shard, CHANGES, None, words.into_iter().collect());
            known
        }
    }

    fn row() -> Vec<u8> {
        let words = [&b""[..], b"1.2", b"Europe/Stockholm", &LONG_WORD, b"ab"];
        join(&words, b"the rest")
    }

    fn there_and_back(words: &Words, row: &[u8]) -> (usize, HashMap<u16, Word>) {
        let shard = Shard::from(3);
        let mut used = Used::default();
        let coded = words.encode(shard, row, &mut used);
        let reader = Words::of(shard, []);
        if !used.is_empty() {
            assert!(reader.decode(shard, &coded).unwrap().is_err(), "it knows no word yet");
        }
        reader.learn(shard, CHANGES, used.clone());
        assert_eq!(reader.decode(shard, &coded).unwrap().ok().unwrap(), row);
        (coded.len(), used.words)
    }

    #[test]
    fn words_take_two_octets_and_come_back() {
        let (octets, used) = there_and_back(&Words::of(Shard::from(3), []), &row());
        assert_eq!((octets, used.len()), (2 + 2 + 1 + 2 + 2 + 2 + 3 + 8, 3));
    }

    #[test]
    fn a_word_whose_code_is_anothers_is_written_out() {
        let others =
            [&b"1.2"[..], &LONG_WORD].map(|word| (code(word), Word::from(&b"another"[..])));
        let (octets, used) = there_and_back(&Words::of(Shard::from(3), others), &row());
        assert_eq!((octets, used.len()), (2 + 2 + 1 + 4 + 2 + 302 + 3 + 8, 1));
    }

    /// After a failover that lost a word, another may stand under its code.
    #[test]
    fn a_word_that_a_row_was_not_written_with_is_never_taken_for_its_own() {
        let shard = Shard::from(3);
        let mut used = Used::default();
        let coded = Words::of(shard, []).encode(shard, &row(), &mut used);
        let used = used.words;
        for wrong in used.keys() {
            let words = used.iter().map(|(code, word)| {
                (*code, if code == wrong { Word::from(&b"another"[..]) } else { word.clone() })
            });
            assert!(Words::of(shard, words).decode(shard, &coded).unwrap().is_err());
        }
        assert!(Words::of(shard, used).decode(shard, &coded).unwrap().is_ok());
    }

    #[test]
    fn what_was_learnt_before_the_servers_changed_is_not_known_any_more() {
        let shard = Shard::from(3);
        let word = || (code(b"word"), Word::from(&b"word"[..]));
        let words = Words::of(shard, [word()]);
        assert!(words.know(shard, CHANGES) && !words.know(shard, CHANGES + 1));
        words.take(shard, CHANGES + 1, None, HashMap::new());
        let used = || Used { stamp: None, words: HashMap::from([word()]) };
        words.learn(shard, CHANGES, used());
        assert!(words.know_all(shard, CHANGES + 1), "said by the one before");
        words.learn(shard, CHANGES + 1, used());
        assert!(!words.know_all(shard, CHANGES + 1), "to be asked for, with their stamp");
    }

    #[test]
    fn a_stamp_stands_for_the_words_that_came_with_it_and_for_no_later_one() {
        let (shard, words) = (Shard::from(3), Words::default());
        let known = [&b"1.2"[..], &LONG_WORD].map(|word| (code(word), Word::from(word)));
        words.take(shard, CHANGES, Some([7; 6]), known.into_iter().collect());
        let mut used = Used::default();
        words.encode(shard, &row(), &mut used);
        let later = b"Europe/Stockholm";
        let named = HashMap::from([(code(later), Word::from(&later[..]))]);
        assert_eq!(used, Used { stamp: Some([7; 6]), words: named });
        words.learn(shard, CHANGES, used.clone());
        let mut again = Used::default();
        words.encode(shard, &row(), &mut again);
        assert_eq!(again, used);
    }

    #[test]
    fn a_shard_keeps_so_many_words_and_writes_out_the_others() {
        let many = (0..u16::try_from(MOST).unwrap()).map(|code| (code, Word::from(&b"w"[..])));
        assert_eq!(there_and_back(&Words::of(Shard::from(3), many), &row()).1.len(), 0);
    }

    #[test]
    fn rows_without_words_come_back_as_they_were() {
        let words = Words::of(Shard::from(3), []);
        for row in [&b""[..], b"x", &[WORDED], &[WORDED, 9, 9], &[CODED, 1], &[AS_IT_IS]] {
            there_and_back(&words, row);
        }
        for wrong in [&[CODED][..], &[CODED, 1], &[CODED, 1, 0, 0, 5, 1], &[CODED, 1, 0, 0, 0x80]] {
            assert!(words.decode(Shard::from(3), wrong).is_err(), "{wrong:?}");
        }
    }
}
