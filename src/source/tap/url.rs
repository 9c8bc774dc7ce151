//! `--tap`: where a broker is, who asks, and what is watched. Its credentials are in no text that is made of it.

use crate::text::percent;
use std::fmt;
use std::net::IpAddr;

/// The most messages a second that a tap takes, unless told otherwise: a screen of rows a millisecond.
const RATE: u64 = 10_000;
/// What other brokers' URLs begin with: the contract's, which are not tapped in this version.
const NOT_YET: [&str; 4] = ["kafka", "nats", "mqtt", "redis"];

/// A broker to tap.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether by TLS.
    pub tls: bool,
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who asks; none: what the environment says.
    user: Option<String>,
    /// See `user`.
    password: Option<String>,
    /// The virtual host.
    pub vhost: String,
    /// The exchanges that are watched; none: all of them.
    pub exchanges: Vec<String>,
    /// The routing keys that are watched, as of topics; none: all of them.
    pub keys: Vec<String>,
    /// Whether the broker is to trace everything.
    pub firehose: bool,
    /// The most messages a second.
    pub rate: u64,
    /// Where the management plugin answers.
    pub management: Management,
    /// What the query says, as it was written.
    query: String,
}

/// Where RabbitMQ's management plugin answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Management {
    /// Whether by TLS: as the tap, unless told otherwise.
    pub tls: bool,
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Url {
    /// Reads a URL. The error quotes nothing of it but what holds no credentials.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("not a URL, as in amqp://guest:guest@localhost/%2f?exchange=shop")?;
        let tls = match scheme {
            "amqp" => false,
            "amqps" => true,
            other if NOT_YET.contains(&other) => {
                return Err(format!("{other}:// is not in this version: amqp:// and amqps:// are"));
            }
            _ => return Err("it begins neither with amqp:// nor with amqps://".to_owned()),
        };
        if rest.contains('#') {
            return Err("a # in it is written %23".to_owned());
        }
        let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = before.split_once('/').unwrap_or((before, "%2f"));
        // what stands before it would be a password, and taken for a host, a port or a virtual host
        if path.contains('@') || query.contains('@') {
            return Err("an @ behind its host: in a user, a password or a name / is written %2f, ? %3f and @ %40".to_owned());
        }
        let (login, at) = authority.rsplit_once('@').map_or((None, authority), |(login, at)| (Some(login), at));
        let (host, port) = host_port(at).ok_or("its host and port cannot be read")?;
        let (user, password) = match login.map(|login| login.split_once(':').map_or((login, None), |(u, p)| (u, Some(p)))) {
            Some((user, password)) => (Some(decoded(user)?), password.map(decoded).transpose()?),
            None => (None, None),
        };
        let vhost = decoded(path)?;
        let port = port.unwrap_or(if tls { 5671 } else { 5672 });
        let mut url = Self {
            tls,
            host: host.to_owned(),
            port,
            user,
            password,
            vhost: if vhost.is_empty() { "/".to_owned() } else { vhost },
            exchanges: Vec::new(),
            keys: Vec::new(),
            firehose: false,
            rate: RATE,
            // RabbitMQ's own rule for its ports, which a node on another port follows by custom
            management: Management { tls, host: host.to_owned(), port: port.saturating_add(10_000) },
            query: query.to_owned(),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            url.set(pair)?;
        }
        Ok(url)
    }

    fn set(&mut self, pair: &str) -> Result<(), String> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value)?;
        match name {
            "exchange" => self.exchanges.push(value),
            "key" => self.keys.push(value),
            "firehose" => {
                self.firehose = match &*value {
                    "on" => true,
                    "off" => false,
                    _ => return Err("firehose is on or off".to_owned()),
                }
            }
            "rate" => {
                let rate = value.parse().ok().filter(|rate| *rate > 0);
                self.rate = rate.ok_or("rate is a number of messages a second, 1 or more")?;
            }
            "management" => {
                let wrong = "management is http://HOST:PORT or https://HOST:PORT, without credentials: they are those of the tap";
                let (tls, at) = match value.split_once("://") {
                    Some(("http", at)) => (false, at),
                    Some(("https", at)) => (true, at),
                    _ => return Err(wrong.to_owned()),
                };
                let at = Some(at.trim_end_matches('/')).filter(|at| !at.contains(['@', '/']));
                let (host, port) = at.and_then(host_port).ok_or(wrong)?;
                self.management = Management { tls, host: host.to_owned(), port: port.unwrap_or(if tls { 443 } else { 80 }) };
            }
            _ => return Err("it knows exchange, key, firehose, rate and management, and was told something else".to_owned()),
        }
        Ok(())
    }

    /// What it is called: without credentials, and without what is watched.
    pub fn name(&self) -> String {
        let usual = if self.tls { 5671 } else { 5672 };
        let port = if self.port == usual { String::new() } else { format!(":{}", self.port) };
        format!("amqp{}://{}{port}/{}", if self.tls { "s" } else { "" }, bracketed(&self.host), encoded(&self.vhost))
    }

    /// Who asks, and by which password: as the URL says, else the environment, else as RabbitMQ is installed.
    pub fn login(&self, env: impl Fn(&str) -> Option<String>) -> (String, String) {
        let user = self.user.clone().or_else(|| env("MESHTOP_AMQP_USER")).unwrap_or_else(|| "guest".into());
        let password = self.password.clone().or_else(|| env("MESHTOP_AMQP_PASSWORD"));
        let usual = if user == "guest" { "guest" } else { "" };
        (user, password.unwrap_or_else(|| usual.into()))
    }

    /// Whether messages to an exchange are wanted.
    pub fn wants_exchange(&self, exchange: &str) -> bool {
        self.exchanges.is_empty() || self.exchanges.iter().any(|e| e == exchange)
    }

    /// Whether messages with a key are wanted.
    pub fn wants_key(&self, key: &str) -> bool {
        self.keys.is_empty() || self.keys.iter().any(|pattern| is_match(pattern, key))
    }
}

