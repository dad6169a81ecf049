//! The least that can be on the other side of a bind: it reads where each PDU ends and what it asks, and answers that.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
};

/// What a header is long, in octets (SMPP 3.4 section 3.2).
const HEADER: usize = 16;
const RESPONSE: u32 = 0x8000_0000;
const SUBMIT_SM: u32 = 0x0000_0004;
const BIND_TRANSCEIVER: u32 = 0x0000_0009;

/// Listens, and answers on every connection for as long as the process lives.
pub(crate) fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A connection that breaks has been left.
            std::thread::spawn(move || drop(answer(stream)));
        }
    });
    Ok(address)
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut inbox, mut outbox) = (Vec::new(), Vec::new());
    let mut read = vec![0; 64 * 1024];
    loop {
        let count = stream.read(&mut read)?;
        if count == 0 {
            return Ok(());
        }
        inbox.extend_from_slice(read.get(..count).unwrap_or_default());
        let mut rest = inbox.as_slice();
        while let Some((pdu, after)) = first(rest) {
            respond(pdu, &mut outbox);
            rest = after;
        }
        inbox = rest.to_vec();
        stream.write_all(&outbox)?;
        outbox.clear();
    }
}

/// The first PDU that is whole, and what follows it.
fn first(octets: &[u8]) -> Option<(&[u8; HEADER], &[u8])> {
    let length = usize::try_from(u32::from_be_bytes(*octets.first_chunk()?)).ok()?;
    Some((octets.first_chunk()?, octets.get(length.max(HEADER)..)?))
}

fn respond(header: &[u8; HEADER], outbox: &mut Vec<u8>) {
    let (_, rest) = header.split_at(4);
    let (command, rest) = rest.split_at(4);
    let (_, sequence) = rest.split_at(4);
    let command = command.try_into().map_or(0, u32::from_be_bytes);
    let body: &[u8] = match command {
        // The id of the message, as long as those of a real one.
        SUBMIT_SM => b"1A2B3C4D\0",
        BIND_TRANSCEIVER => b"\0",
        _ => b"",
    };
    let length = u32::try_from(HEADER + body.len()).unwrap_or_default();
    outbox.extend(length.to_be_bytes());
    outbox.extend((command | RESPONSE).to_be_bytes());
    outbox.extend([0; 4]);
    outbox.extend(sequence);
    outbox.extend(body);
}
