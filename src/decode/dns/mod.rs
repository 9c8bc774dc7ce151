//! DNS over UDP and TCP (RFC 1035, RFC 7766): a query with its answer. Not multicast DNS, whose answers are nobody's in particular.

mod early;
mod message;
mod name;
mod names;
mod record;
#[cfg(test)]
mod tests;

use super::cursor::Cursor;
use super::search::having;
use super::{Analyzer, Cx, Effort, Gap, Input, Probe, Protocol, Resync, Step, Verdict};
use crate::model::{
    ConnMeta, Dir, End, Fact, Fields, Head, Headers, Issue, Joined, PENDING, Part, Pattern, Rank, Scope, Stamp, Transport, Value,
};
use crate::time::{Span, Time};
use early::is_of_group;
use message::{ANSWERS, Message, NOTIFY, Question, UPDATE, plausible};
use names::names;
use record::{AXFR, IXFR, code_word, kind_word};
use std::collections::VecDeque;

/// DNS over UDP.
pub static UDP: Protocol = Protocol {
    name: "dns",
    transport: Transport::Datagram,
    ports: &[53],
    upgrades: &[],
    begins: false,
    probe: |probe| verdict(probe.data, probe.dir),
    scan: |data, _| Resync::Skip(data.len()),
    start: |meta, _| Box::new(Dns::new(meta)),
    #[cfg(test)]
    samples: tests::datagrams,
};

/// DNS over TCP: each message behind its length.
pub static TCP: Protocol = Protocol {
    name: "dns",
    transport: Transport::Stream,
    ports: &[53],
    upgrades: &[],
    begins: false,
    probe,
    scan,
    start: |meta, _| Box::new(Dns::new(meta)),
    #[cfg(test)]
    samples: tests::streams,
};

/// How long an answer may take in packet time: resolvers wait no longer (`resolv.conf(5)`, `timeout`), and IDs are used again.
const TIMEOUT: Span = Span::from_secs(30);

const BAD: Issue = Issue::broken("not a DNS message");
const PART: Issue = Issue::unseen("not all of the message could be read");
const AGAIN: Issue = Issue::remark("asked again");
const TRUNCATED: Issue = Issue::remark("truncated: the answer had no room");
const MORE: Issue = Issue::remark("more answers than are kept");
const TOO_MANY: Issue = Issue::unseen("too many queries wait for their answer");
const ASKED_GROUP: Issue = Issue::unseen("asked of a group");

/// Whether this is a message, and of the side that it is from.
fn verdict(data: &[u8], dir: Dir) -> Verdict {
    // NetBIOS's name service is framed alike (RFC 1002 §4.2), and encodes its names in half-bytes (RFC 1001 §14.1)
    let net_bios =
        |name: &str| name.split('.').next().is_some_and(|l| l.len() == 32 && l.bytes().all(|b| matches!(b, b'A'..=b'P')));
    let known = |q: &Question| q.kind != 0 && matches!(q.class, 1 | 3 | 4 | 254 | 255) && !net_bios(&q.name);
    match Message::read_if(data, |message| message.question.as_ref().is_some_and(known)) {
        None => Verdict::No,
        Some(message) if !message.whole => Verdict::More,
        Some(message) if message.response == (dir == Dir::ToClient) => Verdict::Yes,
        Some(_) => Verdict::Reversed,
    }
}

fn probe(probe: &Probe<'_>) -> Verdict {
    let mut c = Cursor::new(probe.data);
    let Some(length) = c.u16().map(usize::from) else { return Verdict::More };
    match c.take(length) {
        Some(message) => match verdict(message, probe.dir) {
            Verdict::More => Verdict::No,
            verdict => verdict,
        },
        // the shortest question: a header, the root, a type and a class
        None if length >= 17 && plausible(c.rest()) => Verdict::More,
        None => Verdict::No,
    }
}

