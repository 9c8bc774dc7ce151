//! Two toy layers that prove the contract of an analyzer, in tests only: a length-prefix wrapper around two inner streams, and
//! lines of text that an HTTP/1 Upgrade leads to.

use super::properties::Conversation;
use super::{Analyzer, Cx, Gap, Input, Probe, Protocol, Resync, Step, Verdict};
use crate::decode::cursor::Cursor;
use crate::model::{Dir, End, Issue, Joined, Part, Pattern, Stamp, Transport};

/// `TOY`, a stream number (1 or 2), a big-endian length, and so many bytes of that stream.
pub static FRAMES: Protocol = Protocol {
    name: "toy-frames",
    transport: Transport::Stream,
    ports: &[],
    upgrades: &[],
    begins: false,
    probe: |p: &Probe<'_>| match (p.data, b"TOY".iter().zip(p.data).all(|(a, b)| a == b)) {
        (_, false) => Verdict::No,
        (data, true) if data.len() < 3 => Verdict::More,
        (_, true) => Verdict::Yes,
    },
    scan: |data, _| find(data, b"TOY"),
    start: |meta, _| Box::new(Frames { holed: [meta.joined != Joined::Opening; 2] }),
    samples: || {
        let frame =
            |stream: u8, text: &str| [b"TOY", &[stream][..], &(text.len() as u16).to_be_bytes(), text.as_bytes()].concat();
        let mut talk = Conversation::new("two streams in frames");
        for round in 0..4 {
            talk.say(
                Dir::ToServer,
                &[frame(1, "ask "), frame(2, &format!("other {round}\n")), frame(1, &format!("{round}\n"))].concat(),
            );
            talk.say(Dir::ToClient, &frame(1, &format!("answer {round}\n")));
            talk.say(Dir::ToClient, &frame(2, &format!("second {round}\n")));
        }
        vec![talk]
    },
};

/// Lines: each one is a flow.
pub static LINES: Protocol = Protocol {
    name: "toy-lines",
    transport: Transport::Stream,
    ports: &[],
    upgrades: &["lines"],
    begins: false,
    probe: |_| Verdict::No,
    scan: |data, _| Resync::Skip(data.len()),
    start: |_, _| Box::<Lines>::default(),
    samples: || {
        let mut talk = Conversation::new("101 to lines, with early client bytes");
        talk.say(Dir::ToServer, b"GET /up HTTP/1.1\r\nUpgrade: lines\r\nConnection: upgrade\r\n\r\nearly 1\nearly 2\n");
        talk.say(Dir::ToClient, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: lines\r\n\r\nhello\n");
        talk.say(Dir::ToServer, b"later\n");
        talk.say(Dir::ToClient, b"bye\n");
        vec![talk]
    },
};

fn find(data: &[u8], what: &[u8]) -> Resync {
    match memchr::memmem::find(data, what) {
        Some(n) => Resync::Found(n),
        None => Resync::Skip(data.len().saturating_sub(what.len() - 1)),
    }
}

#[derive(Debug)]
struct Frames {
    /// Whether lines of a direction may have been lost before a stream's first one.
    holed: [bool; 2],
}

impl Analyzer for Frames {
    fn feed(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        let mut cursor = Cursor::new(input.data);
        let (Some(magic), Some([stream])) = (cursor.take(3), cursor.take(1)) else { return Step::Need(6) };
        if magic != b"TOY" || ![1, 2].contains(stream) {
            return Step::Lost(Issue::broken("no frame"));
        }
        let Some(len) = cursor.u16() else { return Step::Need(6) };
        let start = cursor.position();
        if cursor.take(usize::from(len)).is_none() {
            return Step::Need(start + usize::from(len));
        }
        let holed = self.holed;
        let start_lines = || Some(Box::new(Lines { next: 0, holed }) as Box<dyn Analyzer>);
        cx.inner(u64::from(*stream), Some("frames"), start_lines, input.part(start..cursor.position()));
        Step::Took(cursor.position())
    }

    fn gap(&mut self, cx: &mut Cx<'_, '_>, rest: Input<'_>, len: u64) -> Gap {
        self.holed[rest.dir.index()] = true;
        cx.inner_gap(1, rest.dir, len);
        cx.inner_gap(2, rest.dir, len);
        Gap::Lost
    }

    fn resync(&mut self, _: Dir, data: &[u8]) -> Resync {
        find(data, b"TOY")
    }

    fn end(&mut self, _: &mut Cx<'_, '_>, _: Input<'_>, _: End) {}
}

#[derive(Debug, Default)]
struct Lines {
    next: u64,
    /// Whether what comes first of a direction need not be a line's start.
    holed: [bool; 2],
}

impl Analyzer for Lines {
    fn feed(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        if std::mem::take(&mut self.holed[input.dir.index()]) {
            return Step::Lost(Issue::JOINED);
        }
        let mut cursor = Cursor::new(input.data);
        let Some(line) = cursor.line() else { return Step::Need(input.data.len() + 1) };
        let key = self.next;
        self.next += 1;
        let text = String::from_utf8_lossy(line).into_owned();
        let first: Stamp = input.at(0);
        cx.open(key, "toy-lines", Pattern::Message, text, input.dir, first);
        cx.body(key, input.dir, line);
        cx.part(key, Part::BodyEnd { dir: input.dir, bytes: line.len() as u64, whole: true });
        cx.close(key, None, true, Some(input.at(cursor.position() - 1)));
        Step::Took(cursor.position())
    }

    fn gap(&mut self, _: &mut Cx<'_, '_>, _: Input<'_>, _: u64) -> Gap {
        Gap::Lost
    }

    fn resync(&mut self, _: Dir, data: &[u8]) -> Resync {
        memchr::memchr(b'\n', data).map_or(Resync::Skip(data.len()), |n| Resync::Found(n + 1))
    }

    fn end(&mut self, _: &mut Cx<'_, '_>, _: Input<'_>, _: End) {}
}
