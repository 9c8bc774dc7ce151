//! The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): who is behind a proxy, told before all else. It makes no flows:
//! what follows does.
//!
//! ```text
//!  1: PROXY TCP4 10.0.0.9 10.0.0.1 50312 80\r\n            2: 0d0a0d0a000d0a515549540a  21  11  length  addresses, TLVs
//! ```

use super::cursor::Cursor;
use super::detect::Detect;
use super::{Analyzer, Cx, Gap, Input, Probe, Protocol, Resync, Step, Verdict};
use crate::model::{Dir, End, Issue, Transport};

#[cfg(test)]
mod tests;

/// The PROXY protocol.
pub static PROTOCOL: Protocol = Protocol {
    name: "proxy",
    transport: Transport::Stream,
    ports: &[],
    upgrades: &[],
    begins: false,
    probe,
    // it comes first or not at all
    scan: |data, _| Resync::Skip(data.len()),
    start: |_, _| Box::new(Proxy),
    #[cfg(test)]
    samples: tests::samples,
};

const BROKEN: Issue = Issue::broken("broken PROXY header");
const TEXT: &[u8] = b"PROXY ";
/// The longest line of version 1, its end included (§2.1).
const LONGEST: usize = 107;
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The version in the upper half of the byte behind the signature (§2.2).
const VERSION: u8 = 0x20;

fn probe(probe: &Probe<'_>) -> Verdict {
    if !probe.opening || probe.dir != Dir::ToServer {
        return Verdict::No;
    }
    let begins = |with: &[u8]| probe.data.iter().zip(with).all(|(a, b)| a == b);
    match probe.data.len() {
        n if begins(SIGNATURE) => {
            if n >= SIGNATURE.len() {
                Verdict::Yes
            } else {
                Verdict::More
            }
        }
        n if begins(TEXT) => {
            if n >= TEXT.len() {
                Verdict::Yes
            } else {
                Verdict::More
            }
        }
        _ => Verdict::No,
    }
}

/// It holds nothing: it is over with its first message.
#[derive(Debug)]
struct Proxy;

impl Analyzer for Proxy {
    fn feed(&mut self, _: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        // who is spoken to says nothing in it
        if input.dir == Dir::ToClient {
            return Step::Wait;
        }
        match header(input.data) {
            Ok(Some(took)) => Step::Become { took, to: Detect::boxed(), layer: Some("proxy"), reversed: false },
            Ok(None) => Step::Need(input.data.len() + 1),
            Err(issue) => Step::Lost(issue),
        }
    }

    fn gap(&mut self, _: &mut Cx<'_, '_>, _: Input<'_>, _: u64) -> Gap {
        Gap::Lost
    }

    fn resync(&mut self, _: Dir, data: &[u8]) -> Resync {
        Resync::Skip(data.len())
    }

    fn end(&mut self, _: &mut Cx<'_, '_>, _: Input<'_>, _: End) {}
}

/// How long a header is; none where more of it is to come.
fn header(data: &[u8]) -> Result<Option<usize>, Issue> {
    let mut c = Cursor::new(data);
    if data.starts_with(TEXT) {
        return match c.line() {
            Some(_) if c.position() <= LONGEST => Ok(Some(c.position())),
            None if data.len() < LONGEST => Ok(None),
            _ => Err(BROKEN),
        };
    }
    let mut length = || {
        let signature = c.take(SIGNATURE.len())?;
        let (version, _family, length) = (c.u8()?, c.u8()?, c.u16()?);
        Some((signature == SIGNATURE && version & 0xf0 == VERSION, length))
    };
    match length() {
        Some((false, _)) => Err(BROKEN),
        Some((true, length)) => Ok(c.take(usize::from(length)).map(|_| c.position())),
        None => Ok(None),
    }
}
