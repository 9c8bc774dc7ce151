//! RabbitMQ's management API (<https://www.rabbitmq.com/docs/management#http-api>), as far as a tap asks it: one question a connection,
//! with the tap's own credentials, by TLS where the tap goes by that. It changes nothing but whether a virtual host is traced.

use super::url::{Management, encoded};
use crate::model::{Binding, Exchange, Queue};
use crate::source::own::OwnSockets;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use lapin::tcp::RustlsConnector;
use serde_json::Value;
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

/// How long it may take to accept, and to say anything.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many of its connections are told of at once: those of half a minute, far more than a capture is behind.
const LATEST: usize = 64;
/// The longest answer that is read: some ten thousand bindings.
const MAX_ANSWER: u64 = 16 << 20;

/// Who is asked, and as whom.
pub struct Api {
    /// Where it answers.
    pub at: Management,
    /// Whose rights it has.
    pub user: String,
    /// See `user`.
    pub password: String,
    /// Of which virtual host.
    pub vhost: String,
    /// Where its connections are told of, and the latest ones, which still are: their packets may come behind their answers.
    pub own: OwnSockets,
    /// See `own`.
    pub latest: RefCell<VecDeque<(SocketAddr, SocketAddr)>>,
    /// The authorities that are trusted, once they were read.
    pub tls: OnceCell<RustlsConnector>,
}

impl Api {
    /// That it does not answer, and why.
    pub fn is_silent(&self, why: &io::Error) -> String {
        format!("its management API at {} does not answer ({why})", self.at)
    }

    /// The exchanges of the virtual host.
    pub fn exchanges(&self) -> io::Result<Vec<Exchange>> {
        let list = self.list(&format!("/api/exchanges/{}?columns=name,type,auto_delete", encoded(&self.vhost)))?;
        let goes = |e: &Value| e["auto_delete"] != Value::Bool(false);
        Ok(list.iter().map(|e| Exchange { name: text(e, "name"), kind: text(e, "type"), auto_delete: goes(e) }).collect())
    }

    /// The bindings of the virtual host.
    pub fn bindings(&self) -> io::Result<Vec<Binding>> {
        let columns = "source,destination,destination_type,routing_key";
        let list = self.list(&format!("/api/bindings/{}?columns={columns}", encoded(&self.vhost)))?;
        let binding = |b: &Value| Binding {
            source: text(b, "source"),
            destination: text(b, "destination"),
            to_exchange: text(b, "destination_type") == "exchange",
            key: text(b, "routing_key"),
        };
        Ok(list.iter().map(binding).collect())
    }

    /// The queues of the virtual host, without their statistics, which cost a broker of many queues much; and who takes from them.
    pub fn queues(&self) -> io::Result<Vec<Queue>> {
        let totals = "disable_stats=true&enable_queue_totals=true&columns=name,messages_ready,messages_unacknowledged";
        let queues = self.list(&format!("/api/queues/{}?{totals}", encoded(&self.vhost)))?;
        let columns = "queue.name,consumer_tag,channel_details.peer_host,channel_details.peer_port";
        let mut consumers: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for consumer in self.list(&format!("/api/consumers/{}?columns={columns}", encoded(&self.vhost)))? {
            let (peer, queue) = (&consumer["channel_details"], text(&consumer["queue"], "name"));
            let port = peer["peer_port"].as_u64().map(|port| format!(":{port}")).unwrap_or_default();
            let at = format!("{}{port}", text(peer, "peer_host"));
            consumers.entry(queue).or_default().push((at, text(&consumer, "consumer_tag")));
        }
        let queue = |q: &Value| {
            let (name, number) = (text(q, "name"), |key: &str| q.get(key).and_then(Value::as_u64));
            let consumers = consumers.remove(&name).unwrap_or_default();
            Queue { ready: number("messages_ready"), unacked: number("messages_unacknowledged"), consumers, name }
        };
        Ok(queues.iter().map(queue).collect())
    }

    /// How many messages went to a queue, were delivered from it for the first time, and wait in it.
    pub fn counts(&self, queue: &str) -> io::Result<[u64; 3]> {
        let told = self.ask("GET", &format!("/api/queues/{}/{}", encoded(&self.vhost), encoded(queue)), "")?;
        let stats = |key: &str| told["message_stats"][key].as_u64().unwrap_or(0);
        let delivered = stats("deliver_get").saturating_sub(stats("redeliver"));
        Ok([stats("publish"), delivered, told["messages_ready"].as_u64().unwrap_or(0)])
    }

