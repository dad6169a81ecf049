//! From a file and the environment to a [`Config`], with every mistake named by key and line.
//!
//! Variables `REVEILLE_SECTION__KEY` are laid over the file before anything is judged, so what the environment says is
//! held to the same rules as what the file says.

#[cfg(test)]
mod tests;

use super::{Broker, Config, Redis, Route, Secret, Store};
use serde::{Deserialize, de::IntoDeserializer};
use std::{
    borrow::Cow,
    fmt,
    io::{self, Read},
    ops::Range,
    path::{Path, PathBuf},
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The largest configuration file that is read.
const LARGEST_FILE: u64 = 1024 * 1024;

const PREFIX: &str = "REVEILLE_";
const SEPARATOR: &str = "__";

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {}", file.display())]
    Unreadable { file: PathBuf, source: io::Error },
    #[error("the configuration {} is larger than {LARGEST_FILE} octets", file.display())]
    TooLarge { file: PathBuf },
    #[error("{}", listed(problems))]
    Wrong { problems: Vec<Problem> },
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

/// One mistake in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `reveille.toml:12`, a variable's name, or nothing.
    pub place: String,
    /// As `authority[0].server_id`; empty when it is the whole.
    pub key: String,
    pub what: String,
    pub help: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.place, &self.key] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        write!(f, "{} ({})", self.what, self.help)
    }
}

impl Config {
    /// Reads `file`, or nothing but the environment and the defaults when there is no file.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let text = match file {
            Some(file) => text_of(file)?,
            None => String::new(),
        };
        let name = file.map_or_else(String::new, |file| file.display().to_string());
        // Other programs' variables are none of our business, readable or not.
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect::<Vec<_>>();
        let mut config = Self::read(&name, &text, &variables)?;
        config.read_files()?;
        // What came from files is held to the same rules.
        let problems: Vec<_> = config.check().into_iter().map(Finding::in_a_file).collect();
        if problems.is_empty() { Ok(config) } else { Err(ConfigError::Wrong { problems }) }
    }

    /// Takes secrets from the files that are named for them.
    fn read_files(&mut self) -> Result<(), ConfigError> {
        if let Store::Redis(redis) = &mut self.store {
            redis.read_files()?;
        }
        if let Broker::RabbitMq(broker) = &mut self.broker {
            secret(&mut broker.password, broker.password_file.take())?;
        }
        for route in &mut self.routes {
            match route {
                Route::Udp { .. } => {}
                Route::Smpp(smpp) => secret(&mut smpp.password, smpp.password_file.take())?,
                Route::Pap(pap) => {
                    secret(&mut pap.password, pap.password_file.take())?;
                    secret(&mut pap.receipts_token, pap.receipts_token_file.take())?;
                }
            }
        }
        Ok(())
    }

    /// Reads `text`, which came from the file `name`, with those of `variables` that are settings laid over it.
    pub fn read(
        name: &str,
        text: &str,
        variables: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        let wrong = |problem| ConfigError::Wrong { problems: vec![problem] };
        let mut tree = DeTable::parse(text)
            .map_err(|error| wrong(Places::default().problem(name, text, &error)))?;
        let mut overlay = Overlay { text_end: text.len(), variables: Vec::new() };
        for (variable, value) in variables {
            overlay.lay(&mut tree, variable, value).map_err(wrong)?;
        }
        let places = Places::of(&tree, &overlay);
        let mut config = Self::deserialize(tree.into_deserializer())
            .map_err(|error| wrong(places.problem(name, text, &error)))?;
        config.fill_in();
        let problems = config
            .check()
            .into_iter()
            .map(|finding| places.finding(name, text, finding))
            .collect::<Vec<_>>();
        if problems.is_empty() { Ok(config) } else { Err(ConfigError::Wrong { problems }) }
    }
}

impl Redis {
    /// Takes secrets from the files that are named for them.
    fn read_files(&mut self) -> Result<(), ConfigError> {
        if let Some(file) = self.urls_file.take() {
            let text = text_of(&file)?;
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            self.urls = lines.map(|line| Secret::from(line.to_owned())).collect();
            if self.urls.is_empty() {
                return Err(empty(&file, "write the addresses into it, each on a line of its own"));
            }
        }
        if let Some(sentinel) = &mut self.sentinel {
            secret(&mut sentinel.password, sentinel.password_file.take())?;
        }
        Ok(())
    }
}

