//! HTTP/0.9, 1.0 and 1.1 (RFC 1945, RFC 9110, RFC 9112): requests with their responses, on one connection.

mod ending;
mod exchange;
mod framing;
mod head;
mod held;
mod message;
mod scan;
#[cfg(test)]
mod tests;

use super::grpc::Call;
use super::{Analyzer, Cx, Gap, Input, Probe, Protocol, Resync, Step, Verdict};
use crate::model::{ConnMeta, Dir, End, Issue, Joined, Part, Pattern, Stamp, Transport};
use ending::{close, unanswered, unseen_answer};
use exchange::{Answer, Exchange, Exchanges, Method, Whose};
use framing::{Framing, Move};
use head::{Kind, Parsed, Start};
pub(super) use head::{fields_so_far, meaning};
pub(super) use message::{interim, path};

/// HTTP/1.
pub static PROTOCOL: Protocol = Protocol {
    name: "http",
    transport: Transport::Stream,
    ports: &[80, 8080, 8000, 3000, 5000],
    upgrades: &[],
    begins: false,
    probe,
    scan: scan::any,
    start: |meta, _| Box::new(Http1::new(meta)),
    #[cfg(test)]
    samples: tests::samples,
};

const BAD_HEAD: Issue = Issue::broken("not an HTTP message");

fn probe(probe: &Probe<'_>) -> Verdict {
    let [own, other] = match probe.dir {
        Dir::ToServer => [Kind::Request, Kind::Response],
        Dir::ToClient => [Kind::Response, Kind::Request],
    };
    let start = first_byte(probe.data);
    let data = probe.data.get(start..).unwrap_or_default();
    match (head::start(own, data), head::start(other, data)) {
        // HTTP/0.9 is believed only as the first thing that was sent
        (Parsed::Whole(Start::Request { version: "0.9", .. }, _), _) if !probe.opening => Verdict::No,
        (Parsed::Whole(Start::Request { method, .. }, _), _) if !probe.opening && !head::METHODS.contains(&method) => Verdict::No,
        (Parsed::Whole(..), _) => Verdict::Yes,
        (_, Parsed::Whole(Start::Request { version: "0.9", .. }, _)) => Verdict::No,
        (_, Parsed::Whole(Start::Request { method, .. }, _)) if !head::METHODS.contains(&method) => Verdict::No,
        (_, Parsed::Whole(..)) => Verdict::Reversed,
        (Parsed::Partial, _) | (_, Parsed::Partial) if probe.opening || head::may_be_known(data) => Verdict::More,
        (Parsed::Partial, _) | (_, Parsed::Partial) => Verdict::No,
        (Parsed::Bad, Parsed::Bad) => Verdict::No,
    }
}

/// Empty lines before a message are passed over (RFC 9112 §2.2).
fn first_byte(data: &[u8]) -> usize {
    data.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(data.len())
}

/// One connection.
#[derive(Debug)]
pub struct Http1 {
    /// What each direction is in.
    states: [State; 2],
    exchanges: Exchanges,
    next_key: u64,
    /// Whether a direction is known to stand at the start of a message.
    placed: [bool; 2],
    /// Whether the next message of a direction was found behind a hole, where a body that holds one looks the same.
    found: [bool; 2],
    /// Whether a request was passed over because it could not be read: the next response without one may be its answer.
    unread: bool,
    /// Not yet said that the connection was joined late.
    joined: bool,
    /// Whether the server has ended its direction: no answer will come.
    silent: bool,
    /// The call that a response belongs to whose request was not seen, under its key.
    lone: Option<Box<(u64, Call)>>,
    /// Whom the response that waits for more bytes answers, where that is no request that was seen.
    orphan: Option<Whose>,
    /// Where the long head of a direction begins that is not whole, and how many bytes of it were looked through for its end.
    sought: Option<Box<[(u64, usize); 2]>>,
}

#[derive(Debug)]
enum State {
    /// A first line is awaited.
    Head,
    /// In a message's body.
    Body(Message),
    /// The request asked for another protocol: the answer decides what follows.
    Held,
    /// What follows is not HTTP/1.
    Left,
}

/// The body of a message on its way.
#[derive(Debug)]
struct Message {
    key: u64,
    framing: Framing,
    code: Option<u16>,
    /// How many more bytes are kept.
    room: usize,
    bytes: u64,
    /// Bytes told of so far, for bodies that grow past what is kept.
    told: u64,
    /// The packet that brought its last byte so far.
    last: Stamp,
    whole: bool,
}

/// How often the growth of a body that is no longer kept is told, in bytes.
const TELL_EVERY: u64 = 1024 * 1024;

