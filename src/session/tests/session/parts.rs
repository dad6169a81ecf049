//! Whatever a value is and however it is cut, it arrives whole, in both directions and both encodings.

use crate::{
    bench::Bench,
    device::Utterance,
    scene::{Came, Scene},
    script,
};
use proptest::{collection::vec, prelude::*, sample::select};
use session::{Learnt, Outcome, Session};
use wire::{
    Encoding,
    ids::{CmdId, StatusTarget},
    message::{Address, Command, Data, Item, Message},
    meta::{Format, Meta},
};

/// A job that wants this value at `./A/B`.
fn scene(value: &str, format: Format, encoding: Encoding) -> Scene {
    let plan = script::plan(7, "job 7 prove=status");
    let mut setting = script::setting("ensure ./A/B chr 1");
    setting.format = format;
    setting.value = Some(value.to_owned());
    let mut bench = Bench::default();
    bench.settings.insert(plan.job, Ok(vec![setting]));
    bench.plans.push(plan);
    let mut scene = Scene::new(bench);
    scene.encoding = encoding;
    scene.learnt = Learnt { large_objects: Some(true), ..Learnt::default() };
    scene
}

/// What the server says to a message, and how the job ended, if it did.
fn say(scene: &mut Scene, message: &Message) -> (Message, Option<Outcome>) {
    let body = scene.encoding.write(message).expect("what a device says can be written");
    let Came::Reply { reply, mut ends, .. } = scene.receive(&body, true) else {
        panic!("every message is answered")
    };
    (reply, ends.pop().map(|end| end.outcome))
}

fn open(scene: &mut Scene, max_msg_size: Option<u64>) -> Message {
    let mut hello = Utterance::default();
    hello.alert(1201, Vec::new());
    let item = Item {
        source: Some(Address::new("./DevInfo/Mod")),
        data: Some(Data::text("RV-100")),
        ..Item::default()
    };
    hello.replace(vec![item]);
    let meta = Meta { max_msg_size, ..Meta::default() };
    say(scene, &hello.message(1, Some(script::cred("md5", "stored")), meta, true)).0
}

/// The last command of a message, and its number.
fn asked(reply: &Message) -> (u32, CmdId) {
    let command = reply.commands.last().expect("something is asked");
    (reply.header.msg_id.0, command.id().expect("our commands have ids").clone())
}

/// Pieces that end at these places, the last at the end.
fn cut(octets: &[u8], mut at: Vec<usize>) -> Vec<Vec<u8>> {
    at.retain(|place| *place < octets.len());
    at.sort_unstable();
    at.push(octets.len());
    let mut start = 0;
    at.into_iter().map(|end| octets[std::mem::replace(&mut start, end)..end].to_vec()).collect()
}

