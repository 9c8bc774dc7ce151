//! The kernel's filter: checked before any capturing, put together for each interface, changed while it runs.

use super::LiveError;
use crate::model::LinkType;
use pcap::{BpfProgram, Capture, Linktype};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whether libpcap can read a filter. Needs no right to capture; names in it are looked up.
pub fn check_filter(text: &str) -> Result<(), LiveError> {
    check_for(text, Linktype::ETHERNET)
}

/// Steers a running capture from another thread. A clone steers the same one.
#[derive(Clone, Debug)]
pub struct Control(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Counts changes, so that the reader takes the lock only after one.
    version: AtomicU64,
    text: Mutex<String>,
    links: Mutex<Vec<Linktype>>,
}

impl Control {
    pub(super) fn new(text: String) -> Self {
        Self(Arc::new(Shared { version: AtomicU64::new(0), text: Mutex::new(text), links: Mutex::default() }))
    }

    /// Checks a filter for every interface that is being read, then has them all changed. Empty: none.
    pub fn set_filter(&self, text: &str) -> Result<(), LiveError> {
        check_filter(text)?;
        for link in lock(&self.0.links).iter() {
            check_for(text, *link)?;
        }
        *lock(&self.0.text) = text.to_owned();
        self.0.version.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// The filter in force, or about to be; empty: none.
    pub fn text(&self) -> String {
        lock(&self.0.text).clone()
    }

    pub(super) fn version(&self) -> u64 {
        self.0.version.load(Ordering::Acquire)
    }

    pub(super) fn set_links(&self, links: Vec<Linktype>) {
        *lock(&self.0.links) = links;
    }
}

/// What a handle gets.
pub(super) fn compose(user: &str, ssh: Option<(SocketAddr, SocketAddr)>) -> String {
    let mut parts = Vec::new();
    if let Some((a, b)) = ssh {
        let (from, to, p, q) = (a.ip().to_canonical(), b.ip().to_canonical(), a.port(), b.port());
        parts.push(format!("not (tcp and host {from} and host {to} and port {p} and port {q})"));
    }
    if !user.trim().is_empty() {
        parts.push(format!("({user})"));
    }
    parts.join(" and ")
}

/// libpcap's own words, in one line.
pub(super) fn words(error: pcap::Error) -> String {
    let text = match error {
        pcap::Error::PcapError(text) => text,
        pcap::Error::InvalidInputString => "it holds a NUL byte".to_owned(),
        other => other.to_string(),
    };
    crate::text::escape(text.trim_end())
}

fn check_for(text: &str, link: Linktype) -> Result<(), LiveError> {
    compile(text, link).map(drop)
}

/// A filter for packets of one link type that are at hand already.
pub(in crate::source) fn program(text: &str, link: LinkType) -> Result<BpfProgram, LiveError> {
    // raw IP is the one that libpcap calls otherwise inside than in files (DLT_RAW, LINKTYPE_RAW)
    let dlt = if link == LinkType(101) { Linktype(12) } else { Linktype(i32::try_from(link.0).unwrap_or(i32::MAX)) };
    compile(text, dlt)
}

fn compile(text: &str, link: Linktype) -> Result<BpfProgram, LiveError> {
    let refused = |e| LiveError::Filter(format!("'{}': {}", crate::text::escape(text), words(e)));
    Capture::dead(link).and_then(|dead| dead.compile(text, true)).map_err(refused)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_checked_without_any_right() {
        for good in ["", "tcp", "tcp port 80 or (udp and host 127.0.0.1)", "inbound and not port 22"] {
            check_filter(good).unwrap();
        }
        for bad in ["tcp prt 80", "tcp port 80) or (udp", "port 70000", "host", "a\0b"] {
            let error = check_filter(bad).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().starts_with("capture filter: "), "{error}");
            assert!(!error.to_string().contains('\n') && error.to_string().len() > 20, "{error}");
        }
    }

    #[test]
    fn what_is_put_together_compiles() {
        let ssh = |a: &str, b: &str| Some((a.parse().unwrap(), b.parse().unwrap()));
        let (v4, v6) = (ssh("10.0.0.9:50123", "10.0.0.1:22"), ssh("[fe80::1]:50123", "[fe80::2]:22"));
        for ssh in [None, v4, v6] {
            for user in ["", " ", "tcp or udp"] {
                check_filter(&compose(user, ssh)).unwrap();
            }
        }
        assert_eq!(compose("tcp or udp", None), "(tcp or udp)");
    }

    #[test]
    fn a_running_filter_must_suit_what_is_open() {
        let control = Control::new(String::new());
        control.set_links(vec![Linktype::ETHERNET, Linktype(12)]);
        assert!(control.set_filter("ether host 02:00:00:00:00:01").is_err(), "raw IP has no ethernet addresses");
        assert_eq!((control.text().as_str(), control.version()), ("", 0));
        control.set_filter("tcp").unwrap();
        assert_eq!((control.text().as_str(), control.version()), ("tcp", 1));
    }
}
