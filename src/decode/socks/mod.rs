//! SOCKS 5 (RFC 1928, RFC 1929): the talk before a tunnel. It makes no flows: what the tunnel carries does.
//!
//! ```text
//!  client   05 n methods          [01 user password]        05 command 00 address port    ─┐ what they say through it
//!  server              05 method                  01 status                 05 reply 00 … ─┘
//! ```

use super::cursor::Cursor;
use super::detect::Detect;
use super::{Analyzer, Cx, Gap, Input, Probe, Protocol, Resync, Step, Verdict};
use crate::model::{Dir, End, Issue, Transport};

#[cfg(test)]
mod tests;

/// SOCKS 5.
pub static PROTOCOL: Protocol = Protocol {
    name: "socks",
    transport: Transport::Stream,
    ports: &[1080],
    upgrades: &[],
    begins: false,
    probe,
    // a tunnel that is open already shows nothing of this any more
    scan: |data, _| Resync::Skip(data.len()),
    start: |_, _| Box::new(Socks { client: Client::Methods, server: Server::Method, asked: false }),
    #[cfg(test)]
    samples: tests::samples,
};

const BROKEN: Issue = Issue::broken("broken SOCKS negotiation");
const VERSION: u8 = 5;
const CONNECT: u8 = 1;
const USER_AND_PASSWORD: u8 = 2;

fn probe(probe: &Probe<'_>) -> Verdict {
    match (probe.dir, probe.data) {
        (Dir::ToServer, [VERSION]) if probe.opening => Verdict::More,
        (Dir::ToServer, [VERSION, n @ 1..=16, rest @ ..]) if probe.opening => {
            // assigned methods end at 9; those for private use begin at 0x80 (RFC 1928 §3)
            let known = |m: &&u8| matches!(m, 0..=9 | 0x80..=0xfe);
            match rest.iter().take(usize::from(*n)).take_while(known).count() {
                all if all == usize::from(*n) => Verdict::Yes,
                some if some == rest.len() => Verdict::More,
                _ => Verdict::No,
            }
        }
        _ => Verdict::No,
    }
}

#[derive(Debug)]
struct Socks {
    client: Client,
    server: Server,
    /// Whether the client asked for a connection.
    asked: bool,
}

/// What is awaited of the client.
#[derive(Clone, Copy, Debug)]
enum Client {
    Methods,
    /// What follows depends on the server's choice.
    Choice,
    Password,
    Request,
    /// Everything from here on is the tunnel's, if it is granted.
    Tunnel,
}

/// What is awaited of the server.
#[derive(Clone, Copy, Debug)]
enum Server {
    Method,
    Status,
    Reply,
}

impl Socks {
    fn client(&mut self, data: &[u8]) -> Option<Step> {
        let mut c = Cursor::new(data);
        match self.client {
            Client::Choice | Client::Tunnel => return Some(Step::Wait),
            Client::Methods => {
                let n = *c.take(2)?.last()?;
                c.take(usize::from(n))?;
                self.client = Client::Choice;
            }
            Client::Password => {
                let user = *c.take(2)?.last()?;
                let password = *c.take(usize::from(user) + 1)?.last()?;
                c.take(usize::from(password))?;
                self.client = Client::Request;
            }
            Client::Request => {
                let &[version, command, _] = c.take(3)?.first_chunk()?;
                if !address(&mut c)? || version != VERSION {
                    return Some(Step::Lost(BROKEN));
                }
                self.asked = command == CONNECT;
                self.client = Client::Tunnel;
            }
        }
        Some(Step::Took(c.position()))
    }

    fn server(&mut self, data: &[u8]) -> Option<Step> {
        let mut c = Cursor::new(data);
        match self.server {
            Server::Method => {
                let &[version, method] = c.take(2)?.first_chunk()?;
                (self.client, self.server) = match (version, method) {
                    (VERSION, 0) => (Client::Request, Server::Reply),
                    (VERSION, USER_AND_PASSWORD) => (Client::Password, Server::Status),
                    // refused, or a method that we do not read
                    _ => return Some(Step::Opaque),
                };
            }
            Server::Status => {
                c.take(2)?;
                self.server = Server::Reply;
            }
            Server::Reply => {
                let &[version, reply, _] = c.take(3)?.first_chunk()?;
                if !address(&mut c)? || version != VERSION || reply != 0 || !self.asked {
                    return Some(Step::Opaque);
                }
                return Some(Step::Become { took: c.position(), to: Detect::boxed(), layer: Some("proxy"), reversed: false });
            }
        }
        Some(Step::Took(c.position()))
    }
}

/// Passes over an address and a port (RFC 1928 §5); whether it is one of a known kind.
fn address(c: &mut Cursor<'_>) -> Option<bool> {
    let length = match c.take(1)?.first()? {
        1 => 4,
        3 => usize::from(*c.take(1)?.first()?),
        4 => 16,
        _ => return Some(false),
    };
    c.take(length + 2).map(|_| true)
}

impl Analyzer for Socks {
    fn feed(&mut self, _: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        let step = match input.dir {
            Dir::ToServer => self.client(input.data),
            Dir::ToClient => self.server(input.data),
        };
        step.unwrap_or(Step::Need(input.data.len() + 1))
    }

    /// What was said of the tunnel is lost: what it carries may still be found.
    fn gap(&mut self, _: &mut Cx<'_, '_>, _: Input<'_>, _: u64) -> Gap {
        Gap::Lost
    }

    fn resync(&mut self, _: Dir, data: &[u8]) -> Resync {
        Resync::Skip(data.len())
    }

    fn end(&mut self, _: &mut Cx<'_, '_>, _: Input<'_>, _: End) {}
}
