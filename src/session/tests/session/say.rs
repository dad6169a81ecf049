//! Replies and news in the words of transcripts.

use crate::scene::{Came, nonce};
use session::{Event, Failure, JobEnd, News, Outcome, Verb};
use wire::{
    digest::{self, Nonce, SecretHash},
    hmac::Hmac,
    ids::StatusTarget,
    message::{Command, Cred, Data, Item, Message},
    meta::Meta,
};

pub(crate) const SERVER_USER: &str = "srv";
pub(crate) const SERVER_PASSWORD: &str = "srv-secret";

/// What came of a message, a line each: `<` what the device is told, `=` what the server learns.
pub(crate) fn lines(came: &Came, nonces: &[String]) -> Vec<String> {
    match came {
        Came::BadRequest => vec!["< 400".to_owned()],
        Came::Again(reply) => vec![format!("< again {}", reply.header.msg_id)],
        Came::Reply { reply, ends, news, sealed } => {
            let mut lines = reply_lines(reply, nonces);
            if let Some((octets, header)) = sealed {
                lines.insert(1, format!("< mac {}", seal_word(octets, header, nonces)));
            }
            lines.extend(news.iter().map(|item| format!("= {}", news_words(item))));
            lines.extend(ends.iter().flat_map(end_lines));
            lines
        }
    }
}

fn reply_lines(reply: &Message, nonces: &[String]) -> Vec<String> {
    let header = &reply.header;
    let mut first = vec![format!("< id {}", header.msg_id)];
    if let Some(octets) = header.meta.max_msg_size {
        first.push(format!("max {octets} {}", header.meta.max_obj_size.unwrap_or_default()));
    }
    if let Some(cred) = &header.cred {
        first.push(format!("cred {}", cred_words(cred, nonces)));
    }
    if header.resp_uri.is_none() {
        first.push("unproven".to_owned());
    }
    let mut lines = vec![first.join(" ")];
    for command in &reply.commands {
        command_lines(command, "", &mut lines);
    }
    lines.push(if reply.last { "< final".to_owned() } else { "< more".to_owned() });
    lines
}

/// The nonce under which a reply is sealed.
fn seal_word(octets: &[u8], header: &str, nonces: &[String]) -> String {
    let secret = SecretHash::of(SERVER_USER, SERVER_PASSWORD);
    let under = nonces
        .iter()
        .find(|name| Hmac::of(SERVER_USER, &secret, &nonce(name), octets).value() == header);
    under.expect("a reply is sealed with a nonce that the device gave").clone()
}

fn cred_words(cred: &Cred, nonces: &[String]) -> String {
    let secret = SecretHash::of(SERVER_USER, SERVER_PASSWORD);
    if *cred == digest::basic_cred(SERVER_USER, SERVER_PASSWORD) {
        return "basic".to_owned();
    }
    let under = nonces.iter().find(|name| digest::md5_cred(&secret, &nonce(name)) == *cred);
    format!("md5 {}", under.expect("credentials are made with a nonce that the device gave"))
}

fn command_lines(command: &Command, indent: &str, lines: &mut Vec<String>) {
    let id = command.id().map_or_else(|| "?".to_owned(), ToString::to_string);
    let words = match command {
        Command::Status(status) => {
            let code = status.code.map_or(0, wire::status::StatusCode::code);
            let chal = status.chal.as_ref().map(chal_words).unwrap_or_default();
            let versions = all_data(&status.items);
            match &status.about {
                StatusTarget::Header => format!("hdr {code}{chal}{versions}"),
                StatusTarget::Command(cmd_ref) => format!("status {cmd_ref} {} {code}", status.cmd),
                StatusTarget::Unnamed => format!("status - {} {code}", status.cmd),
            }
        }
        Command::Get(edit) | Command::Delete(edit) => {
            format!("{id} {} {}", command.name(), target(&edit.items))
        }
        Command::Add(edit) | Command::Replace(edit) => {
            format!(
                "{id} {} {} {}",
                command.name(),
                target(&edit.items),
                value_words(&edit.items[0])
            )
        }
        Command::Exec(exec) => {
            let name =
                exec.correlator.as_ref().map(|name| format!("as {name}")).unwrap_or_default();
            let words = value_words(&exec.items[0]);
            format!("{id} Exec {} {words}{name}", target(&exec.items))
        }
        Command::Alert(alert) => {
            let code = alert.code.map_or(0, wire::alert::AlertCode::code);
            let items = if code == 1225 {
                format!(" {}", address(&alert.items))
            } else {
                all_data(&alert.items)
            };
            format!("{id} Alert {code}{items}")
        }
        Command::Atomic(_) => format!("{id} Atomic"),
        Command::Copy(edit) => {
            let from = edit.items[0].source.as_ref().map_or("?", |from| from.loc_uri.as_str());
            format!("{id} Copy {from} to {}", target(&edit.items))
        }
        Command::Sequence(_) | Command::Results(_) | Command::Unknown(_) => {
            panic!("{} is never sent", command.name())
        }
    };
    lines.push(format!("< {indent}{words}").trim_end().to_owned());
    if let Command::Atomic(block) = command {
        for command in &block.commands {
            command_lines(command, "  ", lines);
        }
    }
}

fn target(items: &[Item]) -> &str {
    items
        .first()
        .and_then(|item| item.target.as_ref())
        .map_or("?", |target| target.loc_uri.as_str())
}

/// The node of an object that broke, and from which side it came.
fn address(items: &[Item]) -> String {
    let item = &items[0];
    match (&item.source, &item.target) {
        (Some(source), None) => format!("from {}", source.loc_uri),
        (None, Some(target)) => format!("to {}", target.loc_uri),
        _ => "nameless".to_owned(),
    }
}

