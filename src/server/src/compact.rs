//! Ids in less room: the digits, names and zeros that most ids are made of take a part of the octets they have as text.
//!
//! Any octets may be packed and come back as they were, so nothing above needs to know. Octets from 0xF5 on, which no text
//! has, say what follows; all others stand for themselves. `operator\0IMEI:350000000000017` takes 18 octets instead of 29.

/// The octet after it stands for itself.
const LITERAL: u8 = 0xFF;
/// So many zero octets.
const ZEROS: u8 = 0xFE;
/// `IMEI:` and 15 digits, in 8 octets.
const IMEI: u8 = 0xFD;
/// So many digits, two in an octet.
const DIGITS: u8 = 0xFC;
/// Texts that stand in many ids.
const TEXTS: [(u8, &[u8]); 3] = [(0xFB, b"\0msisdn\0"), (0xFA, b"\0imsi\0"), (0xF9, b"IMEI:")];
/// The first octet that no text has.
const FIRST: u8 = 0xF5;
/// Fewer digits take no less room when packed.
const LEAST_DIGITS: usize = 6;
const LEAST_ZEROS: usize = 3;
const IMEI_DIGITS: usize = 15;

/// Packs an id.
pub(crate) fn pack(mut id: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(id.len());
    while let [first, rest @ ..] = id {
        id = pack_imei(id, &mut packed)
            .or_else(|| pack_text(id, &mut packed))
            .or_else(|| pack_digits(id, &mut packed))
            .or_else(|| pack_zeros(id, &mut packed))
            .unwrap_or_else(|| {
                if *first >= FIRST {
                    packed.push(LITERAL);
                }
                packed.push(*first);
                rest
            });
    }
    packed
}

/// Reads what [`pack`] wrote; `None` if it did not.
pub(crate) fn unpack(mut packed: &[u8]) -> Option<Vec<u8>> {
    let mut id = Vec::with_capacity(packed.len() * 2);
    while let [first, rest @ ..] = packed {
        packed = match *first {
            LITERAL => {
                let (octet, rest) = rest.split_first()?;
                id.push(*octet);
                rest
            }
            ZEROS => {
                let (count, rest) = rest.split_first()?;
                id.resize(id.len() + usize::from(*count), 0);
                rest
            }
            IMEI => {
                id.extend_from_slice(b"IMEI:");
                unpack_digits(rest, IMEI_DIGITS, &mut id)?
            }
            DIGITS => {
                let (count, rest) = rest.split_first()?;
                unpack_digits(rest, usize::from(*count), &mut id)?
            }
            octet if octet >= FIRST => {
                let (_, text) = TEXTS.into_iter().find(|(marker, _)| *marker == octet)?;
                id.extend_from_slice(text);
                rest
            }
            octet => {
                id.push(octet);
                rest
            }
        };
    }
    Some(id)
}

/// Packs what `id` begins with, if it is an IMEI as devices name themselves; answers what follows.
fn pack_imei<'a>(id: &'a [u8], packed: &mut Vec<u8>) -> Option<&'a [u8]> {
    let rest = id.strip_prefix(b"IMEI:")?;
    let (digits, rest) = rest.split_at_checked(IMEI_DIGITS)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    packed.push(IMEI);
    push_digits(digits, packed);
    Some(rest)
}

fn pack_text<'a>(id: &'a [u8], packed: &mut Vec<u8>) -> Option<&'a [u8]> {
    TEXTS.into_iter().find_map(|(marker, text)| {
        let rest = id.strip_prefix(text)?;
        packed.push(marker);
        Some(rest)
    })
}

fn pack_digits<'a>(id: &'a [u8], packed: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (count, length) = run(id, u8::is_ascii_digit, LEAST_DIGITS)?;
    let (digits, rest) = id.split_at_checked(length)?;
    packed.extend_from_slice(&[DIGITS, count]);
    push_digits(digits, packed);
    Some(rest)
}

fn pack_zeros<'a>(id: &'a [u8], packed: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (count, length) = run(id, |octet| *octet == 0, LEAST_ZEROS)?;
    packed.extend_from_slice(&[ZEROS, count]);
    id.get(length..)
}

/// How long the run is that `id` begins with, if it is at least so long and at most 255.
fn run(id: &[u8], is: impl Fn(&u8) -> bool, least: usize) -> Option<(u8, usize)> {
    let length = id.iter().take(usize::from(u8::MAX)).take_while(|octet| is(octet)).count();
    let count = u8::try_from(length).ok()?;
    (length >= least).then_some((count, length))
}

fn push_digits(digits: &[u8], packed: &mut Vec<u8>) {
    packed.extend(digits.chunks(2).map(|pair| {
        pair.iter().fold(0u8, |octet, digit| octet << 4 | (digit - b'0'))
            << if pair.len() == 1 { 4 } else { 0 }
    }));
}

/// Adds so many digits to `id`; answers what follows them.
fn unpack_digits<'a>(packed: &'a [u8], count: usize, id: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (octets, rest) = packed.split_at_checked(count.div_ceil(2))?;
    let halves = octets.iter().flat_map(|octet| [octet >> 4, octet & 0xF]);
    for half in halves.take(count) {
        id.push(b'0' + Some(half).filter(|half| *half < 10)?);
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_as_they_are_take_two_thirds_of_their_room_or_less() {
        let result = [&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0], &b"operator\0IMEI:350000000000017"[..]];
        for (id, octets) in [
            (b"operator\0IMEI:350000000000017".to_vec(), 18),
            (b"operator\0msisdn\x00467000000017".to_vec(), 17),
            (b"operator\0imsi\x00240010000000017".to_vec(), 19),
            (result.concat(), 23),
        ] {
            let packed = pack(&id);
            assert_eq!(packed.len(), octets, "{packed:02x?}");
            assert_eq!(unpack(&packed), Some(id));
        }
    }

    #[test]
    fn what_was_not_packed_is_refused() {
        for wrong in
            [&[LITERAL][..], &[ZEROS], &[IMEI, 1, 2], &[DIGITS, 2], &[DIGITS, 2, 0xAA], &[0xF5]]
        {
            assert_eq!(unpack(wrong), None, "{wrong:02x?}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_come_back_as_they_were(id in prop::collection::vec(any::<u8>(), 0..600)) {
            prop_assert_eq!(unpack(&pack(&id)), Some(id));
        }

        #[test]
        fn any_id_of_digits_names_and_zeros_comes_back_as_it_was(
            parts in prop::collection::vec("IMEI:|[0-9]{1,40}|\0{1,9}|\0msisdn\0|\0imsi\0|[a-zé]{1,5}", 0..9)
        ) {
            let id = parts.concat().into_bytes();
            prop_assert_eq!(unpack(&pack(&id)), Some(id));
        }
    }
}
