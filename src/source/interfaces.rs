//! Which interfaces there are, which of them are captured by default, and which can be captured: what `meshtop interfaces` prints.

use super::live::{LiveError, open_for_a_look};
use super::watch::{Link, links};
use crate::text::escape;
use std::fmt;
use std::io::{self, Write};
use std::net::IpAddr;
use unicode_width::UnicodeWidthStr;

/// What the bridges of container engines are called: docker and compose, podman, CNI (flannel, Kubernetes), nerdctl, LXC, LXD,
/// Incus, weave. Not `virbr0` (virtual machines) and not `br0`, which is often the office's network: these are for `-i`.
const CONTAINER_BRIDGES: [&str; 9] = ["docker", "br-", "podman", "cni", "nerdctl", "lxcbr", "lxdbr", "incusbr", "weave"];

/// One interface, as a person wants to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceInfo {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether it is switched on.
    pub up: bool,
    /// What it is.
    pub kind: Kind,
    /// The name of its link type; none where it could not be opened.
    pub link: Option<String>,
    /// Why it cannot be captured now; none where it can.
    pub refused: Option<Refusal>,
    /// Whether it is captured where no `-i` is given.
    pub default: bool,
}

/// Why an interface cannot be captured now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not switched on.
    Down,
    /// We may not; the command that grants the right.
    NoRight(String),
    /// Something else, in libpcap's words.
    Other(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down => f.write_str("it is down"),
            Self::NoRight(how) => write!(f, "no right: {how}"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

impl From<LiveError> for Refusal {
    fn from(error: LiveError) -> Self {
        match error {
            LiveError::Denied { how, .. } => Self::NoRight(how),
            LiveError::Open { why, .. } => Self::Other(why),
            other => Self::Other(other.to_string()),
        }
    }
}

/// What an interface is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The machine itself.
    Loopback,
    /// A switch in software: what containers hang on.
    Bridge,
    /// One end of a container's cable.
    Veth,
    /// Hardware, or what looks like it to this machine.
    Physical,
    /// All of them at once.
    Any,
    /// The kernel's word for something else that is made in software (`tun`, `wireguard` …).
    Virtual(String),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "loopback",
            Self::Bridge => "bridge",
            Self::Veth => "veth",
            Self::Physical => "physical",
            Self::Any => "any",
            Self::Virtual(kind) => kind,
        })
    }
}

/// All interfaces. Each is opened for a moment, to see whether it can be.
pub fn list() -> Result<Vec<InterfaceInfo>, LiveError> {
    let links = links().map_err(|e| LiveError::List(e.to_string()))?;
    let devices = pcap::Device::list().unwrap_or_default();
    let addresses = |name: &str| -> Vec<IpAddr> {
        let device = devices.iter().find(|d| d.name == name);
        device.map(|d| d.addresses.iter().map(|a| a.addr).collect()).unwrap_or_default()
    };
    let mut all: Vec<_> = links.iter().map(|l| info(l, addresses(&l.name), kind(l), in_default_set(l))).collect();
    all.push(info(&Link::any(), Vec::new(), Kind::Any, false));
    Ok(all)
}

/// A table for people: aligned with spaces, one line an interface.
pub fn print(list: &[InterfaceInfo], out: &mut impl Write) -> io::Result<()> {
    let head = ["INTERFACE", "KIND", "STATE", "DEFAULT", "CAPTURE", "ADDRESSES"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(list.iter().map(row)).collect();
    let width = |column: usize| rows.iter().filter_map(|r| Some(r.get(column)?.width())).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).chain([0]).collect();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', (width + 2).saturating_sub(cell.width())));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Whether an interface is captured where none is named.
pub(super) fn in_default_set(link: &Link) -> bool {
    link.loopback || link.kind == "bridge" && CONTAINER_BRIDGES.iter().any(|name| link.name.starts_with(name))
}

fn kind(link: &Link) -> Kind {
    match link.kind.as_str() {
        _ if link.loopback => Kind::Loopback,
        "" => Kind::Physical,
        "bridge" => Kind::Bridge,
        "veth" => Kind::Veth,
        other => Kind::Virtual(other.to_owned()),
    }
}

fn info(link: &Link, addresses: Vec<IpAddr>, kind: Kind, default: bool) -> InterfaceInfo {
    let opened = if link.up { open_for_a_look(link).map_err(Refusal::from) } else { Err(Refusal::Down) };
    let (name, up) = (link.name.clone(), link.up);
    let (link, refused) = match opened {
        Ok(link) => (Some(link), None),
        Err(why) => (None, Some(why)),
    };
    InterfaceInfo { name, addresses, up, kind, link, refused, default }
}

fn row(info: &InterfaceInfo) -> [String; 6] {
    let capture = match (&info.refused, &info.link) {
        (Some(why), _) => escape(&why.to_string()),
        (None, Some(link)) => format!("yes ({link})"),
        (None, None) => "yes".to_owned(),
    };
    let addresses: Vec<String> = info.addresses.iter().map(IpAddr::to_string).collect();
    [
        escape(&info.name),
        escape(&info.kind.to_string()),
        if info.up { "up" } else { "down" }.to_owned(),
        if info.default { "yes" } else { "no" }.to_owned(),
        capture,
        addresses.join(" "),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str, kind: &str) -> Link {
        Link { name: name.into(), index: 1, up: true, loopback: name == "lo", kind: kind.into() }
    }

    #[test]
    fn the_default_set_is_the_loopback_and_the_bridges_of_container_engines() {
        for (name, kind) in
            [("lo", ""), ("docker0", "bridge"), ("br-0a1b2c3d4e5f", "bridge"), ("podman1", "bridge"), ("cni0", "bridge")]
        {
            assert!(in_default_set(&link(name, kind)), "{name}");
        }
        for (name, kind) in [
            ("eth0", ""),
            ("br0", "bridge"),
            ("virbr0", "bridge"),
            ("veth12ab", "veth"),
            ("br-wan", "vlan"),
            ("docker0", "dummy"),
        ] {
            assert!(!in_default_set(&link(name, kind)), "{name}");
        }
    }

    #[test]
    fn the_loopback_and_any_are_listed() {
        let all = list().unwrap();
        let lo = all.iter().find(|i| i.kind == Kind::Loopback).unwrap();
        assert!(lo.default);
        assert_eq!(all.iter().filter(|i| i.kind == Kind::Any).count(), 1);
        assert!(all.iter().all(|i| i.refused.is_some() != i.link.is_some()), "{all:?}");
    }

    #[test]
    fn the_table_is_aligned_and_safe_to_show() {
        let lo = InterfaceInfo {
            name: "lo".into(),
            addresses: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
            up: true,
            kind: Kind::Loopback,
            link: Some("EN10MB".into()),
            refused: None,
            default: true,
        };
        let bad = InterfaceInfo {
            name: "we\x1b[2Jird".into(),
            addresses: Vec::new(),
            up: false,
            kind: Kind::Virtual("tun".into()),
            link: None,
            refused: Some(Refusal::Down),
            default: false,
        };
        let mut out = Vec::new();
        print(&[lo, bad], &mut out).unwrap();
        let expected = "\
INTERFACE     KIND      STATE  DEFAULT  CAPTURE       ADDRESSES
lo            loopback  up     yes      yes (EN10MB)  127.0.0.1 ::1
we\\x1b[2Jird  tun       down   no       it is down
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
