//! What of this machine can be looked into, and which of its servers have a name: for `doctor`, not for a watch.

use super::containers::Listed;
use super::{linux, name};
use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How many processes can be looked into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// Those whose sockets can be seen.
    pub open: usize,
    /// Those of others, whose sockets cannot.
    pub closed: usize,
}

/// A socket that takes TCP connections, in our network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whose it is.
    pub uid: u32,
    /// What a watch would call it; none where no process was seen that holds it.
    pub service: Option<String>,
    /// The container that its process is in, where no engine tells of it: 64 hexadecimal digits.
    pub container: Option<String>,
}

/// Tries every process.
pub fn sight() -> Sight {
    let mut sight = Sight::default();
    for pid in linux::all() {
        match fs::read_dir(format!("/proc/{pid}/fd")) {
            Ok(_) => sight.open += 1,
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => sight.closed += 1,
            // it has ended meanwhile
            Err(_) => {}
        }
    }
    sight
}

/// All servers, by address, and what they are called; of containers the engines told this.
pub fn servers(containers: &[Listed]) -> Vec<Server> {
    let seen = linux::all().filter_map(linux::sockets).flatten();
    let holders: HashMap<u32, u32> = seen.map(|seen| (seen.id, seen.pid.0)).collect();
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let mut servers: Vec<Server> = (tables.iter().flat_map(|table| table.lines()).filter_map(listener))
        .map(|(address, uid, inode)| {
            let info = holders.get(&inode).and_then(|pid| linux::read(*pid));
            let id = info.as_ref().and_then(|info| name::container_id(&info.cgroup));
            let known = id.and_then(|id| containers.iter().find(|c| c.id == id)).map(|c| &c.container);
            let service = info.as_ref().map(|info| name::of(info, known).0);
            Server { address, uid, service, container: id.filter(|_| known.is_none()).map(str::to_owned) }
        })
        .collect();
    servers.sort_by_key(|server| server.address);
    servers.dedup();
    servers
}

/// A line of proc_pid_net(5)'s `tcp` or `tcp6` that is of a listening socket: where it listens, whose it is, and its inode.
fn listener(line: &str) -> Option<(SocketAddr, u32, u32)> {
    const LISTEN: &str = "0A";
    let mut fields = line.split_ascii_whitespace();
    let (local, state) = (fields.nth(1)?, fields.nth(1)?);
    let (uid, inode) = (fields.nth(3)?.parse().ok()?, fields.nth(1)?.parse().ok()?);
    let (ip, port) = local.split_once(':')?;
    (state == LISTEN).then_some((SocketAddr::new(address(ip)?, u16::from_str_radix(port, 16).ok()?), uid, inode))
}

/// Words of four bytes each, as this machine has numbers.
fn address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let bytes: Vec<u8> = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
            Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn our_own_servers_have_our_name() {
        let listeners = ["127.0.0.1:0", "[::1]:0"].map(|at| TcpListener::bind(at).unwrap());
        let servers = servers(&[]);
        for listener in &listeners {
            let at = listener.local_addr().unwrap();
            let server = servers.iter().find(|server| server.address == at).unwrap_or_else(|| panic!("{at} in {servers:?}"));
            assert_eq!(server.uid, rustix::process::getuid().as_raw());
            assert!(server.service.is_some(), "{server:?}");
        }
    }

    #[test]
    fn a_connection_is_no_server() {
        let line = |state| {
            format!("0: 0100007F:1F90 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 1000 0 4711 1 0 100 0")
        };
        let port = listener(&line("0A")).map(|(at, uid, inode)| (at.port(), uid, inode));
        assert_eq!(
            (port, listener(&line("01")), listener("sl local_address rem_address st")),
            (Some((8080, 1000, 4711)), None, None)
        );
    }
}
