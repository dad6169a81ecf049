//! Large objects over the door, with their rows: they come whole or not at all, and nothing of them stays behind.

use super::world::{Phone, Reply, Server, XML, post, until};
use crate::{
    campaigns,
    rows::DeviceId,
    store::{Row, Shard},
};
use std::{fmt::Write as _, sync::atomic::Ordering};
use wire::message::{Command, Message};

const DEVICE: &str = "IMEI:1";

/// A text in which no piece is like another.
fn long(octets: usize) -> String {
    let mut text = String::new();
    for number in 0.. {
        if text.len() >= octets {
            break;
        }
        write!(text, "{number} äöü ").unwrap();
    }
    text
}

/// The stored parts of the device's object.
async fn parts(server: &Server) -> Vec<Row> {
    let id = DeviceId::new("operator", DEVICE);
    let keys: Vec<_> = (0..64).map(|number| id.part_key(number)).collect();
    let rows = server.running.engine().store().read(Shard::of(&id.root()), &keys).await.unwrap();
    rows.into_iter().flatten().collect()
}

/// How many jobs ended like this.
async fn ended(server: &Server, outcome: &str) -> u64 {
    let view = campaigns::view(server.running.engine(), "operator", "reach").await.unwrap();
    view.progress.outcomes.get(outcome).copied().unwrap_or_default()
}

/// Calls to the store made for messages.
fn store_calls(server: &Server) -> u64 {
    server.running.engine().load().store_calls.load(Ordering::Relaxed)
}

/// Statuses for everything in a message of the server.
fn statuses(to: &Message) -> String {
    let msg = to.header.msg_id;
    let mut said = format!(
        "<Status><CmdID>1</CmdID><MsgRef>{msg}</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>200</Data></Status>"
    );
    for command in to.commands.iter().filter(|command| !matches!(command, Command::Status(_))) {
        let (id, name) = (command.id().unwrap(), command.name());
        write!(
            said,
            "<Status><CmdID>1{id}</CmdID><MsgRef>{msg}</MsgRef><CmdRef>{id}</CmdRef><Cmd>{name}</Cmd><Data>200</Data></Status>"
        )
        .unwrap();
    }
    said
}

/// One part of the results for the Get in `to`; `size` in the first one.
fn results(to: &Message, data: &str, size: Option<usize>, more: bool) -> String {
    let get = to.commands.iter().find(|command| matches!(command, Command::Get(_))).unwrap();
    let size = size.map(|size| format!("<Meta><Size xmlns=\"syncml:metinf\">{size}</Size></Meta>"));
    format!(
        "<Results><CmdID>90</CmdID><MsgRef>{}</MsgRef><CmdRef>{}</CmdRef><Item><Source><LocURI>./ConnMO/Max</LocURI>\
         </Source>{}<Data>{data}</Data>{}</Item></Results>",
        to.header.msg_id,
        get.id().unwrap(),
        size.unwrap_or_default(),
        if more { "<MoreData/>" } else { "" },
    )
}

/// Whether the server asks for the next message.
fn asks_for_more(reply: &Reply) -> bool {
    let message = reply.message();
    !message.last && message.commands.iter().any(|command| matches!(command, Command::Alert(_)))
}

async fn said(server: &Server, path: &str, message: &str) -> Reply {
    server.send(&post(path, XML, message.as_bytes())).await
}

/// C3: in its own time, over a restart of the server, and compared as a whole.
#[tokio::test]
async fn a_large_value_comes_whole_over_a_restart_and_leaves_nothing_behind() {
    let server = Server::start("").await;
    server.register(&[DEVICE]).await;
    let value = long(60_000);
    server.launch_with(&[DEVICE], &format!("[{{uri: ./ConnMO/Max, value: \"{value}\"}}]")).await;
    let phone = Phone::new(DEVICE, "5");
    let (_, opened) = phone.open(&server).await;
    let (path, asked) = (opened.path(), opened.message());
    let (first, rest) = value.split_at(value.floor_char_boundary(20_000));
    let (second, last) = rest.split_at(rest.floor_char_boundary(20_001));

    let words = statuses(&asked) + &results(&asked, first, Some(value.len()), true);
    let reply = said(&server, &path, &phone.part(3, None, &words)).await;
    assert!(asks_for_more(&reply));
    assert_eq!(parts(&server).await.len(), 1);

    let server = server.restart().await;
    let before = store_calls(&server);
    let second = phone.part(4, None, &results(&asked, second, None, true));
    let reply = said(&server, &path, &second).await;
    assert!(asks_for_more(&reply));
    assert_eq!(store_calls(&server) - before, 2, "the parts are not read before the last one");
    assert_eq!(parts(&server).await.len(), 2);
    let again = said(&server, &path, &second).await;
    assert_eq!(again.body, reply.body, "a part whose answer was lost is no second part");

    let before = store_calls(&server);
    let reply =
        said(&server, &path, &phone.message(5, None, &results(&asked, last, None, false))).await;
    assert!(reply.message().last);
    assert_eq!(store_calls(&server) - before, 3);
    assert_eq!(ended(&server, "unchanged").await, 1);
    assert!(parts(&server).await.is_empty());
    server.stop().await;
}