/// A whole message behind its length, or what may become one.
fn scan(data: &[u8], effort: &mut Effort) -> Resync {
    // the number of questions, behind the length, the ID and the flags, is 0 or 1
    for at in having(data, 0, 6).filter(|at| data.get(at + 7).is_none_or(|b| *b <= 1)) {
        effort.places(1);
        let probe = Probe { dir: Dir::ToServer, data: data.get(at..).unwrap_or_default(), opening: false };
        match self::probe(&probe) {
            Verdict::Yes | Verdict::Reversed => return Resync::Found(at),
            Verdict::More => return Resync::Skip(at),
            Verdict::No => {}
        }
    }
    Resync::Skip(data.len())
}

/// One connection. Either side may ask: servers that forward do so from their own port.
#[derive(Debug)]
struct Dns {
    framed: bool,
    /// Open, or answered not long ago; oldest first.
    exchanges: Vec<Exchange>,
    /// Answers that came before their queries, as datagrams may.
    early: VecDeque<Found>,
    next_key: u64,
    /// Not yet said that the connection was joined late.
    joined: bool,
}

/// A query on its way.
#[derive(Debug)]
struct Exchange {
    key: u64,
    /// The query's.
    dir: Dir,
    id: u16,
    question: Option<Question>,
    /// When its last message came.
    time: Time,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// An answer is due.
    Open,
    /// It may lie in a hole.
    Doubt,
    /// A zone goes over, in as many messages as it takes (RFC 5936 §2.2): bytes and the last packet so far.
    Transfer(u64, Stamp),
    /// It is over: a second answer is to a second asking.
    Answered,
}

/// A message where it was found.
#[derive(Debug)]
struct Found {
    message: Message,
    dir: Dir,
    /// The packets that brought its first and its last byte.
    first: Stamp,
    last: Stamp,
    length: usize,
}

impl Found {
    /// Whether it is one of several messages that a zone goes over in: which one is the last is not told.
    fn is_transfer(&self) -> bool {
        let Message { response, code, question, .. } = &self.message;
        *response && *code == 0 && question.as_ref().is_some_and(|q| matches!(q.kind, AXFR | IXFR))
    }
}

impl Dns {
    fn new(meta: &ConnMeta) -> Self {
        let joined = meta.joined != Joined::Opening;
        Self { framed: meta.transport == Transport::Stream, exchanges: Vec::new(), early: VecDeque::new(), next_key: 0, joined }
    }

    fn message(&mut self, cx: &mut Cx<'_, '_>, found: Found) {
        let now = found.first.time;
        while self.exchanges.first().is_some_and(|e| now.since(e.time) > TIMEOUT) {
            over(cx, &self.exchanges.remove(0));
        }
        if found.message.response { self.answer(cx, found) } else { self.query(cx, &found) }
    }

    fn query(&mut self, cx: &mut Cx<'_, '_>, found: &Found) {
        let Found { message, dir, .. } = found;
        let open = |e: &&Exchange| e.is(*dir, message) && matches!(e.state, State::Open | State::Doubt);
        if let Some(earlier) = self.exchanges.iter().find(open) {
            return cx.note(earlier.key, AGAIN);
        }
        if self.exchanges.len() >= cx.limits().pending {
            let oldest = self.exchanges.remove(0);
            if oldest.state != State::Answered {
                cx.note(oldest.key, TOO_MANY);
            }
            over(cx, &oldest);
        }
        let key = self.open(cx, *dir, found);
        half(cx, key, found);
        let (question, time) = (message.question.clone(), found.last.time);
        let early = self.early(*dir, message);
        self.exchanges.push(Exchange { key, dir: *dir, id: message.id, question, time, state: State::Open });
        early.into_iter().for_each(|answer| self.answer(cx, answer));
    }