fn value_words(item: &Item) -> String {
    let part = match (item.meta.size, item.more) {
        (Some(size), true) => format!("first {size} "),
        (None, true) => "part ".to_owned(),
        (_, false) => String::new(),
    };
    match &item.meta.format {
        Some(format) => format!("{part}{format} {}", data_words(item)),
        None => String::new(),
    }
}

fn data_words(item: &Item) -> String {
    let text = item.data.as_ref().and_then(Data::as_text).unwrap_or("no text");
    match text.strip_prefix("xxxxxxxxxx").map(str::len) {
        Some(rest) if text.bytes().all(|octet| octet == b'x') => format!("x*{}", rest + 10),
        _ => format!("{text:?}"),
    }
}

fn all_data(items: &[Item]) -> String {
    let words: Vec<String> = items.iter().map(|item| format!(" {}", data_words(item))).collect();
    words.concat()
}

fn chal_words(chal: &Meta) -> String {
    let given = chal.next_nonce.as_deref().map(|text| Nonce::from_base64(text).expect("base64"));
    let given = given
        .map(|nonce| format!(" {}", String::from_utf8_lossy(nonce.octets())))
        .unwrap_or_default();
    format!(
        " chal {}{given}",
        chal.media_type.as_deref().unwrap_or("?").trim_start_matches("syncml:auth-")
    )
}

fn news_words(news: &News) -> String {
    match news {
        News::Authenticated => "authenticated".to_owned(),
        News::Refused => "refused".to_owned(),
        News::NonceIssued(nonce) => format!("issued {}", String::from_utf8_lossy(nonce.octets())),
        News::ServerNonce(nonce) => {
            format!("server nonce {}", String::from_utf8_lossy(nonce.octets()))
        }
        News::ServerRefused => "server refused".to_owned(),
        News::Facts(facts) => {
            let words = |fact: &Option<String>| fact.clone().unwrap_or_else(|| "-".to_owned());
            let all = [
                &facts.dev_id,
                &facts.manufacturer,
                &facts.model,
                &facts.dm_version,
                &facts.language,
            ]
            .map(words);
            format!("facts {}", all.join(", "))
        }
        News::Started(job) => format!("started {}", job.seq),
        News::Asked(job) => format!("asked {}", job.seq),
        News::WriteSent(job) => format!("writing {}", job.seq),
        News::Proving(job) => format!("proving {}", job.seq),
        News::Part(job) => format!("part {}", job.seq),
        News::Gap(messages) => format!("gap {messages}"),
        News::Stray(answers) => format!("stray {answers}"),
        News::Abort => "abort".to_owned(),
        News::Event(event) => event_words(event),
        News::Read(told) => {
            let values = told.values.iter().map(|(uri, value)| format!("{uri} {value:?}"));
            let unread = told.unread.iter().map(ToString::to_string);
            let words: Vec<String> = values.chain(unread).collect();
            format!("read {} {}: {}", told.job.seq, told.phase, words.join("; "))
        }
        News::Awaits(awaited) => {
            let places: Vec<String> = awaited.places.iter().map(ToString::to_string).collect();
            let (seq, seconds) = (awaited.job.seq, awaited.seconds);
            format!("awaits {seq} {} for {seconds} s", places.join(" "))
        }
        News::Learnt(learnt) => {
            let large = learnt.large_objects.map(|takes| format!("large objects {takes}"));
            let names = learnt.quirks.iter().map(|quirk| quirk.name().to_owned());
            let words: Vec<String> = large.into_iter().chain(names).collect();
            format!("learnt {}", words.join(", ")).trim_end().to_owned()
        }
        News::Over(end) => format!("over {end:?}"),
    }
}

fn event_words(event: &Event) -> String {
    let words = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let Event { code, correlator, source, kind, format: _, mark, data } = event;
    let all = [kind, source, mark, correlator, data].map(words);
    format!("event {} {}", code.code(), all.join(", "))
}

fn end_lines(end: &JobEnd) -> Vec<String> {
    let mut lines = vec![format!("= ended {} {}", end.job.seq, outcome_words(&end.outcome))];
    for command in &end.commands {
        let status =
            command.status.map_or_else(|| "-".to_owned(), |status| status.code().to_string());
        lines.push(format!("=   {} {} {status}", verb_word(command.verb), command.uri));
    }
    lines.extend(end.read.iter().map(|(uri, value)| format!("=   found {uri} {value:?}")));
    lines
}

fn outcome_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applied => "applied".to_owned(),
        Outcome::Unchanged => "unchanged".to_owned(),
        Outcome::Declined => "declined".to_owned(),
        Outcome::NoAnswer => "no answer".to_owned(),
        Outcome::Failed(failure) => format!("failed {}", failure_words(failure)),
        Outcome::Broken(failure) => format!("broken {}", failure_words(failure)),
        Outcome::NotApplicable(why) => format!("not applicable: {why}"),
        Outcome::Refused { uri, why } => format!("refused {uri}: {why}"),
        Outcome::Superseded => "superseded".to_owned(),
    }
}

fn failure_words(failure: &Failure) -> String {
    let status = failure.status.map_or_else(|| "-".to_owned(), |status| status.code().to_string());
    format!("{} {status} {}: {}", failure.uri, failure.phase, failure.why)
}

fn verb_word(verb: Verb) -> &'static str {
    match verb {
        Verb::Ensure => "ensure",
        Verb::Replace => "replace",
        Verb::Add => "add",
        Verb::Delete => "delete",
        Verb::Read => "read",
        Verb::Exec => "exec",
        Verb::Copy => "copy",
    }
}
