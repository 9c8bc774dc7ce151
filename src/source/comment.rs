//! The names of a connection's ends as the comment of one of its packets, for Wireshark and for reading back. Not the file's blocks.
//!
//! ```text
//!  meshtop: 127.0.0.1:51234 is gateway (pid 4121), 127.0.0.1:8081 is "orders \"v2\"" (pid 4127, container shop-orders-1)
//! ```
//!
//! An end is told by its address, so that it does not matter which way the packet goes, nor who is taken for the client. A name that
//! holds more than letters, digits and a few signs is quoted; in quotes, `\` stands before `\` and `"`, and `\u{…}` for control characters.

use crate::model::{Origin, OwnedEnd, Owner};
use crate::text::is_control;
use std::fmt::Write;
use std::sync::Arc;

/// How our comments begin; others are not read.
const MARK: &str = "meshtop: ";
/// The longest name that is written or read, in bytes (RFC 1035 §2.3.4).
const MAX_NAME: usize = 255;
/// Ends of a connection.
const ENDS: usize = 2;
/// The longest comment that is read: two ends, two names each, every character of which is written as an escape.
pub(super) const MAX_COMMENT: usize = 8192;

/// The comment that says whose these ends were.
pub fn write(ends: &[OwnedEnd]) -> String {
    let mut out = MARK.to_owned();
    for (n, OwnedEnd { end, owner }) in ends.iter().take(ENDS).enumerate() {
        out.push_str(if n > 0 { ", " } else { "" });
        // writing to a string does not fail
        _ = write!(out, "{end} is ");
        name(&owner.service, &mut out);
        let mut open = " (";
        if let Some(pid) = owner.pid {
            _ = write!(out, "{open}pid {pid}");
            open = ", ";
        }
        if let Some(container) = &owner.container {
            _ = write!(out, "{open}container ");
            name(container, &mut out);
        }
        if owner.pid.is_some() || owner.container.is_some() {
            out.push(')');
        }
    }
    out
}

/// Whose the ends were, as a comment says that is one of ours to the letter. That a process was gone is no name ([`Origin::Exited`]):
/// earlier versions wrote it like one.
pub(super) fn parse(comment: &str) -> Option<Vec<OwnedEnd>> {
    let mut rest = comment.strip_prefix(MARK).filter(|rest| rest.len() <= MAX_COMMENT)?;
    let mut ends = Vec::new();
    while ends.len() < ENDS {
        ends.push(end(&mut rest)?);
        if rest.is_empty() {
            let gone = |owner: &Owner| owner.pid.is_none() && owner.container.is_none() && Owner::is_gone(&owner.service);
            ends.retain(|OwnedEnd { owner, .. }| !gone(owner));
            return Some(ends);
        }
        rest = rest.strip_prefix(", ")?;
    }
    None
}

fn end(rest: &mut &str) -> Option<OwnedEnd> {
    let (addr, after) = rest.split_once(" is ")?;
    *rest = after;
    let end = addr.parse().ok()?;
    let service = take_name(rest)?;
    let (mut pid, mut container) = (None, None);
    if let Some(after) = rest.strip_prefix(" (") {
        *rest = after;
        if let Some(after) = rest.strip_prefix("pid ") {
            let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            let (number, after) = after.split_at(digits);
            pid = Some(number.parse().ok()?);
            *rest = after.strip_prefix(", ").unwrap_or(after);
        }
        if let Some(after) = rest.strip_prefix("container ") {
            *rest = after;
            container = Some(take_name(rest)?);
        }
        *rest = rest.strip_prefix(')')?;
    }
    Some(OwnedEnd { end, owner: Arc::new(Owner { service, origin: Origin::File, pid, container, process: None }) })
}

/// Whether a character needs no quotes around its name.
fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || "-_.:/@+".contains(c)
}

