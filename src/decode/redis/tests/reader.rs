//! Values, and how Redis is told from what is not.

use super::super::scan::{probe, scan};
use super::super::value::{DEPTH, Read, Reader};
use super::*;
use crate::decode::{Probe, Resync, Verdict};

fn whole(data: &[u8]) -> Option<usize> {
    let (mut reader, mut at) = (Reader::default(), 0);
    loop {
        match reader.next(&data[at..]) {
            Read::Is(piece) => {
                at += piece.taken;
                if piece.ends {
                    return Some(at);
                }
            }
            Read::Need(_) | Read::Bad => return None,
        }
    }
}

#[test]
fn a_value_ends_where_it_ends() {
    for value in [
        "+OK\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "*0\r\n",
        "%0\r\n",
        "$0\r\n\r\n",
        "*2\r\n*0\r\n*1\r\n$3\r\na\r\n\r\n",
        "|1\r\n+a\r\n*1\r\n:1\r\n|0\r\n$1\r\nb\r\n",
        "*1\r\n|1\r\n:1\r\n:2\r\n%1\r\n:3\r\n:4\r\n",
        "%?\r\n:1\r\n$?\r\n;1\r\nx\r\n;0\r\n.\r\n",
        ",-1.5e10\r\n",
        ",-inf\r\n",
        "#t\r\n",
        "_\r\n",
    ] {
        assert_eq!(whole(format!("{value}+next\r\n").as_bytes()), Some(value.len()), "{value:?}");
        assert!((0..value.len()).all(|n| whole(&value.as_bytes()[..n]).is_none()), "{value:?}");
    }
    for value in [
        "+O\n",
        ":\r\n",
        ":1a\r\n",
        "$5\nhello",
        "$1\r\nab\r\n",
        "*2x\r\n",
        ";1\r\n",
        ".\r\n",
        "#x\r\n",
        "x",
        "$99999999999999\r\n",
    ] {
        assert_eq!(whole(value.as_bytes()), None, "{value:?}");
    }
    let deep = |n: usize| "*1\r\n".repeat(n) + ":1\r\n";
    assert_eq!(whole(deep(DEPTH).as_bytes()), Some(4 * DEPTH + 4));
    assert_eq!(whole(deep(DEPTH + 1).as_bytes()), None);
}

#[test]
fn only_redis_is_taken_for_it() {
    let verdict = |dir, data: &[u8], opening| probe(&Probe { dir, data, opening });
    for yes in ["*1\r\n$4\r\nPING\r\n", "*2\r\n$8\r\nJSON.GET\r\n$1"] {
        assert_eq!(verdict(UP, yes.as_bytes(), true), Verdict::Yes, "{yes:?}");
        let part = &yes.as_bytes()[..yes.len() / 3];
        assert_eq!(verdict(UP, part, true), Verdict::More, "{yes:?}");
    }
    assert_eq!(verdict(DOWN, b"+PONG\r\n", true), Verdict::Yes);
    assert_eq!(verdict(DOWN, b"+PO", true), Verdict::More);
    assert_eq!(verdict(DOWN, b"+OK POP3\r\n", true), Verdict::No);
    // many protocols answer in lines
    for (lines, then) in [("+OK\r\n", Verdict::More), (":1\r\n:2\r\n", Verdict::More), ("$3\r\nabc\r\n", Verdict::Yes)] {
        assert_eq!(verdict(DOWN, lines.as_bytes(), false), then, "{lines:?}");
        assert_eq!(verdict(UP, lines.as_bytes(), false), Verdict::No, "{lines:?}");
    }
    assert_eq!(verdict(DOWN, b"+OK\r\n$-1\r\n*2\r\n:1\r\n$1\r\na\r\n", false), Verdict::Yes);
    let many = ":1\r\n".repeat(65);
    for no in ["$3\r\nabcd\r\n", "$1\r\na\r\n$1\r\nb\r\n", "+OK\r\nPASS\r\n", "-a\n", "$20000\r\nabc", &many] {
        assert_eq!(verdict(DOWN, no.as_bytes(), false), Verdict::No, "{no:?}");
    }
    for no in [
        "GET / HTTP/1.1\r\n",
        "GET /index.html\r\n",
        "get key\r\n",
        "set key 0 0 5\r\n",
        "QUIT\r\n",
        "INFO\r\n",
        "HELO mail\r\n",
        "CONNECT {}\r\n",
        "+OK\r\n",
        "*1\r\n:1\r\n",
        "*0\r\n",
        "*2\r\n$3\r\n\x01\x02\x03\r\n",
        "PING\r\n",
        "SET a 1\r\n",
    ] {
        assert_eq!(verdict(UP, no.as_bytes(), true), Verdict::No, "{no:?}");
    }
    assert_eq!(verdict(UP, &ask(&["GET", "a"]), false), Verdict::Yes);
    assert_eq!(verdict(UP, &ask(&["names", "a"]), false), Verdict::No);
    assert_eq!(verdict(DOWN, &ask(&["TYPE", "a"]), true), Verdict::No);
    assert_eq!(verdict(UP, &message("message", &["a", "b"]), false), Verdict::Reversed);
    assert_eq!(verdict(DOWN, &message("message", &["a", "b"]), false), Verdict::Yes);
}

#[test]
fn commands_are_found_again() {
    let data = [b"lost\r\n$3\r\nabc\r\n".as_slice(), &ask(&["GET", "a"])].concat();
    assert_eq!(scan(&data), Resync::Found(15));
    assert_eq!(scan(&data[..20]), Resync::Skip(15));
    assert_eq!(scan(b"nothing of it"), Resync::Skip(13));
}