impl Management {
    /// Whether it is asked in clear text across a network, with the login of a tap that goes by TLS.
    pub fn shows_login_of(&self, tap: &Url) -> bool {
        let here = self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
        tap.tls && !self.tls && !here
    }
}

impl fmt::Display for Management {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http{}://{}:{}", if self.tls { "s" } else { "" }, bracketed(&self.host), self.port)
    }
}

/// All of it but the credentials: what a configuration says of it.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.query.is_empty() { "" } else { "?" };
        write!(f, "{}{mark}{}", self.name(), self.query)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether a key is one that a topic's pattern is for: `*` is one word, `#` any number of them.
pub fn is_match(pattern: &str, key: &str) -> bool {
    /// Words of a key may be at most 255 bytes (§4.2.5.3), so that so many cells are enough.
    fn words<'a>(pattern: &[&'a str], key: &[&'a str]) -> bool {
        // what is left of the key that each beginning of the pattern may stand before
        let mut reached = vec![false; key.len() + 1];
        reached[0] = true;
        for word in pattern {
            let mut next = vec![false; key.len() + 1];
            for at in 0..=key.len() {
                match *word {
                    "#" => next[at] = reached[at] || at > 0 && next[at - 1],
                    word => next[at] = at > 0 && reached[at - 1] && (word == "*" || word == key[at - 1]),
                }
            }
            reached = next;
        }
        reached[key.len()]
    }
    words(&split(pattern), &split(key))
}

fn split(text: &str) -> Vec<&str> {
    if text.is_empty() { Vec::new() } else { text.split('.').collect() }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// A host, with or without a port; an IPv6 address in brackets.
fn host_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map(|port| port.parse().ok().filter(|port| *port > 0)).map_or(Some(None), |port| port.map(Some))?;
    (!host.is_empty()).then_some((host, port))
}

fn decoded(text: &str) -> Result<String, String> {
    String::from_utf8(percent(text, b'+')).map_err(|_| "a part of it is no UTF-8".to_owned())
}