/// What a device says of large objects is asked once, and remembered.
#[tokio::test]
async fn a_large_value_goes_out_in_parts_and_the_device_is_asked_once_whether_it_takes_them() {
    let server = Server::start("").await;
    server.register(&[DEVICE]).await;
    let value = long(40_000);
    server.launch_with(&[DEVICE], &format!("[{{uri: ./ConnMO/Max, value: \"{value}\"}}]")).await;
    let phone = Phone::new(DEVICE, "5");
    let (_, opened) = phone.open(&server).await;
    let path = opened.path();
    let mut heard = said(&server, &path, &phone.not_found(3, &opened.message())).await.message();
    let large = results(&heard, "true", None, false).replace("./ConnMO/Max", "./DevDetail/LrgObj");
    heard =
        said(&server, &path, &phone.message(4, None, &(statuses(&heard) + &large))).await.message();
    let (mut came, mut msg) = (String::new(), 4);
    // The node above it comes first.
    while !heard.commands.iter().any(|command| matches!(command, Command::Get(_))) {
        msg += 1;
        let mut code = "<Data>200</Data>";
        for command in &heard.commands {
            let Command::Add(edit) = command else { continue };
            let item = &edit.items[0];
            came.push_str(item.data.as_ref().unwrap().as_text().unwrap());
            if item.more {
                code = "<Data>213</Data>";
            }
        }
        let words = statuses(&heard)
            .replace("<Cmd>Add</Cmd><Data>200</Data>", &format!("<Cmd>Add</Cmd>{code}"));
        let message = if heard.last {
            phone.message(msg, None, &words)
        } else {
            phone.part(msg, None, &words)
        };
        heard = said(&server, &path, &message).await.message();
    }
    assert!(msg > 6, "in one message of 16 kB there is no room for it");
    assert!(came == value, "it came whole");
    let (device, _) = crate::update::load::<crate::rows::Device>(
        server.running.engine().store(),
        Shard::of(&DeviceId::new("operator", DEVICE).root()),
        &DeviceId::new("operator", DEVICE).key(crate::store::Table::Device),
    )
    .await
    .unwrap()
    .unwrap();
    assert_eq!(device.learnt.large_objects, Some(true));
    server.stop().await;
}

/// Every row has an end: parts of a device that never comes back, too.
#[tokio::test]
async fn the_parts_of_a_device_that_went_away_expire() {
    let server = Server::start("[session]\nanswer_within = \"100ms\"\nlife = \"500ms\"").await;
    server.register(&[DEVICE]).await;
    server.launch(&[DEVICE]).await;
    let phone = Phone::new(DEVICE, "5");
    let (_, opened) = phone.open(&server).await;
    let asked = opened.message();
    let words = statuses(&asked) + &results(&asked, &long(900), Some(5000), true);
    assert!(asks_for_more(&said(&server, &opened.path(), &phone.part(3, None, &words)).await));
    until(async || parts(&server).await.is_empty()).await;
    server.stop().await;
}

/// Invariant 6.
#[tokio::test]
async fn nobody_elses_part_is_stored() {
    let server = Server::start("").await;
    server.register(&[DEVICE]).await;
    server.launch(&[DEVICE]).await;
    let phone = Phone::new(DEVICE, "5");
    let (_, opened) = phone.open(&server).await;
    let asked = opened.message();
    let words = statuses(&asked) + &results(&asked, &long(900), Some(5000), true);
    let before = server.written();
    assert_eq!(server.say(&phone.part(3, None, &words)).await.code(), 407);
    assert_eq!(server.written(), before);
    assert!(parts(&server).await.is_empty());
    server.stop().await;
}