    fn answer(&mut self, cx: &mut Cx<'_, '_>, found: Found) {
        let Found { message, length, .. } = &found;
        let dir = found.dir.other();
        let of = |e: &Exchange| e.is(dir, message);
        let at = self.exchanges.iter().position(|e| of(e) && e.state != State::Answered);
        let Some(e) = at.or_else(|| self.exchanges.iter().position(of)).and_then(|at| self.exchanges.get_mut(at)) else {
            return self.is_early(cx, found);
        };
        (e.time, e.question) = (found.last.time, e.question.take().or_else(|| message.question.clone()));
        let transfer = found.is_transfer();
        match e.state {
            State::Answered => cx.undecoded(*length as u64),
            State::Transfer(bytes, _) => {
                let bytes = bytes + *length as u64;
                cx.part(e.key, Part::BodyEnd { dir: found.dir, bytes, whole: false });
                e.state = State::Transfer(bytes, found.last);
            }
            State::Open | State::Doubt => {
                half(cx, e.key, &found);
                answers(cx, e.key, &found);
                if transfer {
                    e.state = State::Transfer(*length as u64, found.last);
                } else {
                    e.state = State::Answered;
                    cx.close(e.key, Some(code_word(message.code).into()), message.code == 0, Some(found.last));
                }
            }
        }
        // the oldest first, so that those that wait too long are found there
        self.exchanges.sort_by_key(|e| e.time);
    }

    /// An answer to a query that was not seen, or not of this connection.
    fn unasked(&mut self, cx: &mut Cx<'_, '_>, found: &Found) {
        let key = self.open(cx, found.dir.other(), found);
        cx.note(key, if is_of_group(cx) { ASKED_GROUP } else { Issue::NO_REQUEST });
        half(cx, key, found);
        answers(cx, key, found);
        // when its query was sent is not known: it has no duration
        cx.close(key, Some(code_word(found.message.code).into()), found.message.code == 0, None);
    }

    fn open(&mut self, cx: &mut Cx<'_, '_>, dir: Dir, found: &Found) -> u64 {
        let (key, message) = (self.next_key, &found.message);
        self.next_key += 1;
        cx.open(key, "dns", Pattern::Query, operation(message), dir, found.first);
        if std::mem::take(&mut self.joined) {
            cx.note(key, Issue::JOINED);
        }
        let mut fields = Fields::default().with("dns.id", i64::from(message.id));
        if let Some(question) = &message.question {
            fields.set("dns.question", &*question.name);
            fields.set("dns.type", &*kind_word(question.kind));
        }
        cx.fields(key, fields);
        if !message.whole && !message.response {
            cx.note(key, PART);
        }
        key
    }

    /// No further answers come to queries of this direction.
    fn give_up(&mut self, cx: &mut Cx<'_, '_>, dir: Dir) {
        self.exchanges.retain(|e| {
            if e.dir == dir {
                over(cx, e);
            }
            e.dir != dir
        });
    }

    /// Answers to queries of this direction may have been lost.
    fn doubt(&mut self, cx: &mut Cx<'_, '_>, dir: Dir) {
        for e in self.exchanges.iter_mut().filter(|e| e.dir == dir) {
            match e.state {
                State::Open => e.state = State::Doubt,
                State::Transfer(..) => cx.note(e.key, Issue::GAP),
                State::Doubt | State::Answered => {}
            }
        }
    }
}

impl Exchange {
    /// Whether a message with the query in this direction is of it.
    fn is(&self, dir: Dir, message: &Message) -> bool {
        let same = |q: &Question| self.question.as_ref().is_none_or(|own| own == q);
        self.dir == dir && self.id == message.id && message.question.as_ref().is_none_or(same)
    }
}

