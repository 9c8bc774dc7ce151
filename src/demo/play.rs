//! One lap over real sockets. Both ends of each connection are ours, so one thread does it: what one end has sent, the other end reads
//! before the next step, which is why no answer goes out before its question has arrived.

use super::addresses::Addresses;
use super::ids::Streams;
use super::script::{Act, Connection, Script};
use crate::model::Dir;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use rustix::net::{AddressFamily, SocketType, bind, connect, getsockname, socket};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Bytes that are sent before they are read on the other end: less than any system's socket buffers hold.
const PIECE: usize = 16 * 1024;
/// Loopback answers at once; what does not is broken, and an error ends the player instead of a hang.
const PATIENCE: Duration = Duration::from_secs(10);

/// Plays one lap, with the recorded pacing until `stopped` is closed, or without it all at once. Hands on what arrived: connection,
/// direction, bytes. False if it was stopped before the end.
pub(super) fn lap(
    script: &Script,
    streams: &Streams,
    addresses: &Addresses,
    stopped: Option<&Receiver<()>>,
    arrived: &mut dyn FnMut(usize, Dir, &[u8]),
) -> io::Result<bool> {
    let start = Instant::now();
    let mut open: Vec<Option<Pair>> = script.connections.iter().map(|_| None).collect();
    let mut buffer = vec![0; PIECE];
    for step in &script.steps {
        if let Some(stopped) = stopped {
            let due = Duration::from_nanos(step.at.nanos());
            if stopped_within(stopped, due.saturating_sub(start.elapsed())) {
                return Ok(false);
            }
        }
        let slot = &mut open[step.connection];
        match (&step.act, &mut *slot) {
            (Act::Open, _) => *slot = Some(Pair::open(&script.connections[step.connection], addresses)?),
            (Act::Send(dir, range), Some(pair)) => {
                for piece in streams[step.connection][dir.index()][range.clone()].chunks(PIECE) {
                    pair.end(dir.other()).write_all(piece)?;
                    let got = &mut buffer[..piece.len()];
                    pair.end(*dir).read_exact(got)?;
                    arrived(step.connection, *dir, got);
                }
            }
            (Act::Finish(dir), Some(pair)) => pair.end(dir.other()).shutdown(Shutdown::Write)?,
            (Act::Reset, _) => *slot = None,
            (_, None) => {}
        }
    }
    Ok(true)
}

/// Waits, and says whether it is time to stop.
pub(super) fn stopped_within(stopped: &Receiver<()>, wait: Duration) -> bool {
    !matches!(stopped.recv_timeout(wait), Err(RecvTimeoutError::Timeout))
}

/// Both ends of a connection.
struct Pair {
    client: TcpStream,
    server: TcpStream,
}

impl Pair {
    fn open(connection: &Connection, addresses: &Addresses) -> io::Result<Self> {
        let (listener, to) = addresses.listener(connection.server)?;
        let from = SocketAddr::new(addresses.placement.place(connection.client.ip()), 0);
        let family = if from.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let client = socket(family, SocketType::STREAM, None)?;
        bind(&client, &from)?;
        let here = SocketAddr::try_from(getsockname(&client)?)?;
        addresses.client(here, connection.client.ip());
        connect(&client, &to)?;
        let client = TcpStream::from(client);
        // A stranger may have found the port: it is let go.
        let server = loop {
            let (server, peer) = listener.accept()?;
            if peer == here {
                break server;
            }
        };
        for end in [&client, &server] {
            end.set_nodelay(true)?;
            end.set_read_timeout(Some(PATIENCE))?;
            end.set_write_timeout(Some(PATIENCE))?;
        }
        Ok(Self { client, server })
    }

    /// The end to which a direction leads.
    fn end(&mut self, towards: Dir) -> &mut TcpStream {
        match towards {
            Dir::ToServer => &mut self.server,
            Dir::ToClient => &mut self.client,
        }
    }
}