/// Takes a secret from the file that it has to itself, where one is named.
fn secret(into: &mut Option<Secret>, file: Option<PathBuf>) -> Result<(), ConfigError> {
    let Some(file) = file else { return Ok(()) };
    let text = text_of(&file)?;
    let secret = text.trim();
    if secret.is_empty() {
        return Err(empty(&file, "write the secret into it, and nothing else"));
    }
    if secret.contains(char::is_control) {
        return Err(of_file(&file, "holds more than one line", "leave the secret alone in it"));
    }
    *into = Some(Secret::from(secret.to_owned()));
    Ok(())
}

fn empty(file: &Path, help: &str) -> ConfigError {
    of_file(file, "is empty", help)
}

fn of_file(file: &Path, what: &str, help: &str) -> ConfigError {
    let (place, key) = (file.display().to_string(), String::new());
    let problem = Problem { place, key, what: what.to_owned(), help: help.to_owned() };
    ConfigError::Wrong { problems: vec![problem] }
}

fn text_of(file: &Path) -> Result<String, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { file: file.to_owned(), source };
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(LARGEST_FILE + 1).read_to_string(&mut text))
        .map_err(unreadable)?;
    if text.len() as u64 > LARGEST_FILE {
        return Err(ConfigError::TooLarge { file: file.to_owned() });
    }
    Ok(text)
}

/// What is wrong with a setting that has the right form.
pub(super) struct Finding {
    pub(super) key: String,
    pub(super) what: String,
    pub(super) help: String,
}

impl Finding {
    /// Nothing was wrong before the files of secrets were read, so it is in one of those.
    fn in_a_file(self) -> Problem {
        let what = format!("what its file holds {}", self.what);
        Problem { place: String::new(), key: self.key, what, help: self.help }
    }
}

/// The variables laid over the file. Each gets a span of its own behind the end of the text, so that one index of
/// places serves both.
struct Overlay {
    text_end: usize,
    variables: Vec<String>,
}

impl Overlay {
    fn lay<'t>(
        &mut self,
        tree: &mut Spanned<DeTable<'t>>,
        variable: &str,
        value: &'t str,
    ) -> Result<(), Problem> {
        let Some(path) = variable.strip_prefix(PREFIX).filter(|path| path.contains(SEPARATOR))
        else {
            return Ok(());
        };
        let path = path.to_lowercase();
        self.variables.push(variable.to_owned());
        let at = self.text_end + self.variables.len();
        let segments = path.split(SEPARATOR).collect::<Vec<_>>();
        let Some((leaf, parents)) = segments.split_last() else { return Ok(()) };
        let astray = |segment: &str| Problem {
            place: variable.to_owned(),
            key: path.replace(SEPARATOR, "."),
            what: format!("`{segment}` is not a table that a variable can reach into"),
            help: "name a table, or the number of an entry that the file has, counted from 0"
                .into(),
        };
        let mut table = tree.get_mut();
        let mut parents = parents.iter().peekable();
        while let Some(segment) = parents.next() {
            let value = entry(table, segment, at);
            let value =
                match (value.get_mut(), parents.peek().and_then(|next| next.parse::<usize>().ok()))
                {
                    (DeValue::Array(entries), Some(number)) => {
                        let segment = parents.next().copied().unwrap_or_default();
                        entries.get_mut(number).ok_or_else(|| astray(segment))?.get_mut()
                    }
                    (value, _) => value,
                };
            table = match value {
                DeValue::Table(table) => table,
                _ => return Err(astray(segment)),
            };
        }
        let new = match DeValue::parse(value) {
            Ok(parsed) => placed(parsed.into_inner(), at),
            // Bare text, as a person writes it in a shell.
            Err(_) => Spanned::new(at..at, DeValue::String(Cow::Borrowed(value))),
        };
        // Keys compare without their spans: the old one leaves with the old place.
        let key = Spanned::new(at..at, Cow::Owned((*leaf).to_owned()));
        table.remove(&key);
        table.insert(key, new);
        Ok(())
    }
}

