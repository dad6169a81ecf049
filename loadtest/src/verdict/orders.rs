//! The commands of a reply: whether clients survive them, and whether they may be given at all.

use super::{
    Finding, Rule,
    reply::{self, Asked, Turn},
};
use crate::faults::Habits;
use wire::{
    alert::AlertCode,
    message::{Alert, Command, Edit, Item, Message},
};

pub(super) fn judge(asked: &Asked<'_>, message: &Message) -> Vec<Finding> {
    let mut judge = Judge { asked, findings: Vec::new() };
    let questions = message.commands.iter().any(asks_user);
    for command in &message.commands {
        judge.command(command, questions, false);
    }
    judge.turn(message);
    judge.objects(message);
    judge.findings
}

/// Whether a command only keeps the conversation going, or ends it.
fn keeps_going(command: &Command) -> bool {
    matches!(command, Command::Alert(alert)
        if matches!(alert.code, Some(AlertCode::NextMessage | AlertCode::SessionAbort)))
}

/// The items of a command that may hold parts of a large object.
fn written(command: &Command) -> &[Item] {
    match command {
        Command::Add(edit) | Command::Replace(edit) => &edit.items,
        _ => &[],
    }
}

fn asks_user(command: &Command) -> bool {
    match command {
        Command::Alert(alert) => {
            alert.code.is_some_and(|code| (1101..=1104).contains(&code.code()))
        }
        Command::Atomic(block) | Command::Sequence(block) => block.commands.iter().any(asks_user),
        _ => false,
    }
}

struct Judge<'a> {
    asked: &'a Asked<'a>,
    findings: Vec<Finding>,
}