impl Http1 {
    fn new(meta: &ConnMeta) -> Self {
        let opening = meta.joined == Joined::Opening;
        Self {
            states: [State::Head, State::Head],
            exchanges: Exchanges::new(meta.joined),
            next_key: 0,
            placed: [opening; 2],
            found: [false; 2],
            unread: false,
            joined: !opening,
            silent: false,
            lone: None,
            orphan: None,
            sought: None,
        }
    }

    fn open(&mut self, cx: &mut Cx<'_, '_>, operation: &str, dir: Dir, first: Stamp) -> u64 {
        let key = self.next_key;
        self.next_key += 1;
        cx.open(key, "http", Pattern::RequestResponse, operation, dir, first);
        if std::mem::take(&mut self.joined) {
            cx.note(key, Issue::JOINED);
        }
        key
    }

    fn body(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>, mut message: Message) -> Step {
        let dir = input.dir;
        match message.framing.advance(input.data, cx.limits().fields) {
            Move::Content(n) => {
                message.bytes += n as u64;
                if let Some(call) = self.call(message.key) {
                    message.told = message.bytes;
                    call.data(cx, message.key, input.part(0..n));
                } else {
                    let kept = n.min(message.room);
                    cx.body(message.key, dir, input.data.get(..kept).unwrap_or_default());
                    message.room -= kept;
                }
                message.last = input.at(n.saturating_sub(1));
                if message.room == 0 && message.bytes - message.told >= TELL_EVERY {
                    message.told = message.bytes;
                    cx.part(message.key, Part::BodyEnd { dir, bytes: message.bytes, whole: false });
                }
                if message.framing.done() {
                    let last = message.last;
                    self.finish(cx, dir, message, Some(last));
                } else {
                    self.states[dir.index()] = State::Body(message);
                }
                Step::Took(n)
            }
            Move::Frame(n) => {
                self.states[dir.index()] = State::Body(message);
                Step::Took(n)
            }
            Move::Trailers(block, n) => {
                if block.sloppy {
                    cx.note(message.key, message::BAD_FIELDS);
                }
                if let Some(call) = self.call(message.key) {
                    call.trailers(cx, message.key, dir, &block.headers, false);
                }
                if !block.headers.is_empty() {
                    cx.part(message.key, Part::Trailers(dir, block.headers));
                }
                self.finish(cx, dir, message, Some(input.at(n.saturating_sub(1))));
                Step::Took(n)
            }
            Move::Need(n) => {
                self.states[dir.index()] = State::Body(message);
                Step::Need(n)
            }
            Move::Broken(issue) => {
                cx.note(message.key, issue);
                self.finish(cx, dir, message, None);
                self.lost(dir, true)
            }
        }
    }

    /// A message is over; `last` is the packet that brought its last byte, where it was seen.
    fn finish(&mut self, cx: &mut Cx<'_, '_>, dir: Dir, message: Message, last: Option<Stamp>) {
        let whole = message.whole && last.is_some();
        match self.call(message.key) {
            Some(call) => call.end(cx, message.key, dir, whole),
            None => cx.part(message.key, Part::BodyEnd { dir, bytes: message.bytes, whole }),
        }
        self.states[dir.index()] = State::Head;
        match dir {
            Dir::ToServer => {
                if let Some(e) = self.exchanges.sending() {
                    e.request_done = true;
                    if e.answered.is_none() && (e.method == Method::Connect || e.upgrade.is_some()) {
                        self.states[0] = State::Held;
                    }
                }
            }
            Dir::ToClient => {
                self.exchanges.answered(message.last.time);
                let answer = Answer { code: message.code, last };
                match self.exchanges.get(message.key) {
                    Some(e) => e.answered = Some(answer),
                    // when its request began is not known: it has no duration
                    None => {
                        let lone = self.lone.take_if(|lone| lone.0 == message.key);
                        let whole = answer.last.is_some();
                        close(cx, message.key, lone.as_ref().map(|lone| (&lone.1, whole)), Answer { last: None, ..answer });
                    }
                }
                // the answer to an Upgrade or a CONNECT has come: what was held back is HTTP after all
                if matches!(self.states[0], State::Held) && !self.exchanges.switching() {
                    self.states[0] = State::Head;
                }
            }
        }
        if self.silent {
            self.give_up(cx);
        }
        while let Some(e) = self.exchanges.finished() {
            if let Some(answer) = e.answered {
                close(cx, e.key, e.call.as_deref().map(|call| (call, answer.last.is_some())), answer);
            }
        }
    }

    fn call(&mut self, key: u64) -> Option<&mut Call> {
        match self.exchanges.get(key) {
            Some(e) => e.call.as_deref_mut(),
            None => self.lone.as_mut().filter(|lone| lone.0 == key).map(|lone| &mut lone.1),
        }
    }