/// What is no letter, digit or sign of a name as `%xx` (RFC 3986 §2.1).
pub fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02x}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_url_is_read_and_its_credentials_are_told_nowhere() {
        let url = Url::parse("amqp://ann:s%40c:r@broker:5673/shop%2feu?exchange=a&exchange=b&key=order.%23&rate=5&firehose=on")
            .unwrap();
        assert_eq!((url.user.as_deref(), url.password.as_deref()), (Some("ann"), Some("s@c:r")));
        assert_eq!((&*url.host, url.port, &*url.vhost, url.rate, url.firehose), ("broker", 5673, "shop/eu", 5, true));
        assert_eq!((url.exchanges.len(), &*url.keys[0], url.management.port), (2, "order.#", 15673));
        assert_eq!(url.name(), "amqp://broker:5673/shop%2feu");
        for told in [format!("{url:?}"), url.to_string()] {
            assert!(!told.contains("ann") && !told.contains("s@c") && !told.contains("s%40c"), "{told}");
            assert!(told.ends_with("key=order.%23&rate=5&firehose=on"), "{told}");
        }
    }

    #[test]
    fn what_is_not_said_is_as_usual() {
        let url = Url::parse("amqps://localhost").unwrap();
        assert_eq!(
            (url.port, &*url.vhost, url.user.clone(), url.management.to_string()),
            (5671, "/", None, "https://localhost:15671".into())
        );
        assert_eq!(url.name(), "amqps://localhost/%2f");
        assert_eq!(Url::parse("amqp://[::1]:1/").unwrap().name(), "amqp://[::1]:1/%2f");
        for (url, management, shows) in [
            ("amqp://h", "http://h:15672", false),
            ("amqp://h/?management=http://m:8080/", "http://m:8080", false),
            ("amqp://h/?management=https://[::1]", "https://[::1]:443", false),
            ("amqps://h:1/", "https://h:10001", false),
            ("amqps://h/?management=http://m", "http://m:80", true),
            ("amqps://h/?management=http://127.0.0.1", "http://127.0.0.1:80", false),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!((&*url.management.to_string(), url.management.shows_login_of(&url)), (management, shows));
        }
    }

    #[test]
    fn what_the_url_does_not_say_of_the_login_the_environment_does() {
        let login = |url: &str, env: &[(&str, &str)]| {
            let env = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
            let (user, password) = Url::parse(url).unwrap().login(env);
            format!("{user} {password}")
        };
        let env = [("MESHTOP_AMQP_USER", "bob"), ("MESHTOP_AMQP_PASSWORD", "hidden")];
        assert_eq!(
            ["amqp://h", "amqp://ann@h", "amqp://ann:x@h", "amqp://ann:@h"].map(|url| login(url, &env)),
            ["bob hidden", "ann hidden", "ann x", "ann "]
        );
        assert_eq!(
            ["amqp://h", "amqp://guest@h", "amqp://ann@h"].map(|url| login(url, &[])),
            ["guest guest", "guest guest", "ann "]
        );
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_a_word_of_its_credentials() {
        let bad = [
            "hidden",
            "http://u:hidden@h",
            "kafka://u:hidden@h",
            "amqp://u:hidden@h/#",
            "amqp://u:hidden@:5",
            "amqp://u:hidden@h:0",
            "amqp://u:hidden@h/?x=hidden",
            "amqp://u:hidden@h/?rate=0",
            "amqp://h/?management=http://u:hidden@h",
            "amqp://h/?firehose=hidden",
            "amqp://%ffhidden:x@h/",
            "amqp://hidden:1234/hidden@127.0.0.1",
            "amqp://u:p@hidden/w@h",
            "amqp://hidden:12?key=hidden@h",
            "amqp://h/?management=hidden",
        ];
        for text in bad {
            let why = Url::parse(text).unwrap_err();
            assert!(!why.contains("hidden"), "{text}: {why}");
        }
    }

    #[test]
    fn a_key_is_matched_as_a_topic_exchange_matches_it() {
        for (pattern, key) in
            [("#", ""), ("#", "a.b"), ("a.#", "a"), ("a.*", "a.b"), ("#.b", "a.a.b"), ("a.#.c", "a.b.b.c"), ("", "")]
        {
            assert!(is_match(pattern, key), "{pattern} {key}");
        }
        for (pattern, key) in [("a", "b"), ("a.*", "a"), ("*", ""), ("a.#.c", "a.b"), ("a", "a.b"), ("", "a")] {
            assert!(!is_match(pattern, key), "{pattern} {key}");
        }
    }
}