impl Judge<'_> {
    /// Whether it is the server's turn to give orders.
    fn turn(&mut self, message: &Message) {
        if reply::is_challenge(message) || self.asked.turn == Turn::Server {
            return;
        }
        if let Some(order) = reply::orders(message).find(|order| !keeps_going(order)) {
            self.found(Rule::OrderOutOfTurn, format!("It was a {}.", order.name()));
        } else if self.asked.turn == Turn::Device && reply::orders(message).next().is_none() {
            self.found(Rule::RestNotAskedFor, "");
        }
    }

    /// Whether large objects come part by part, with nothing in between.
    fn objects(&mut self, message: &Message) {
        let mut orders = reply::orders(message).peekable();
        let mut awaited = self.asked.incoming;
        while let Some(order) = orders.next() {
            let mut items = written(order).iter().peekable();
            if items.peek().is_none() && awaited.take().is_some() && !keeps_going(order) {
                self.found(Rule::ObjectInterrupted, format!("It was by a {}.", order.name()));
            }
            while let Some(item) = items.next() {
                let uri = item.target.as_ref().map_or("", |target| target.loc_uri.as_str());
                let goes_on = awaited.take().map(|awaited| awaited == uri);
                if goes_on == Some(false) {
                    self.found(Rule::ObjectInterrupted, format!("It was by another, {uri}."));
                }
                if item.more && goes_on != Some(true) && item.meta.size.is_none() {
                    self.found(Rule::PartWithoutSize, format!("It is for {uri}."));
                }
                if item.more && (items.peek().is_some() || orders.peek().is_some()) {
                    self.found(
                        Rule::ObjectInterrupted,
                        format!("Something follows a part of {uri}."),
                    );
                }
                if item.more && message.last {
                    self.found(Rule::ObjectInterrupted, format!("Final follows a part of {uri}."));
                }
            }
        }
    }

    fn command(&mut self, command: &Command, questions: bool, within_atomic: bool) {
        if within_atomic
            && matches!(command, Command::Get(_) | Command::Atomic(_) | Command::Sequence(_))
        {
            self.found(
                Rule::ForbiddenCommand,
                format!("A {} stands inside Atomic.", command.name()),
            );
        }
        match command {
            Command::Status(_) => {}
            Command::Add(edit) | Command::Replace(edit) => {
                self.addresses(command.name(), edit);
                for item in &edit.items {
                    if item.meta.format.is_none() {
                        self.found(
                            Rule::ItemIncomplete,
                            format!("An item of {} has no Format of its own.", command.name()),
                        );
                    }
                    if item.data.is_none() {
                        self.found(
                            Rule::ItemIncomplete,
                            format!("An item of {} has no Data.", command.name()),
                        );
                    }
                }
                self.write(command.name(), edit, questions);
            }
            Command::Delete(edit) | Command::Copy(edit) => {
                self.addresses(command.name(), edit);
                self.write(command.name(), edit, questions);
            }
            Command::Get(edit) => self.addresses("Get", edit),
            Command::Exec(exec) => {
                let edit = Edit { items: exec.items.clone(), ..Edit::default() };
                self.addresses("Exec", &edit);
                if edit.items.len() > 1 {
                    self.found(Rule::ForbiddenCommand, "Exec has more than one item.");
                }
                self.write("Exec", &edit, questions);
            }
            Command::Alert(alert) => self.alert(alert),
            Command::Atomic(block) => {
                for inner in &block.commands {
                    self.command(inner, questions, true);
                }
            }
            Command::Sequence(block) => {
                if self.asked.habits == Habits::A {
                    self.found(Rule::ForbiddenCommand, "Sequence crashes this client.");
                }
                for inner in &block.commands {
                    self.command(inner, questions, within_atomic);
                }
            }
            Command::Results(_) | Command::Unknown(_) => {
                self.found(
                    Rule::ForbiddenCommand,
                    format!("A server sends no {}.", command.name()),
                );
            }
        }
    }

    fn addresses(&mut self, name: &str, edit: &Edit) {
        if edit.items.is_empty() {
            self.found(Rule::ItemIncomplete, format!("{name} has no item."));
        }
        for item in &edit.items {
            let uri = item.target.as_ref().map_or("", |target| &target.loc_uri);
            let odd = uri.starts_with('/')
                || (uri.ends_with('/'))
                || uri.split('/').any(|segment| segment == "..");
            if uri.is_empty() || odd {
                self.found(
                    Rule::ItemIncomplete,
                    format!("An item of {name} has no usable Target."),
                );
            }
        }
    }

    fn alert(&mut self, alert: &Alert) {
        let Some(code) = alert.code else {
            return self.found(Rule::AlertIncomplete, "It has no code.");
        };
        match code.code() {
            1100..=1104 => {
                let options = alert.items.first().and_then(|item| item.data.as_ref());
                if options.is_none() || alert.items.len() < 2 {
                    self.found(
                        Rule::AlertIncomplete,
                        format!("Alert {} needs options and a text.", code.code()),
                    );
                }
                if !self.asked.questions_expected {
                    self.found(Rule::QuestionUnasked, format!("It was Alert {}.", code.code()));
                }
            }
            1222 | 1223 => {}
            other => {
                self.found(Rule::ForbiddenCommand, format!("A server sends no Alert {other}."));
            }
        }
    }

    fn write(&mut self, name: &str, edit: &Edit, questions: bool) {
        if questions {
            self.found(Rule::WriteBeforeAnswer, format!("It was a {name}."));
        }
        if self.asked.denied {
            self.found(Rule::WriteAfterNo, format!("It was a {name}."));
        }
        for target in edit.items.iter().filter_map(|item| item.target.as_ref()) {
            if self.asked.user_owned.iter().any(|owned| touches(&target.loc_uri, owned)) {
                self.found(Rule::UserOwned, format!("{name} of {}.", target.loc_uri));
            }
        }
    }

    fn found(&mut self, rule: Rule, detail: impl Into<String>) {
        self.findings.push(Finding::new(rule, detail));
    }
}

/// Whether writing at `uri` changes something at or below `owned`: at it, below it, or above it. Case is no defence.
fn touches(uri: &str, owned: &str) -> bool {
    fn segments(uri: &str) -> impl Iterator<Item = String> {
        let uri = uri.split('?').next().unwrap_or_default();
        uri.split('/').filter(|segment| !matches!(*segment, "" | ".")).map(str::to_lowercase)
    }
    segments(uri).zip(segments(owned)).all(|(one, other)| one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_at_below_or_above_what_the_user_owns_touches_it() {
        for uri in ["./User", "./User/Ringtone", "./USER/ringtone", ".", "User", "./User?prop=Name"]
        {
            assert!(touches(uri, "./User"), "{uri}");
        }
        assert!(touches("./User", "./User/Ringtone"));
        for uri in ["./UserData", "./AP/User", "./AP"] {
            assert!(!touches(uri, "./User"), "{uri}");
        }
    }
}