    /// No further answers come.
    fn give_up(&mut self, cx: &mut Cx<'_, '_>) {
        while let Some(e) = self.exchanges.give_up() {
            unanswered(cx, &e);
        }
    }

    /// The place is lost, by what was found there.
    fn lost(&mut self, dir: Dir, rest: bool) -> Step {
        self.lose(dir, rest);
        let placed = std::mem::take(&mut self.placed[dir.index()]);
        self.unread |= placed && dir == Dir::ToServer;
        Step::Lost(if placed { BAD_HEAD } else { Issue::JOINED })
    }

    /// Answers, or requests, may have gone by unseen, behind the rest of one or not.
    fn lose(&mut self, dir: Dir, rest: bool) {
        match dir {
            Dir::ToServer => self.exchanges.lost_requests(rest),
            Dir::ToClient => self.exchanges.lost_answers(),
        }
        if !matches!(self.states[dir.index()], State::Held) {
            self.states[dir.index()] = State::Head;
        }
    }
}

impl Analyzer for Http1 {
    fn feed(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        let state = &mut self.states[input.dir.index()];
        match std::mem::replace(state, State::Head) {
            State::Head => self.head(cx, input),
            State::Body(message) => self.body(cx, input, message),
            State::Held => self.held(cx, input),
            State::Left => Step::Opaque,
        }
    }

    fn gap(&mut self, cx: &mut Cx<'_, '_>, rest: Input<'_>, len: u64) -> Gap {
        let dir = rest.dir;
        match std::mem::replace(&mut self.states[dir.index()], State::Head) {
            State::Body(mut message) => {
                if message.whole {
                    cx.note(message.key, Issue::GAP);
                }
                message.whole = false;
                message.room = 0;
                let bridged = rest.data.is_empty() && message.framing.bridge(len);
                if let Some(call) = self.call(message.key) {
                    match bridged {
                        true => call.gap(cx, message.key, dir, len),
                        false => call.lose(cx, message.key, dir),
                    }
                }
                if !bridged {
                    self.finish(cx, dir, message, None);
                    self.lose(dir, true);
                    return Gap::Lost;
                }
                message.bytes += len;
                if message.framing.done() {
                    self.finish(cx, dir, message, None);
                    if dir == Dir::ToClient {
                        self.exchanges.lost_end();
                    }
                } else {
                    self.states[dir.index()] = State::Body(message);
                }
                Gap::Bridged
            }
            State::Left => {
                self.states[dir.index()] = State::Left;
                Gap::Bridged
            }
            State::Held => {
                self.states[dir.index()] = State::Held;
                self.exchanges.lost_requests(false);
                Gap::Lost
            }
            State::Head => {
                let (before, blind) = (self.next_key, self.exchanges.is_blind());
                if dir == Dir::ToClient {
                    self.exchanges.lost_end();
                }
                self.partial_head(cx, rest, Issue::GAP, len);
                self.placed[dir.index()] = false;
                let began = self.next_key > before;
                self.lose(dir, began);
                if blind && began && dir == Dir::ToServer {
                    // what was lost of the answers before is what followed the head's first bytes: its own may be among it
                    self.exchanges.lost_answers();
                }
                Gap::Lost
            }
        }
    }

    fn resync(&mut self, dir: Dir, data: &[u8]) -> Resync {
        self.exchanges.pass(dir);
        if dir == Dir::ToClient && !self.exchanges.expecting() {
            return Resync::Skip(data.len());
        }
        let next = scan::message(kind(dir), data);
        self.found[dir.index()] = matches!(next, Resync::Found(_));
        next
    }

    fn waiting(&self) -> usize {
        self.exchanges.len() * size_of::<Exchange>()
    }

    fn end(&mut self, cx: &mut Cx<'_, '_>, rest: Input<'_>, how: End) {
        let dir = rest.dir;
        match std::mem::replace(&mut self.states[dir.index()], State::Head) {
            State::Body(message) if message.framing == Framing::UntilClose && how == End::Fin => {
                let last = message.last;
                self.finish(cx, dir, message, Some(last));
            }
            State::Body(message) => {
                cx.note(message.key, Issue::CUT);
                self.finish(cx, dir, message, None);
            }
            State::Head => self.partial_head(cx, rest, Issue::CUT, 0),
            State::Held | State::Left => {}
        }
        self.silent |= dir == Dir::ToClient;
        if self.silent {
            self.give_up(cx);
        }
        self.states[dir.index()] = State::Left;
    }

    fn rest(&mut self) {
        self.exchanges.rest();
    }
}

const fn kind(dir: Dir) -> Kind {
    match dir {
        Dir::ToServer => Kind::Request,
        Dir::ToClient => Kind::Response,
    }
}
