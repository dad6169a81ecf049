//! Model to octets to model for generated messages, and octets that are no message at all.

use crate::{any_message::message, vectors};
use proptest::{prelude::*, sample::Index};
use wire::{Encoding, Limits, ReadError};

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 2, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_message_survives_both_encodings(message in message()) {
        for encoding in [Encoding::Xml, Encoding::Wbxml] {
            let octets = encoding.write(&message).unwrap();
            let again = encoding.read(&octets, &Limits::default()).unwrap();
            prop_assert_eq!(&again, &message, "{:?}", encoding);
        }
    }

    /// C3: whatever arrives, the codec answers, and what it takes it can give back.
    #[test]
    fn a_damaged_message_is_read_or_refused(
        which in any::<Index>(),
        damage in prop::collection::vec((any::<Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<Index>()),
    ) {
        let vectors = vectors::messages();
        let vector = which.get(&vectors);
        for (encoding, octets) in [
            (Encoding::Xml, &vector.xml),
            (Encoding::Wbxml, &vector.libwbxml),
            (Encoding::Wbxml, vector.reference.as_ref().unwrap_or(&vector.libwbxml)),
        ] {
            let mut octets = octets.clone();
            for (place, octet) in &damage {
                let place = place.index(octets.len());
                octets[place] = *octet;
            }
            if let Some(cut) = &cut {
                octets.truncate(cut.index(octets.len()));
            }
            if let Ok(message) = encoding.read(&octets, &Limits::default()) {
                let _written = Encoding::Wbxml.write(&message).unwrap();
                // XML has characters that it cannot carry.
                let _written = Encoding::Xml.write(&message);
            }
        }
    }

    #[test]
    fn noise_is_read_or_refused(noise in prop::collection::vec(any::<u8>(), 0..512)) {
        for encoding in [Encoding::Xml, Encoding::Wbxml] {
            let _verdict = encoding.read(&noise, &Limits::default());
            let document = [b"\x02\xA4\x01\x6A\x00\x6D\x6B".as_slice(), &noise].concat();
            let _verdict = encoding.read(&document, &Limits::default());
        }
    }
}

#[test]
fn each_limit_holds() {
    let vector = vectors::messages().swap_remove(39);
    let written = Encoding::Wbxml.write(&vector.message()).unwrap();
    for (encoding, octets) in [(Encoding::Xml, &vector.xml), (Encoding::Wbxml, &written)] {
        let read = |limits: Limits| encoding.read(octets, &limits);
        let limits = Limits::default();
        assert!(read(Limits { octets: octets.len(), ..limits }).is_ok());
        let too_long = read(Limits { octets: octets.len() - 1, ..limits });
        assert!(matches!(too_long, Err(ReadError::TooLong { .. })), "{too_long:?}");
        let too_deep = read(Limits { depth: 8, ..limits });
        assert!(matches!(too_deep, Err(ReadError::TooDeep { limit: 8, .. })), "{too_deep:?}");
        let too_many = read(Limits { elements: 40, ..limits });
        assert!(matches!(too_many, Err(ReadError::TooMany { limit: 40, .. })), "{too_many:?}");
    }
}

#[test]
fn a_string_table_does_not_multiply_without_bound() {
    // 4 KiB of table, referred to a thousand times in the Data of an Alert
    let mut octets = b"\x02\xA4\x01\x6A\x9F\x7F".to_vec();
    octets.extend([b'a'; 0xFFF]);
    octets.extend(b"\x6D\x6B\x46\x4F");
    octets.extend(b"\x83\x00".repeat(1000));
    let result = Encoding::Wbxml.read(&octets, &Limits::default());
    assert!(matches!(result, Err(ReadError::TooMuchText { .. })), "{result:?}");
    let result =
        Encoding::Wbxml.read(&octets, &Limits { string_table: 0xFFE, ..Limits::default() });
    assert!(matches!(result, Err(ReadError::Length { octets: 0xFFF, .. })), "{result:?}");
}
