//! The other side of a bench, in a process of its own: so is its processor time.

use anyhow::Context as _;
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

/// What the program is called with to be the other side.
const ARGUMENT: &str = "--peer";

/// The other side at work. It ends with the bench, however that ends.
pub(crate) struct Peer {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Peer {
    /// Starts this program anew, as its own other side of that name.
    pub(crate) fn start(name: &str) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([ARGUMENT, name]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut address = String::new();
        let told = child.stdout.take().context("the other side cannot be heard")?;
        BufReader::new(told).read_line(&mut address)?;
        let address = address.trim().parse().context("the other side did not start")?;
        Ok(Self { child, address })
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It is gone anyway when this process is: its standard input ends.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Which other side this process is to be, if any.
pub(crate) fn wanted() -> Option<String> {
    std::env::args().skip_while(|argument| argument != ARGUMENT).nth(1)
}

/// Tells where this other side listens, and goes on until the bench is gone.
pub(crate) fn serve(address: SocketAddr) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{address}")?;
    out.flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
