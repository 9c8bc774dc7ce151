//! PostgreSQL's frontend/backend protocol 3 (PostgreSQL documentation, "Frontend/Backend Protocol"): each statement with what became of
//! it, by simple and by extended query. Rows are counted, not kept.
//!
//! ```text
//!  client   Query                                         Query: a flow, up to ReadyForQuery
//!           Parse ─ Bind ─ Describe ─ Execute … Sync      Execute: a flow, with the text that was prepared
//!  server   ParseComplete … RowDescription, DataRow …, CommandComplete | ErrorResponse, ReadyForQuery
//!           NotificationResponse                          a `deliver` flow of its own
//! ```
//!
//! A login is a flow only where it failed. A connection that serves something else says so in one flow: `SSLRequest` and `GSSENCRequest`
//! where the session goes on encrypted, `CancelRequest`, and `START_REPLICATION`, which ends where the stream begins that is not read.

mod certainty;
mod exchange;
mod failing;
mod fault;
mod frame;
mod lone;
mod parameters;
mod session;
mod sql;
mod statements;
mod telling;
#[cfg(test)]
mod tests;
mod who;

use super::detect::Detect;
use super::sealed;
use super::{Analyzer, Cx, Effort, Gap, Input, Protocol, Resync, Step};
use crate::model::{ConnMeta, Dir, End, Issue, Joined, Stamp, Transport};
use exchange::{Exchange, Flow};
use frame::{HEAD, Message, STARTUP, Start, Startup};
use session::Session;

/// PostgreSQL.
pub static PROTOCOL: Protocol = Protocol {
    name: "postgresql",
    transport: Transport::Stream,
    ports: &[5432],
    upgrades: &[],
    begins: false,
    probe: frame::probe,
    scan: frame::scan,
    start: |meta, _| Box::new(Postgres::new(meta)),
    #[cfg(test)]
    samples: tests::samples,
};

/// How much of a message is read, in bytes: of a longer statement or parameter the beginning.
const READ: usize = 64 * 1024;

const BAD: Issue = Issue::broken("not a PostgreSQL message");

/// One connection.
#[derive(Debug)]
struct Postgres {
    states: [State; 2],
    session: Session,
    /// What was asked in place of a session.
    encryption: Option<Box<(&'static str, Place)>>,
}

/// What is awaited of a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Of the client: a startup message. Of the server: what follows one.
    Start,
    /// Of the server: the byte that answers a request for encryption.
    Choice,
    /// Of the client: what that byte was; where it is lost, by what is said next.
    Asked,
    Told,
    /// A message, at a place that has yet to show that one starts there.
    Place,
    /// A message.
    Message,
    /// So many bytes of one that is passed over.
    Skip(u32),
    /// Nothing more.
    Over,
}

/// A message where it was found, as far as it is read.
#[derive(Clone, Copy)]
struct Found<'a> {
    kind: u8,
    payload: &'a [u8],
    /// Its whole length, in bytes.
    length: usize,
    /// The packets that brought its first byte, and the last one that was read.
    at: (Stamp, Stamp),
    /// Whether bytes of its direction came before it.
    passed: bool,
}

/// Where a message was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    first: Stamp,
    last: Stamp,
    length: usize,
}

impl Found<'_> {
    const fn place(&self) -> Place {
        Place { first: self.at.0, last: self.at.1, length: self.length }
    }
}

impl Postgres {
    fn new(meta: &ConnMeta) -> Self {
        let opening = meta.joined == Joined::Opening;
        let state = if opening { State::Start } else { State::Place };
        Self { states: [state; 2], session: Session::new(opening), encryption: None }
    }

    fn state(&mut self, dir: Dir) -> &mut State {
        let [to_server, to_client] = &mut self.states;
        match dir {
            Dir::ToServer => to_server,
            Dir::ToClient => to_client,
        }
    }

    fn start(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        let (startup, length) = match frame::startup(input.data) {
            Start::Is(found) => found,
            Start::Partial => return Step::Need(STARTUP),
            Start::No => return self.lost(cx, input.dir),
        };
        let Some(message) = input.data.get(..length) else { return Step::Need(length) };
        let place = Place { first: input.at(0), last: input.at(length - 1), length };
        match startup {
            Startup::Encryption(word) => {
                self.states = [State::Asked, State::Choice];
                self.encryption = Some(Box::new((word, place)));
            }
            Startup::Cancel => {
                self.states = [State::Over; 2];
                self.session.cancels(cx, message, place);
            }
            Startup::Session => {
                self.states = [State::Message; 2];
                self.session.begin(message.get(STARTUP..).unwrap_or_default(), place);
            }
        }
        Step::Took(length)
    }

    /// The server's answer to a request for encryption: a byte.
    fn choice(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        match input.data.first() {
            Some(b'N') => {
                self.states = [State::Start; 2];
                Step::Took(1)
            }
            Some(b'S' | b'G') => {
                if let Some(asked) = self.encryption.take() {
                    self.session.encrypted(cx, *asked, Some(input.at(0)));
                }
                Step::Become { took: 1, to: Detect::boxed(), layer: None, reversed: false }
            }
            // an error: the server is too old, or refuses
            _ => {
                *self.state(Dir::ToClient) = State::Message;
                self.message(cx, input)
            }
        }
    }

