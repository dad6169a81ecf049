//! HTTP/1.1 as a gateway reads it: requests with a length, one after the other.

use std::io;
use tokio::{io::AsyncReadExt as _, net::TcpStream};

const MOST_HEAD: usize = 16 * 1024;
const MOST_BODY: usize = 256 * 1024;
const MOST_HEADERS: usize = 64;

/// A request, whole.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// All of it, as it came.
    pub(super) octets: Vec<u8>,
}

/// What came of reading.
#[derive(Debug)]
pub(super) enum Read {
    Whole(Request),
    /// Between two requests.
    Closed,
    Unreadable(&'static str),
}

/// What is answered: a status, and a document if there is one.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    document: String,
}

impl Request {
    /// The value of a header, its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Answer {
    pub(super) fn bare(status: u16) -> Self {
        Self { status, document: String::new() }
    }

    pub(super) fn document(status: u16, document: String) -> Self {
        Self { status, document }
    }

    pub(super) fn octets(&self) -> Vec<u8> {
        let Self { status, document } = self;
        format!(
            "HTTP/1.1 {status} \r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\r\n{document}",
            document.len()
        )
        .into_bytes()
    }
}

/// Reads the next request. What came beyond it stays in `buffer`.
pub(super) async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Read> {
    let head = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if buffer.len() > MOST_HEAD {
            return Ok(Read::Unreadable("The head of the request has no end."));
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(Read::Closed);
        }
    };
    let mut request = match self::head(buffer.get(..head).unwrap_or_default()) {
        Ok(request) => request,
        Err(why) => return Ok(Read::Unreadable(why)),
    };
    let length = match request.header("content-length").map(str::parse::<usize>) {
        Some(Ok(length)) if length <= MOST_BODY => length,
        Some(_) => return Ok(Read::Unreadable("The request is too long.")),
        None => return Ok(Read::Unreadable("The request does not say how long it is.")),
    };
    while buffer.len() < head + length {
        if stream.read_buf(buffer).await? == 0 {
            return Ok(Read::Unreadable("The request ends in the middle."));
        }
    }
    let rest = buffer.split_off(head + length);
    request.octets = std::mem::replace(buffer, rest);
    request.body = request.octets.get(head..).unwrap_or_default().to_vec();
    Ok(Read::Whole(request))
}

fn head(octets: &[u8]) -> Result<Request, &'static str> {
    let head = std::str::from_utf8(octets).map_err(|_no_text| "The head is no text.")?;
    let mut lines = head.split("\r\n").filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let mut words = first.split(' ');
    let (method, _path, version) = (words.next(), words.next(), words.next());
    if version != Some("HTTP/1.1") {
        return Err("The request is not of HTTP/1.1.");
    }
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or("A header has no colon.")?;
        if headers.len() == MOST_HEADERS {
            return Err("The request has too many headers.");
        }
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(Request { method: method.unwrap_or_default().to_owned(), headers, ..Request::default() })
}
