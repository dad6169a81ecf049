//! The file with the keys: made once, readable by its owner alone, at most two keys in it.
//!
//! One line for each key, `number key`, the key as 64 hexadecimal digits. New things are sealed with the first; the
//! second still opens what it sealed. To rotate: put a new line with an unused number above the old one.

use super::vault::Key;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The largest key file that is read, in octets: room for two keys and what people write beside them.
const LARGEST: u64 = 4096;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("cannot read the key file {}", file.display())]
    Unreadable { file: PathBuf, source: io::Error },
    #[error("cannot make the key file {}", file.display())]
    NotMade { file: PathBuf, source: io::Error },
    #[error("the key file {} can be read by others (mode {mode:o}): take their rights away, `chmod 600 {}`", file.display(), file.display())]
    OpenToOthers { file: PathBuf, mode: u32 },
    #[error("the key file {}, line {line}: {what}", file.display())]
    Damaged { file: PathBuf, line: usize, what: &'static str },
    #[error("the key file {} holds no key", file.display())]
    Empty { file: PathBuf },
    /// What is stored was sealed with a key that is not there: a new one would open nothing.
    #[error("the key file {} is gone, but {} holds data sealed with it: bring the key file back, or start with an empty store", file.display(), store.display())]
    Gone { file: PathBuf, store: PathBuf },
}

/// The keys in `file`, the one that seals first.
pub(super) fn read(file: &Path) -> Result<Vec<(u8, Key)>, KeyFileError> {
    let unreadable = |source| KeyFileError::Unreadable { file: file.to_owned(), source };
    let opened = File::open(file).map_err(unreadable)?;
    // Of what was opened, not of the name: the name may point elsewhere by now.
    let mode = opened.metadata().map_err(unreadable)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::OpenToOthers { file: file.to_owned(), mode });
    }
    let mut text = String::new();
    opened.take(LARGEST).read_to_string(&mut text).map_err(unreadable)?;
    let keys = parse(&text).map_err(|Damage { line, what }| KeyFileError::Damaged {
        file: file.to_owned(),
        line,
        what,
    })?;
    if keys.is_empty() { Err(KeyFileError::Empty { file: file.to_owned() }) } else { Ok(keys) }
}

/// The line that is wrong, and how.
#[derive(Debug, PartialEq)]
struct Damage {
    line: usize,
    what: &'static str,
}

/// The keys of a text, in its order.
fn parse(text: &str) -> Result<Vec<(u8, Key)>, Damage> {
    let mut keys: Vec<(u8, Key)> = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let wrong = |what| Damage { line, what };
        let (number, digits) =
            text.split_once(' ').ok_or_else(|| wrong("is not a number and a key"))?;
        let number =
            number.parse().map_err(|_nan| wrong("does not begin with a number from 0 to 255"))?;
        let mut key = [0; 32];
        hex::decode_to_slice(digits.trim(), &mut key)
            .map_err(|_short| wrong("a key is 64 hexadecimal digits"))?;
        if keys.iter().any(|(other, _)| *other == number) {
            return Err(wrong("this number is used twice"));
        }
        if keys.len() == 2 {
            return Err(wrong("is a third key; two are enough for a rotation"));
        }
        keys.push((number, key));
    }
    Ok(keys)
}

/// Makes `file` with one new key, unless it is there already.
///
/// The text is written beside it and then linked into place: whoever looks sees no file or a whole one, and of two who
/// make it at the same time one wins and both go on with what that one wrote.
pub(super) fn make(file: &Path) -> Result<(), KeyFileError> {
    make_in(file).map_err(|source| KeyFileError::NotMade { file: file.to_owned(), source })
}

fn make_in(file: &Path) -> io::Result<()> {
    let directory = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut key: Key = [0; 32];
    aws_lc_rs::rand::fill(&mut key)
        .map_err(|_unspecified| io::Error::other("the system gives no random numbers"))?;
    let draft = directory.join(format!("{DRAFT}{}", hex::encode(rand::random::<[u8; 8]>())));
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = writeln!(opened, "{HEAD}1 {}", hex::encode(key)).and_then(|()| opened.sync_all());
    let linked = written.and_then(|()| fs::hard_link(&draft, file));
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => File::open(directory)?.sync_all(),
    }
}

/// What the name of a key file begins with while it is being written.
pub(super) const DRAFT: &str = ".vault-";

const HEAD: &str = "\
# The keys that this node seals secrets with. Whoever has this file and the store can read every secret;
# whoever loses it can read none. Keep a copy, apart from the store. The first key seals, all of them open.
";

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn key_file(directory: &tempfile::TempDir) -> PathBuf {
        directory.path().join("new").join("vault.key")
    }

    #[test]
    fn a_key_file_is_made_for_its_owner_alone_and_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let file = key_file(&directory);
        make(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        let keys = read(&file).unwrap();
        assert_eq!(keys.len(), 1);
        make(&file).unwrap();
        assert_eq!(read(&file).unwrap(), keys, "a second start changes nothing");
        let beside = fs::read_dir(file.parent().unwrap()).unwrap().count();
        assert_eq!(beside, 1, "the draft is gone");
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = key_file(&directory);
        make(&file).unwrap();
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let said = read(&file).unwrap_err().to_string();
            assert!(said.contains("can be read by others") && said.contains("chmod 600"), "{said}");
        }
    }

    #[test]
    fn a_damaged_key_file_is_named_with_its_line() {
        let key = "ab".repeat(32);
        for (text, line) in [
            (format!("1 {}", "ab".repeat(31)), 1),
            (format!("# old\nx {key}"), 2),
            (format!("1 {key}\n1 {key}"), 2),
            (format!("1 {key}\n2 {key}\n3 {key}"), 3),
            ("1".to_owned(), 1),
        ] {
            assert_eq!(parse(&text).unwrap_err().line, line, "{text}");
        }
        assert_eq!(parse("# nothing\n"), Ok(Vec::new()));
        assert_eq!(parse(&format!("7 {key}\n1 {key}")).unwrap().first().unwrap().0, 7);
    }
}