fn text() -> impl Strategy<Value = String> {
    let character = select(vec!['a', '7', ' ', '<', '&', '"', '\'', ']', 'ä', '€', '😀', '\n']);
    vec(character, 1..4000).prop_map(|characters| characters.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 5, failure_persistence: None, ..ProptestConfig::default() })]

    /// C3: also where a device cuts in the middle of a character, or of a group of base64.
    #[test]
    fn a_value_in_parts_is_the_value(
        text in text(),
        encoding in select(vec![Encoding::Xml, Encoding::Wbxml]),
        encoded in any::<bool>(),
        places in vec(0_usize..12_000, 1..12),
    ) {
        let value = if encoded { wire::digest::Nonce::new(&text.as_bytes()[..text.len().min(90)]).unwrap().to_base64() } else { text };
        let format = if encoded { Format::B64 } else { Format::Chr };
        let mut scene = scene(&value, format.clone(), encoding);
        let reply = open(&mut scene, None);
        let reference = asked(&reply);
        // XML cannot carry half a character.
        let places = match encoding {
            Encoding::Xml => places.into_iter().map(|place| value.floor_char_boundary(place)).collect(),
            Encoding::Wbxml => places,
        };
        let pieces = cut(value.as_bytes(), places);
        let many = pieces.len();
        let mut outcome = None;
        for (number, piece) in pieces.into_iter().enumerate() {
            let (first, more) = (number == 0, number + 1 < many);
            let mut said = Utterance::default();
            if first {
                said.status(reference.0, StatusTarget::Command(reference.1.clone()), Some(200), None);
            }
            let meta = Meta { size: (first && more).then_some(value.len() as u64), ..Meta::with_format(format.clone()) };
            let data = String::from_utf8(piece).map_or_else(|error| Data::Opaque(error.into_bytes()), Data::text);
            let item = Item { source: Some(Address::new("./A/B")), meta, data: Some(data), more, ..Item::default() };
            said.results(Some(reference.clone()), item);
            let msg = u32::try_from(number).unwrap() + 2;
            let (reply, ended) = say(&mut scene, &said.message(msg, None, Meta::default(), !more));
            prop_assert_eq!(reply.last, !more);
            outcome = ended;
        }
        prop_assert_eq!(outcome, Some(Outcome::Unchanged));
        prop_assert!(scene.shelf.is_empty());
    }

    /// C3: `Size` in the first part only, `Final` with the last, and no message longer than the device takes.
    #[test]
    fn a_value_sent_in_parts_is_the_value(
        text in text(),
        encoding in select(vec![Encoding::Xml, Encoding::Wbxml]),
        takes in 1_700_u64..5_000,
        asks in any::<bool>(),
    ) {
        let mut scene = scene(&text, Format::Chr, encoding);
        let reply = open(&mut scene, Some(takes));
        let (msg, get) = asked(&reply);
        let mut said = Utterance::default();
        said.status(msg, StatusTarget::Command(get), Some(404), None);
        let (mut reply, mut outcome) = say(&mut scene, &said.message(2, None, Meta::default(), true));
        let (mut came, mut parts, mut msg) = (String::new(), 0, 2);
        while outcome.is_none() {
            let Some(Command::Add(edit)) = reply.commands.last() else { panic!("it is added") };
            let item = &edit.items[0];
            let is_parent = item.target.as_ref().unwrap().loc_uri == "./A";
            let (reference, last, more) = (asked(&reply), reply.last, item.more);
            if !is_parent {
                prop_assert_eq!(item.meta.size, (parts == 0 && more).then_some(text.len() as u64));
                came.push_str(item.data.as_ref().unwrap().as_text().unwrap());
                parts += 1;
            }
            prop_assert_eq!(last, !more);
            msg += 1;
            let mut said = Utterance::default();
            for command in reply.commands.iter().filter(|command| matches!(command, Command::Add(_))) {
                let code = if more { 213 } else { 200 };
                said.status(reference.0, StatusTarget::Command(command.id().unwrap().clone()), Some(code), None);
            }
            if more && asks {
                said.alert(1222, Vec::new());
            }
            (reply, outcome) = say(&mut scene, &said.message(msg, None, Meta::default(), !more));
        }
        prop_assert_eq!(outcome, Some(Outcome::Applied));
        prop_assert!(came == text);
        prop_assert!(scene.session.as_ref().is_some_and(Session::over));
    }
}

#[test]
fn a_session_that_ends_by_wrong_credentials_keeps_no_part() {
    let mut scene = scene("abcdef", Format::Chr, Encoding::Xml);
    let reply = open(&mut scene, None);
    let (msg, id) = asked(&reply);
    let mut said = Utterance::default();
    said.status(msg, StatusTarget::Command(id.clone()), Some(200), None);
    let item = Item {
        source: Some(Address::new("./A/B")),
        meta: Meta { size: Some(6), ..Meta::default() },
        data: Some(Data::text("abc")),
        more: true,
        ..Item::default()
    };
    said.results(Some((msg, id)), item);
    say(&mut scene, &said.message(2, None, Meta::default(), false));
    assert!(!scene.shelf.is_empty());
    for number in 3..=5 {
        let wrong = Some(script::cred("md5", "wrong"));
        say(&mut scene, &Utterance::default().message(number, wrong, Meta::default(), false));
    }
    assert!(scene.session.as_ref().is_some_and(Session::over));
    assert!(scene.shelf.is_empty());
}
