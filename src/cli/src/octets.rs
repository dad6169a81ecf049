//! The octets in what people paste: raw, as hexadecimal digits in any of their usual shapes, or as a dump with offsets.

/// What an input holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) octets: Vec<u8>,
    /// Each line by itself, where the input is hexadecimal text of more than one: they may be packets of their own.
    pub(crate) lines: Vec<Vec<u8>>,
}

impl Found {
    fn raw(octets: Vec<u8>) -> Self {
        Self { octets, lines: Vec::new() }
    }
}

/// The octets that the input stands for; the input itself when it is no such text.
///
/// Digits in lines, with blanks, commas, colons or dashes between them, with `0x` or `\x` before them: as `xxd -p`, a
/// log or a program's source has them; and dumps with offsets, as `xxd`, `hexdump -C`, `tcpdump -x` and packet analysers
/// write them.
pub(crate) fn find(input: Vec<u8>) -> Found {
    let Ok(text) = std::str::from_utf8(&input) else { return Found::raw(input) };
    if let Some(octets) = dump(text) {
        return Found::raw(octets);
    }
    match digits(text) {
        Some(octets) => {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            let lines: Vec<_> = lines.map_while(digits).collect();
            let whole =
                lines.len() > 1 && lines.iter().map(Vec::len).sum::<usize>() == octets.len();
            Found { octets, lines: if whole { lines } else { Vec::new() } }
        }
        None => Found::raw(input),
    }
}

/// Why text is not hexadecimal, when it looks as if it should be: which character, or how many digits.
pub(crate) fn nearly(text: &str) -> Option<String> {
    let text = text.trim();
    let is_between = |c: char| c.is_whitespace() || SEPARATORS.contains(c);
    let count = |is: fn(char) -> bool| text.chars().filter(|c| is(*c)).count();
    let (digits, all) =
        (count(|c| c.is_ascii_hexdigit()), text.chars().filter(|c| !is_between(*c)).count());
    if digits < 8 || digits * 10 < all * 9 {
        return None;
    }
    let stray = text.char_indices().find(|(_, c)| !c.is_ascii_hexdigit() && !is_between(*c));
    Some(match stray {
        Some((at, c)) => format!("character {} is {c:?}, which is no hexadecimal digit", at + 1),
        None => format!("there are {digits} hexadecimal digits, and octets have two each"),
    })
}

/// What may stand between digits.
const SEPARATORS: &str = ",;:-_{}[]\"'";

fn digits(text: &str) -> Option<Vec<u8>> {
    let mut digits = String::with_capacity(text.len());
    let tokens = text.split(|c: char| c.is_whitespace() || SEPARATORS.contains(c));
    for token in tokens.filter(|token| !token.is_empty()) {
        let token = token.strip_prefix("0x").or_else(|| token.strip_prefix("0X")).unwrap_or(token);
        for piece in token.split("\\x") {
            if !piece.bytes().all(|c| c.is_ascii_hexdigit()) {
                return None;
            }
            digits.push_str(piece);
        }
    }
    hex::decode(digits).ok().filter(|octets| !octets.is_empty())
}

/// A dump: each line an offset that counts on from the line before, octets, and perhaps their characters. `od` counts in
/// octal digits, and with a single blank after them.
fn dump(text: &str) -> Option<Vec<u8>> {
    counted(text, offset)
        .or_else(|| counted(text, |line| od(line, 16)))
        .or_else(|| counted(text, |line| od(line, 8)))
}

fn counted(text: &str, offset: impl Fn(&str) -> Option<(usize, &str)>) -> Option<Vec<u8>> {
    let lines: Vec<(usize, &str)> =
        text.lines().filter(|line| !line.trim().is_empty()).map(offset).collect::<Option<_>>()?;
    let ends = lines.iter().skip(1).map(|(offset, _)| Some(*offset)).chain([None]);
    let mut octets = Vec::new();
    for ((offset, rest), end) in lines.iter().zip(ends) {
        if *offset != octets.len() {
            return None;
        }
        // How many octets stand on the line is known from the next; the last has no more than the first had.
        let wanted = match end {
            Some(end) => end.checked_sub(*offset)?,
            None => lines.get(1).map_or(16, |(second, _)| *second),
        };
        let before = octets.len();
        take(rest, wanted, &mut octets);
        if end.is_some() && octets.len() - before != wanted {
            return None;
        }
    }
    (!octets.is_empty()).then_some(octets)
}

/// The offset that begins a line of a dump, and what follows it.
fn offset(line: &str) -> Option<(usize, &str)> {
    let line = line.trim_start();
    let line = line.strip_prefix("0x").unwrap_or(line);
    let (digits, rest) = line.split_at(number(line));
    let rest = match rest.strip_prefix(':') {
        Some(rest) => rest,
        None if rest.is_empty() || rest.starts_with("  ") || rest.starts_with('\t') => rest,
        None => return None,
    };
    (4..=8).contains(&digits.len()).then_some(())?;
    Some((usize::from_str_radix(digits, 16).ok()?, rest))
}

/// The same of a line of `od`: six or seven digits. It ends with a line that has nothing but the length.
fn od(line: &str, radix: u32) -> Option<(usize, &str)> {
    let (digits, rest) = line.split_at(number(line));
    let whole = (6..=7).contains(&digits.len()) && (rest.is_empty() || rest.starts_with(' '));
    Some((usize::from_str_radix(whole.then_some(digits)?, radix).ok()?, rest))
}