    /// Whether the virtual host is traced.
    pub fn is_traced(&self) -> io::Result<bool> {
        let vhost = self.ask("GET", &format!("/api/vhosts/{}", encoded(&self.vhost)), "")?;
        vhost.get("tracing").and_then(Value::as_bool).ok_or_else(|| io::Error::other("it does not say whether it is traced"))
    }

    /// Has it traced, or not.
    pub fn trace(&self, on: bool) -> io::Result<()> {
        self.ask("PUT", &format!("/api/vhosts/{}", encoded(&self.vhost)), &format!("{{\"tracing\":{on}}}")).map(drop)
    }

    fn list(&self, path: &str) -> io::Result<Vec<Value>> {
        match self.ask("GET", path, "")? {
            Value::Array(list) => Ok(list),
            _ => Err(io::Error::other("its answer is no list")),
        }
    }

    /// One question. By HTTP/1.0, so that the answer ends with the connection.
    fn ask(&self, method: &str, path: &str, body: &str) -> io::Result<Value> {
        let login = BASE64.encode(format!("{}:{}", self.user, self.password));
        let (host, length) = (&self.at.host, body.len());
        let question = format!(
            "{method} {path} HTTP/1.0\r\nHost: {host}\r\nAuthorization: Basic {login}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        let stream = self.connect()?;
        if !self.at.tls {
            return answer(stream, &question);
        }
        if self.tls.get().is_none() {
            _ = self.tls.set(RustlsConnector::new_with_native_certs()?);
        }
        let tls = self.tls.get().ok_or_else(|| io::Error::other("no authorities are trusted"))?;
        let stream = tls.connect(host, stream).map_err(|e| io::Error::other(e.to_string()))?;
        answer(stream, &question)
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut failed = io::Error::other("the name has no address");
        for address in (&*self.at.host, self.at.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(PATIENCE))?;
                    stream.set_write_timeout(Some(PATIENCE))?;
                    let ends = (stream.local_addr()?, stream.peer_addr()?);
                    self.own.add(ends.0, ends.1);
                    let mut latest = self.latest.borrow_mut();
                    latest.retain(|other| *other != ends);
                    latest.push_back(ends);
                    if latest.len() > LATEST
                        && let Some((local, peer)) = latest.pop_front()
                    {
                        self.own.remove(local, peer);
                    }
                    return Ok(stream);
                }
                Err(e) => failed = e,
            }
        }
        Err(failed)
    }
}

/// What is answered to a question, up to the end of the connection: whether it is whole its document tells.
fn answer(mut stream: impl Read + Write, question: &str) -> io::Result<Value> {
    stream.write_all(question.as_bytes())?;
    let mut answer = Vec::new();
    match stream.take(MAX_ANSWER).read_to_end(&mut answer) {
        Err(e) if e.kind() != io::ErrorKind::UnexpectedEof => Err(e),
        _ => read(&answer),
    }
}

/// The document of an answer; null where it has none.
fn read(answer: &[u8]) -> io::Result<Value> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(|| io::Error::other("it does not speak HTTP"))?;
    let (head, body) = (&answer[..end], &answer[end + 4..]);
    let code = head.split(|b| *b == b' ').nth(1).and_then(|code| std::str::from_utf8(code).ok()).unwrap_or("no code");
    match code {
        "200" => serde_json::from_slice(body).map_err(|_| io::Error::other("its answer is no JSON")),
        "201" | "204" => Ok(Value::Null),
        code => Err(io::Error::other(format!("it answers {code}"))),
    }
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_refusals_are_told() {
        assert_eq!(read(b"HTTP/1.1 200 OK\r\na: b\r\n\r\n[1]").unwrap(), serde_json::json!([1]));
        assert_eq!(read(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap(), Value::Null);
        for (answer, why) in [
            (&b"HTTP/1.1 401 Unauthorized\r\n\r\n"[..], "it answers 401"),
            (b"HTTP/1.1 200 OK\r\n\r\n[", "its answer is no JSON"),
            (b"AMQP\0\0\x09\x01", "it does not speak HTTP"),
            (b"\r\n\r\n", "it answers no code"),
        ] {
            assert_eq!(read(answer).unwrap_err().to_string(), why);
        }
    }
}