/// The value under `key`, made an empty table when there is none.
fn entry<'a, 't>(table: &'a mut DeTable<'t>, key: &str, at: usize) -> &'a mut Spanned<DeValue<'t>> {
    let key = Spanned::new(at..at, Cow::Owned(key.to_owned()));
    table.entry(key).or_insert_with(|| Spanned::new(at..at, DeValue::Table(DeTable::new())))
}

/// `value` with every span moved to `at`.
fn placed(value: DeValue<'_>, at: usize) -> Spanned<DeValue<'_>> {
    let value = match value {
        DeValue::Array(entries) => DeValue::Array(
            entries.into_iter().map(|entry| placed(entry.into_inner(), at)).collect(),
        ),
        DeValue::Table(table) => DeValue::Table(
            table
                .into_iter()
                .map(|(key, value)| {
                    (Spanned::new(at..at, key.into_inner()), placed(value.into_inner(), at))
                })
                .collect(),
        ),
        plain => plain,
    };
    Spanned::new(at..at, value)
}

/// Where each key stands.
#[derive(Default)]
struct Places {
    /// Path, span of the key, span of the value; parents before their children.
    entries: Vec<(String, Range<usize>, Range<usize>)>,
    variables: Vec<String>,
}

impl Places {
    fn of(tree: &Spanned<DeTable<'_>>, overlay: &Overlay) -> Self {
        let mut places = Self { entries: Vec::new(), variables: overlay.variables.clone() };
        places.walk_table("", tree.get_ref());
        places
    }

    fn walk_table(&mut self, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = if path.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{path}.{}", key.get_ref())
            };
            self.entries.push((path.clone(), key.span(), value.span()));
            self.walk(&path, value);
        }
    }

    fn walk(&mut self, path: &str, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => self.walk_table(path, table),
            DeValue::Array(entries) => {
                for (number, entry) in entries.iter().enumerate() {
                    let path = format!("{path}[{number}]");
                    self.entries.push((path.clone(), entry.span(), entry.span()));
                    self.walk(&path, entry);
                }
            }
            _ => {}
        }
    }

    /// What the parser, or the shape of a setting, did not like.
    fn problem(&self, file: &str, text: &str, error: &toml::de::Error) -> Problem {
        let span = error.span();
        let what = error
            .message()
            .trim_end()
            .replace("unknown field", "unknown key")
            .replace("missing field", "this key is missing:");
        let unknown = what.strip_prefix("unknown key `").and_then(|rest| rest.split('`').next());
        let about = span.as_ref().and_then(|span| {
            let mut matching =
                self.entries.iter().filter(|(_, key, value)| key == span || value == span);
            let deepest = matching.next_back()?;
            // The span may be the table around the key that is not known.
            let inner = unknown.map(|name| format!("{}.{name}", deepest.0));
            Some(
                inner
                    .and_then(|inner| self.entries.iter().find(|(path, ..)| *path == inner))
                    .unwrap_or(deepest),
            )
        });
        let start = about.map(|(_, key, _)| key.start).or_else(|| span.map(|span| span.start));
        Problem {
            place: start.map_or_else(|| file.to_owned(), |start| self.place(file, text, start)),
            key: about.map(|(path, ..)| path.clone()).unwrap_or_default(),
            what,
            help: "deploy/reveille.toml explains every key".into(),
        }
    }

    fn finding(&self, file: &str, text: &str, finding: Finding) -> Problem {
        let Finding { key, what, help } = finding;
        // A key that stands nowhere has its default; its nearest parent that stands somewhere is the place.
        let start = std::iter::successors(Some(key.as_str()), |path| {
            path.rfind(['.', '[']).and_then(|end| path.get(..end))
        })
        .find_map(|path| self.entries.iter().find(|(known, ..)| known == path))
        .map(|(_, key, _)| key.start);
        let place = start.map_or_else(|| file.to_owned(), |start| self.place(file, text, start));
        Problem { place, key, what, help }
    }

    fn place(&self, file: &str, text: &str, start: usize) -> String {
        if let Some(variable) =
            start.checked_sub(text.len() + 1).and_then(|number| self.variables.get(number))
        {
            return variable.clone();
        }
        let line = text.bytes().take(start).filter(|&octet| octet == b'\n').count() + 1;
        if file.is_empty() { format!("line {line}") } else { format!("{file}:{line}") }
    }
}