/// How many hexadecimal digits a line begins with.
fn number(line: &str) -> usize {
    line.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(line.len())
}

/// Takes at most `wanted` octets off a line, up to the characters beside them.
fn take(line: &str, wanted: usize, octets: &mut Vec<u8>) {
    // Between the octets of a short line and their characters is a wide gap.
    let line = line.trim_start();
    let line = line.split("   ").next().unwrap_or(line);
    let enough = octets.len() + wanted;
    for group in line.split_whitespace() {
        match hex::decode(group) {
            Ok(group) if octets.len() + group.len() <= enough => octets.extend(group),
            _ => return,
        }
    }
}

/// The octets around a place, for an error: up to two lines of a dump, the place marked.
pub(crate) fn around(octets: &[u8], at: usize) -> String {
    const LINE: usize = 16;
    let at = at.min(octets.len());
    let row = at / LINE * LINE;
    let first = row.saturating_sub(LINE);
    let shown = octets.get(first..(row + LINE).min(octets.len())).unwrap_or_default();
    let lines = shown.chunks(LINE).zip((first..).step_by(LINE)).map(|(line, start)| {
        let digits: Vec<String> = line.iter().map(|octet| format!("{octet:02x}")).collect();
        let characters: String = line
            .iter()
            .map(|octet| if (b' '..=b'~').contains(octet) { char::from(*octet) } else { '.' })
            .collect();
        format!("\n  {start:06}  {:47}  {characters}", digits.join(" "))
    });
    let column = "  000000  ".len() + (at - row) * 3;
    let what = if at == octets.len() { "it ends here" } else { "here" };
    let mark = format!("\n{:column$}^^ {what} (octet {at})", "");
    lines.chain([mark]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(text: &str) -> Vec<u8> {
        find(text.into()).octets
    }

    #[test]
    fn hexadecimal_text_is_recognised_in_every_shape_people_paste() {
        for text in [
            "026a00\n",
            "02 6A 00",
            "02:6a:00",
            "02-6a-00",
            "0x026a00",
            "0x02, 0x6A, 0x00",
            "{0x02,0x6a,0x00}",
            "\"\\x02\\x6a\\x00\"",
            "026a\n00\n",
            "02 6\na00",
            "00000000: 026a 00                                  .j.\n",
            "00000000  02 6a 00                                          |.j.|\n00000003\n",
            "\t0x0000:  026a 00                                  .j.",
            "0000   02 6a 00   .j.",
            "0000000 02 6a 00\n0000003\n",
            "000000 02 6a 00\n000003\n",
        ] {
            assert_eq!(octets(text), [0x02, 0x6a, 0x00], "{text:?}");
        }
        for other in [&b"<SyncML/>"[..], b"026a0", b"", b"\x02\x6a\x00", b"cafe, please"] {
            assert_eq!(find(other.to_vec()), Found::raw(other.to_vec()));
        }
    }

    #[test]
    fn a_dump_of_several_lines_is_read_whatever_its_characters_are() {
        let xxd = "00000000: 3061 6263 6465 6620 3061 6263 6465 6620  0abcdef 0abcdef \n\
                   00000010: 6162 6364                                abcd\n";
        assert_eq!(octets(xxd), b"0abcdef 0abcdef abcd");
        let canonical = "00000000  30 61 62 63 64 65 66 20  30 61 62 63 64 65 66 20  |0abcdef 0abcdef |\n\
                         00000010  61 62 63 64                                       |abcd|\n00000014\n";
        assert_eq!(octets(canonical), b"0abcdef 0abcdef abcd");
        for radix in [
            "0000000 30 61 62 63 64 65 66 20 30 61 62 63 64 65 66 20\n0000020 61 62\n0000022\n",
            "000000 30 61 62 63 64 65 66 20 30 61 62 63 64 65 66 20\n000010 61 62\n000012\n",
        ] {
            assert_eq!(octets(radix), b"0abcdef 0abcdef ab", "{radix}");
        }
        // two short messages of eight digits each are no dump: their first octets do not count on
        assert_eq!(find(b"06050403\n01020304\n".to_vec()).lines.len(), 2);
    }

    #[test]
    fn lines_are_kept_apart_when_each_is_whole() {
        let found = find(b"0605\n\n0102 03\n".to_vec());
        assert_eq!(found.lines, [vec![6, 5], vec![1, 2, 3]]);
        assert_eq!(find(b"060\n5\n".to_vec()).lines, Vec::<Vec<u8>>::new());
    }

    #[test]
    fn text_that_should_be_hexadecimal_is_told_what_is_wrong_with_it() {
        assert_eq!(
            nearly("01 06 03 c4 af 8g 00").as_deref(),
            Some("character 17 is 'g', which is no hexadecimal digit")
        );
        assert_eq!(
            nearly("010603c4af8").as_deref(),
            Some("there are 11 hexadecimal digits, and octets have two each")
        );
        assert_eq!(nearly("a decade of bad coffee beans"), None);
    }

    #[test]
    fn the_place_of_an_error_is_shown() {
        let shown = around(b"0123456789abcdefghij", 18);
        assert!(shown.ends_with("\n                ^^ here (octet 18)"), "{shown}");
        assert!(shown.contains("000016  67 68 69 6a "), "{shown}");
        assert!(around(b"", 0).contains("it ends here (octet 0)"));
        assert!(around(b"abc", 99).contains("it ends here (octet 3)"));
    }
}