fn name(name: &str, out: &mut String) {
    let name = name.get(..name.floor_char_boundary(MAX_NAME)).unwrap_or_default();
    if !name.is_empty() && name.chars().all(is_plain) {
        out.push_str(name);
        return;
    }
    out.push('"');
    for c in name.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if is_control(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn take_name(rest: &mut &str) -> Option<Arc<str>> {
    let taken = match rest.strip_prefix('"') {
        None => {
            let (name, after) = rest.split_at(rest.find(|c| !is_plain(c)).unwrap_or(rest.len()));
            *rest = after;
            if name.is_empty() {
                return None;
            }
            name.to_owned()
        }
        Some(after) => {
            *rest = after;
            quoted(rest)?
        }
    };
    (taken.len() <= MAX_NAME).then(|| taken.into())
}

/// What stands before the closing quote.
fn quoted(rest: &mut &str) -> Option<String> {
    let mut name = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => break,
            '\\' => match chars.next()? {
                c @ ('"' | '\\') => name.push(c),
                'u' => {
                    let (digits, after) = chars.as_str().strip_prefix('{')?.split_once('}')?;
                    name.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
                    chars = after.chars();
                }
                _ => return None,
            },
            c => name.push(c),
        }
    }
    *rest = chars.as_str();
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::SocketAddr;

    fn owned(end: SocketAddr, service: &str, pid: Option<u32>, container: Option<&str>) -> OwnedEnd {
        let container = container.map(Into::into);
        OwnedEnd { end, owner: Arc::new(Owner { service: service.into(), origin: Origin::File, pid, container, process: None }) }
    }

    #[test]
    fn it_is_a_line_that_a_person_reads() {
        let (client, server) = ("127.0.0.1:51234".parse().unwrap(), "[::1]:8081".parse().unwrap());
        let ends = [owned(client, "gateway", Some(4121), None), owned(server, "the orders", Some(4127), Some("shop-orders-1"))];
        let line =
            "meshtop: 127.0.0.1:51234 is gateway (pid 4121), [::1]:8081 is \"the orders\" (pid 4127, container shop-orders-1)";
        assert_eq!(write(&ends), line);
        assert_eq!(write(&ends[..1]), "meshtop: 127.0.0.1:51234 is gateway (pid 4121)");
        assert_eq!(write(&[owned(client, "a\"\u{1b}", None, None)]), "meshtop: 127.0.0.1:51234 is \"a\\\"\\u{1b}\"");
    }

    #[test]
    fn what_is_not_ours_to_the_letter_is_not_read() {
        for comment in [
            "",
            "meshtop: ",
            "meshtop: gateway",
            "meshtop: 127.0.0.1 is a",
            "meshtop: 127.0.0.1:1 is ",
            "meshtop: 127.0.0.1:1 is a b",
            "meshtop: 127.0.0.1:1 is \"a",
            "meshtop: 127.0.0.1:1 is \"a\\n\"",
            "meshtop: 127.0.0.1:1 is \"\\u{110000}\"",
            "meshtop: 127.0.0.1:1 is a (pid x)",
            "meshtop: 127.0.0.1:1 is a (pid 99999999999)",
            "meshtop: 127.0.0.1:1 is a (pid 1",
            "meshtop: 127.0.0.1:1 is a, ",
            "meshtop: 127.0.0.1:1 is a, 127.0.0.1:2 is b, 127.0.0.1:3 is c",
            "Meshtop: 127.0.0.1:1 is a",
        ] {
            assert_eq!(parse(comment), None, "{comment}");
        }
        let long = "x".repeat(MAX_NAME + 1);
        assert_eq!(parse(&format!("meshtop: 127.0.0.1:1 is {long}")), None);
        let cut = write(&[owned("127.0.0.1:1".parse().unwrap(), &long, None, None)]);
        assert_eq!(parse(&cut).unwrap()[0].owner.service.len(), MAX_NAME, "a longer name is cut");
    }

    #[test]
    fn that_a_process_was_gone_is_no_name() {
        let end = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let names = |names: [&str; 2]| {
            let read = parse(&write(&[owned(end(1), names[0], None, None), owned(end(2), names[1], None, None)])).unwrap();
            read.iter().map(|o| (o.end.port(), o.owner.service.to_string())).collect::<Vec<_>>()
        };
        for gone in [Owner::gone(0, false), Owner::gone(1000, true)] {
            assert_eq!(names([&gone.service, "shop"]), [(2, "shop".to_owned())]);
            assert_eq!(names([&gone.service, &gone.service]), []);
        }
        for name in ["uid 0", "uid 0, gone", "uid 00, closed", "uid +1, closed", "uid 4294967296, exited", "my uid 0, closed"] {
            assert_eq!(names([name, "shop"]), [(1, name.to_owned()), (2, "shop".to_owned())]);
        }
        let held = parse(&write(&[owned(end(1), "uid 0, closed", Some(7), None)])).unwrap();
        assert_eq!(held.len(), 1, "a process has been found that is called like that");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            ends in prop::collection::vec((any::<SocketAddr>(), ".{0,60}", any::<Option<u32>>(), prop::option::of(".{0,60}")), 1..3)
        ) {
            let ends: Vec<_> = ends.iter().map(|(end, service, pid, container)| {
                // a scope or a flow label is no part of an address on the wire
                owned(SocketAddr::new(end.ip(), end.port()), service, *pid, container.as_deref())
            }).collect();
            prop_assert_eq!(parse(&write(&ends)), Some(ends));
        }

        #[test]
        fn any_text_is_read_or_not(text in "(meshtop: )?[0-9:.a-z \"\\\\(),{}u]{0,60}") {
            if let Some(ends) = parse(&text) {
                prop_assert!(ends.len() <= ENDS);
            }
        }
    }
}