impl Analyzer for Dns {
    fn feed(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        let mut c = Cursor::new(input.data);
        let data = if self.framed {
            let Some(length) = c.u16().map(usize::from) else { return Step::Need(2) };
            let Some(data) = c.take(length) else { return Step::Need(2 + length) };
            data
        } else {
            c.take(input.data.len()).unwrap_or_default()
        };
        let length = c.position();
        match Message::read(data) {
            Some(message) => {
                let (first, last) = (input.at(0), input.at(length - 1));
                self.message(cx, Found { message, dir: input.dir, first, last, length });
            }
            None if !self.framed && plausible(data) => return Step::Need(length + 1),
            None => return Step::Lost(BAD),
        }
        Step::Took(length)
    }

    fn gap(&mut self, cx: &mut Cx<'_, '_>, rest: Input<'_>, _: u64) -> Gap {
        self.doubt(cx, rest.dir.other());
        Gap::Lost
    }

    fn resync(&mut self, _: Dir, data: &[u8]) -> Resync {
        scan(data, &mut Effort::default())
    }

    fn rest(&mut self) {
        self.exchanges.shrink_to_fit();
        self.early.shrink_to_fit();
    }

    fn waits(&self) -> bool {
        !self.early.is_empty()
    }

    fn tick(&mut self, cx: &mut Cx<'_, '_>, now: Stamp) {
        self.wait_no_longer(cx, now.time);
    }

    fn end(&mut self, cx: &mut Cx<'_, '_>, rest: Input<'_>, _: End) {
        self.wait_for_none(cx);
        let asked = rest.dir.other();
        if !rest.data.is_empty() {
            self.doubt(cx, asked);
        }
        self.give_up(cx, asked);
    }
}

/// `A example.com`: names are the same in any case, so that one who asks in changing case asks the same.
fn operation(message: &Message) -> String {
    let opcode = match message.opcode {
        NOTIFY => "NOTIFY ",
        UPDATE => "UPDATE ",
        _ => "",
    };
    match &message.question {
        Some(question) => format!("{opcode}{} {}", kind_word(question.kind), question.name.to_ascii_lowercase()),
        None => format!("{opcode}(no question)"),
    }
}

/// One side of a flow: its message has no body beside its fields, but a size.
fn half(cx: &mut Cx<'_, '_>, key: u64, found: &Found) {
    let (dir, first, bytes) = (found.dir, found.first, found.length as u64);
    cx.part(key, Part::Head(Box::new(Head { dir, first, headers: Headers::default(), head_bytes: 0, hint: Default::default() })));
    cx.part(key, Part::BodyEnd { dir, bytes, whole: !found.is_transfer() });
}

/// What was answered, and whom it names.
fn answers(cx: &mut Cx<'_, '_>, key: u64, found: &Found) {
    let message = &found.message;
    let asked = message.question.as_ref().map(|q| q.kind);
    let texts = message.answers.iter().map(|record| {
        let text = record.data.to_string();
        Value::Text(if asked == Some(record.kind) { text } else { format!("{} {text}", kind_word(record.kind)) }.into())
    });
    // a zone is no list of answers
    if !found.is_transfer() {
        let mut fields = Fields::default();
        fields.set("dns.answers", Value::List(texts.collect()));
        cx.fields(key, fields);
    }
    let remarks = [(!message.whole, PART), (message.truncated, TRUNCATED), (message.count > ANSWERS, MORE)];
    remarks.iter().filter(|(holds, _)| *holds).for_each(|(_, issue)| cx.note(key, *issue));
    for (address, service) in names(message) {
        cx.fact(Fact::Named { scope: Scope::Ip(address), rank: Rank::Capture, service: service.as_str().into() });
    }
}

/// Nothing more comes of a query.
fn over(cx: &mut Cx<'_, '_>, e: &Exchange) {
    match e.state {
        State::Open => cx.close(e.key, Some(PENDING.into()), false, None),
        State::Doubt => {
            cx.note(e.key, Issue::NO_RESPONSE);
            cx.close(e.key, None, true, None);
        }
        State::Transfer(_, last) => cx.close(e.key, Some(code_word(0).into()), true, Some(last)),
        State::Answered => {}
    }
}