    /// What the client says behind a request for encryption whose answer is lost.
    fn told(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        let sealed = sealed::is_record(input.data);
        if sealed && input.data.len() < sealed::HEAD {
            return Step::Need(sealed::HEAD);
        }
        if sealed && let Some(asked) = self.encryption.take() {
            self.session.encrypted(cx, *asked, None);
            return Step::Become { took: 0, to: Detect::boxed(), layer: None, reversed: false };
        }
        let step = self.start(cx, input);
        // another one is lost for good
        if let Step::Lost(_) = step {
            *self.state(Dir::ToServer) = State::Place;
        }
        step
    }

    fn message(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        let dir = input.dir;
        let Message { kind, total } = match frame::message(input.data, dir) {
            Start::Is(message) => message,
            Start::Partial => return Step::Need(HEAD),
            Start::No => return self.lost(cx, dir),
        };
        let read = match (kind, dir) {
            // rows and copied data are counted
            (b'D', Dir::ToClient) | (b'd', _) => HEAD,
            _ => total.min(READ),
        };
        let Some(payload) = input.data.get(HEAD..read) else { return Step::Need(read) };
        let found = Found { kind, payload, length: total, at: (input.at(0), input.at(read - 1)), passed: input.base() > 0 };
        match dir {
            Dir::ToServer => self.session.asked(cx, found),
            Dir::ToClient if self.session.answered(cx, found) => self.states = [State::Over; 2],
            Dir::ToClient => {}
        }
        if read < total && *self.state(dir) == State::Message {
            *self.state(dir) = State::Skip((total - read) as u32);
        }
        Step::Took(read)
    }

    fn skip(&mut self, input: Input<'_>, left: u32) -> Step {
        let n = input.data.len().min(left as usize);
        *self.state(input.dir) = if left as usize == n { State::Message } else { State::Skip(left - n as u32) };
        Step::Took(n)
    }

    fn lost(&mut self, cx: &mut Cx<'_, '_>, dir: Dir) -> Step {
        self.lose(cx, dir);
        Step::Lost(BAD)
    }

    /// Messages of a direction may go by unseen.
    fn lose(&mut self, cx: &mut Cx<'_, '_>, dir: Dir) {
        *self.state(dir) = State::Message;
        // what the other side waits for may be lost
        let other = self.state(dir.other());
        *other = match *other {
            State::Asked => State::Told,
            State::Start | State::Choice => State::Place,
            as_it_is => as_it_is,
        };
        self.session.lose(cx, dir);
    }
}

impl Analyzer for Postgres {
    fn feed(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        match (*self.state(input.dir), input.dir) {
            (State::Start, Dir::ToServer) => self.start(cx, input),
            (State::Told, _) => self.told(cx, input),
            // a server says nothing before it is asked
            (State::Start, Dir::ToClient) | (State::Asked, _) => Step::Wait,
            (State::Choice, _) => self.choice(cx, input),
            (State::Place, dir) => match (frame::chain(input.data, dir), frame::chain(input.data, dir.other())) {
                (Start::Is(()), _) => {
                    *self.state(dir) = State::Message;
                    self.message(cx, input)
                }
                (_, Start::Is(())) => {
                    let to = Self { states: [State::Place; 2], session: Session::new(false), encryption: None };
                    Step::Become { took: 0, to: Box::new(to), layer: None, reversed: true }
                }
                (Start::Partial, _) | (_, Start::Partial) => Step::Need(input.data.len() + 1),
                (Start::No, Start::No) => Step::Lost(Issue::JOINED),
            },
            (State::Message, _) => self.message(cx, input),
            (State::Skip(left), _) => self.skip(input, left),
            (State::Over, _) => Step::Opaque,
        }
    }

    fn gap(&mut self, cx: &mut Cx<'_, '_>, rest: Input<'_>, len: u64) -> Gap {
        let dir = rest.dir;
        match *self.state(dir) {
            State::Skip(left) if rest.data.is_empty() && len <= u64::from(left) => {
                let left = left - len as u32;
                *self.state(dir) = if left == 0 { State::Message } else { State::Skip(left) };
                Gap::Bridged
            }
            State::Over => Gap::Bridged,
            State::Start | State::Choice | State::Asked | State::Told | State::Place | State::Message | State::Skip(_) => {
                self.lose(cx, dir);
                Gap::Lost
            }
        }
    }

    fn resync(&mut self, dir: Dir, data: &[u8]) -> Resync {
        frame::resync(data, dir, &mut Effort::default())
    }

    fn waiting(&self) -> usize {
        self.session.waiting.len() * (size_of::<Exchange>() + size_of::<Flow>())
    }

    fn remembered(&self) -> usize {
        self.session.statements.cost()
    }

    fn rest(&mut self) {
        self.session.rest();
    }

    fn end(&mut self, cx: &mut Cx<'_, '_>, rest: Input<'_>, _: End) {
        *self.state(rest.dir) = State::Over;
        if !rest.data.is_empty() {
            self.session.lose(cx, rest.dir);
        }
        if self.states == [State::Over; 2] {
            self.session.over(cx);
        }
    }
}
