//! What Docker and Podman know of their containers, asked over their sockets by the Docker Engine API
//! (<https://docs.docker.com/reference/api/engine/>, `GET /containers/json`), which Podman answers too. On a thread of its own, without
//! rights: an engine that hangs delays nothing but names. Its socket is opened as the user who watches: under sudo(8) that is the one who
//! called it, who may need to be in the group that owns the socket.

use super::name::Container;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, after, bounded};
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an engine may be silent while it is asked or answers.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two questions, however many wish one.
const REST: Duration = Duration::from_secs(1);
/// How long a list is taken for the truth, where nobody missed anything.
const FRESH: Duration = Duration::from_secs(30);
/// The longest answer: some thousand containers.
const LONGEST: u64 = 16 << 20;

/// A container as an engine lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// 64 hexadecimal digits.
    pub id: String,
    /// What it is called, and where it is.
    pub container: Container,
}

/// The way to the thread that asks.
#[derive(Debug)]
pub struct Engines {
    /// Whenever the engines have been asked: all that they listed.
    pub lists: Receiver<Vec<Listed>>,
    wishes: Sender<()>,
}

impl Engines {
    /// Starts the thread. The engines are asked at once, and again when somebody misses a container, or after a while.
    pub fn start(sockets: Vec<PathBuf>) -> io::Result<Self> {
        let (wishes, wished) = bounded(1);
        let (listed, lists) = bounded(4);
        let work = move || {
            if crate::privileges::drop_the_rest().is_ok() {
                serve(&sockets, &wished, &listed);
            }
        };
        std::thread::Builder::new().name("containers".into()).spawn(work)?;
        Ok(Self { lists, wishes })
    }

    /// Somebody misses a container: the engines are asked again soon.
    pub fn ask_again(&self) {
        match self.wishes.try_send(()) {
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }
}

fn serve(sockets: &[PathBuf], wished: &Receiver<()>, listed: &Sender<Vec<Listed>>) {
    let mut told = vec![Vec::new(); sockets.len()];
    loop {
        for (told, socket) in told.iter_mut().zip(sockets) {
            // one that does not answer now has what it said last
            *told = list(socket).unwrap_or_else(|_| std::mem::take(told));
        }
        // whoever takes them is gone, or so far behind that a later list will do
        if let Err(TrySendError::Disconnected(_)) = listed.try_send(told.concat()) {
            return;
        }
        _ = after(REST).recv();
        if let Err(RecvTimeoutError::Disconnected) = wished.recv_timeout(FRESH) {
            return;
        }
    }
}

/// Where engines listen for this user: `$DOCKER_HOST`, then the usual places.
pub fn usual_sockets() -> Vec<PathBuf> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let all =
        sockets(std::env::var("DOCKER_HOST").ok().as_deref(), set("XDG_RUNTIME_DIR"), crate::privileges::own_uid(), set("HOME"));
    // /var/run is /run nearly everywhere
    let mut seen = Vec::new();
    let new = |path: &PathBuf| {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        let new = !seen.contains(&real);
        seen.push(real);
        new
    };
    all.into_iter().filter(new).collect()
}

/// The places, the likeliest first. sudo(8) hides the variables of its user, whose folder is that of the number then.
fn sockets(docker_host: Option<&str>, runtime: Option<PathBuf>, uid: u32, home: Option<PathBuf>) -> Vec<PathBuf> {
    let told = docker_host.and_then(|host| host.strip_prefix("unix://")).map(PathBuf::from);
    let usual = ["/var/run/docker.sock", "/run/podman/podman.sock"].map(PathBuf::from);
    // engines that run without root
    let own = [runtime, cfg!(target_os = "linux").then(|| PathBuf::from(format!("/run/user/{uid}")))];
    let own = own.into_iter().flatten().flat_map(|folder| ["podman/podman.sock", "docker.sock"].map(|name| folder.join(name)));
    // Docker Desktop, where it was not allowed to put one into /var/run
    let desktop = [".docker/run/docker.sock", ".docker/desktop/docker.sock"];
    let desktop = home.into_iter().flat_map(|folder| desktop.map(|name| folder.join(name)));
    told.into_iter().chain(usual).chain(own).chain(desktop).collect()
}

/// All running containers of one engine. An error says what the system, or the engine, said.
pub fn list(socket: &Path) -> io::Result<Vec<Listed>> {
    let mut to = UnixStream::connect(socket)?;
    to.set_read_timeout(Some(PATIENCE))?;
    to.set_write_timeout(Some(PATIENCE))?;
    to.write_all(b"GET /containers/json HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nConnection: close\r\n\r\n")?;
    let bytes = answer(&mut BufReader::new(to.take(LONGEST)))?;
    let list: Vec<Value> = serde_json::from_slice(&bytes).map_err(io::Error::other)?;
    Ok(list.iter().filter_map(container).collect())
}

/// The body of an HTTP/1 answer that went well.
fn answer(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = String::new();
    let mut next = |from: &mut dyn BufRead| {
        line.clear();
        from.read_line(&mut line).map(|_| line.trim_end().to_owned())
    };
    let status = next(from)?;
    if status.split(' ').nth(1) != Some("200") {
        return Err(io::Error::other(format!("it answered '{status}'")));
    }
    let (mut length, mut chunked) = (None, false);
    loop {
        let field = next(from)?;
        let Some((name, value)) = field.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse::<u64>().ok(),
            "transfer-encoding" => chunked = value.trim().eq_ignore_ascii_case("chunked"),
            _ => {}
        }
    }
    let mut body = Vec::new();
    if chunked {
        loop {
            let size = next(from)?;
            let size = size.split(';').next().and_then(|size| u64::from_str_radix(size.trim(), 16).ok());
            match size.ok_or_else(|| io::Error::other("a broken chunk"))? {
                0 => break,
                size => from.by_ref().take(size).read_to_end(&mut body)?,
            };
            next(from)?;
        }
    } else {
        from.by_ref().take(length.unwrap_or(LONGEST)).read_to_end(&mut body)?;
    }
    Ok(body)
}

fn container(value: &Value) -> Option<Listed> {
    let id = value["Id"].as_str()?.to_owned();
    let name = value["Names"][0].as_str()?.trim_start_matches('/').to_owned();
    let label = |name: &str| value["Labels"][name].as_str().map(str::to_owned);
    let service = label("com.docker.compose.service").or_else(|| label("io.podman.compose.service"));
    let networks = value["NetworkSettings"]["Networks"].as_object().into_iter().flatten();
    let ends = networks.flat_map(|(_, network)| [&network["IPAddress"], &network["GlobalIPv6Address"]]);
    let addresses = ends.filter_map(|ip| ip.as_str()?.parse().ok()).collect();
    Some(Listed { id, container: Container { name, service, addresses } })
}

#[cfg(test)]
pub(super) mod tests;
