//! Where the demo's services are in this run, and where they were in the recording. Not their names: those are in the recording.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// Client sockets that are remembered where clients share one address: many laps of the recording, so that a reader who lags
/// behind still finds them.
const CLIENTS: usize = 1024;

/// Which addresses the services get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Each its recorded one: all of 127.0.0.0/8 is local.
    Own,
    /// All 127.0.0.1: the only loopback address there is without set-up (macOS).
    Shared,
}

impl Placement {
    /// What the loopback interface of this system allows.
    pub const fn of_this_system() -> Self {
        if cfg!(target_os = "linux") { Self::Own } else { Self::Shared }
    }

    /// The address on which a recorded one is played.
    pub fn place(self, recorded: IpAddr) -> IpAddr {
        match self {
            Self::Own if recorded.is_loopback() => recorded,
            Self::Own | Self::Shared => Ipv4Addr::LOCALHOST.into(),
        }
    }
}

/// The listeners on free ports, and the clients that came to them.
pub struct Addresses {
    /// How the recorded addresses are placed.
    pub placement: Placement,
    listeners: Vec<Listener>,
    /// Real socket and recorded address, newest last.
    clients: Mutex<VecDeque<(SocketAddr, IpAddr)>>,
}

struct Listener {
    real: SocketAddr,
    recorded: SocketAddr,
    socket: TcpListener,
}

impl Addresses {
    pub(super) fn open(servers: Vec<SocketAddr>, placement: Placement) -> io::Result<Self> {
        let open = |recorded: SocketAddr| {
            let socket = TcpListener::bind((placement.place(recorded.ip()), 0))?;
            Ok(Listener { real: socket.local_addr()?, recorded, socket })
        };
        let listeners = servers.into_iter().map(open).collect::<io::Result<_>>()?;
        Ok(Self { placement, listeners, clients: Mutex::default() })
    }

    /// Each listener: its real address, and the recorded one.
    pub fn servers(&self) -> impl Iterator<Item = (SocketAddr, SocketAddr)> {
        self.listeners.iter().map(|l| (l.real, l.recorded))
    }

    /// The recorded address for one on the wire: a server's with its port, a client's with the port of now. Any other stays.
    pub fn recorded(&self, real: SocketAddr) -> SocketAddr {
        if let Some(listener) = self.listeners.iter().find(|l| l.real == real) {
            return listener.recorded;
        }
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let ip = clients.iter().rev().find(|(socket, _)| *socket == real).map_or(real.ip(), |&(_, ip)| ip);
        SocketAddr::new(ip, real.port())
    }

    /// The listener that plays a recorded server.
    pub(super) fn listener(&self, recorded: SocketAddr) -> io::Result<(&TcpListener, SocketAddr)> {
        let found = self.listeners.iter().find(|l| l.recorded == recorded).map(|l| (&l.socket, l.real));
        found.ok_or_else(|| io::Error::other("a server of the recording has no listener"))
    }

    /// Remembers a client before it connects, where its address does not tell who it is.
    pub(super) fn client(&self, real: SocketAddr, recorded: IpAddr) {
        if real.ip() != recorded {
            let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
            if clients.len() == CLIENTS {
                clients.pop_front();
            }
            clients.push_back((real, recorded));
        }
    }
}
