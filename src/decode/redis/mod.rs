//! Redis and what speaks as it does, in RESP2 and RESP3 (<https://redis.io/docs/latest/develop/reference/protocol-spec/>): each command
//! with its answer, and what the server pushes. A replica's stream is told up to where it begins. Not the bus of a cluster.
//!
//! ```text
//!  client   HSET …   GET …   SUBSCRIBE a b
//!  server            :1   $5 …             subscribe a   message a …   subscribe b
//!           └─ a command is answered in its turn ─┘      └─ a push: a `deliver` flow of its own
//! ```

mod arrival;
mod asking;
mod command;
mod lone;
mod names;
mod push;
mod reply;
mod roles;
mod scan;
#[cfg(test)]
mod tests;
mod value;
mod waiting;

use super::keys::Keys;
use super::{Analyzer, Cx, Gap, Input, Protocol, Resync, Step};
use crate::model::{self, Dir, End, Headers, Issue, Joined, PENDING, Part, Stamp, Transport};
use asking::Asking;
use command::{Channels, Means, Silence};
use lone::Heard;
use reply::Down;
use roles::Roles;
use value::{Head, Read};
use waiting::{Asked, Waiting};

/// Redis.
pub static PROTOCOL: Protocol = Protocol {
    name: "redis",
    transport: Transport::Stream,
    ports: &[6379],
    upgrades: &[],
    begins: true,
    probe: scan::probe,
    scan: |data, effort| {
        // each of its two searches looks at the one or at both
        effort.places(2 * memchr::memchr2_iter(b'*', b'>', data).count());
        scan::scan(data)
    },
    start: |meta, _| match meta.joined {
        Joined::Opening => Box::new(Redis::new(meta.joined)),
        joined @ (Joined::Midway | Joined::BehindHole) => Box::new(Roles::new(joined)),
    },
    #[cfg(test)]
    samples: tests::samples,
};

/// What `body` reads a kept answer by: it is kept as it was sent.
const RESP: &str = "application/x-resp";
/// The same of names and values in turn, as RESP2 sends what is a map in RESP3.
const RESP_PAIRS: &str = "application/x-resp; pairs=1";

const BAD: Issue = Issue::broken("not RESP");

/// One connection.
#[derive(Debug)]
struct Redis {
    up: Up,
    down: Down,
    waiting: Waiting,
    keys: Keys,
    /// Whether a direction is known to stand at the start of a value.
    placed: [bool; 2],
    heard: Heard,
    /// What the client asked last.
    last: Option<Means>,
    /// Whether the server has ended its direction: no answer will come.
    silent: bool,
    session: Session,
}

/// What the client's direction is in.
#[derive(Debug)]
enum Up {
    /// A command is awaited.
    Start,
    /// In a command.
    Command(Box<Asking>),
    /// What follows is no exchange of commands and answers.
    Left,
}

/// What the connection has been told to be.
#[derive(Debug, Default)]
struct Session {
    /// Whether a list that looks like a message of a channel is one, as far as the server said: in RESP2, while anything is subscribed to.
    listens: Option<bool>,
    /// The database, where it was seen to be chosen.
    db: Option<i64>,
    /// Whether the next one will be chosen when the transaction runs.
    db_queued: bool,
    subscribed: Subscribed,
    /// Which of the following commands have no answer.
    silence: Option<Silence>,
    /// Whether commands are queued for a transaction, by what was asked so far.
    queues: bool,
    /// Whether what began or ended a transaction may have been lost since.
    unclear: bool,
    /// Whether all that the server does is told.
    monitor: bool,
}

/// To how many channels: by name, by pattern, of a shard.
#[derive(Debug, Default)]
struct Subscribed {
    counts: [u64; 3],
    /// Whether that is all there is.
    known: bool,
}

impl Subscribed {
    /// The server says how many there are now: of a shard's, or of the other two together.
    fn told(&mut self, of: Channels, total: u64) {
        let [names, patterns, shard] = &mut self.counts;
        match of {
            Channels::Names => (*patterns, *names) = ((*patterns).min(total), total.saturating_sub(*patterns)),
            Channels::Patterns => (*names, *patterns) = ((*names).min(total), total.saturating_sub(*names)),
            Channels::Shard => *shard = total,
        }
    }

    /// How many there are of a kind.
    fn of(&self, of: Channels) -> u64 {
        let [names, patterns, shard] = self.counts;
        match of {
            Channels::Names => names,
            Channels::Patterns => patterns,
            Channels::Shard => shard,
        }
    }

    fn any(&self) -> bool {
        self.counts.iter().any(|n| *n > 0)
    }
}

impl Session {
    /// The server says how many channels are subscribed to, in a list or by a push.
    fn told(&mut self, data: &[u8], of: Channels, total: u64) {
        self.subscribed.told(of, total);
        self.listens = Some(self.subscribed.any() && !arrival::is_push(data));
    }
}

impl Redis {
    fn new(joined: Joined) -> Self {
        let opening = joined == Joined::Opening;
        Self {
            up: Up::Start,
            down: Down::Start,
            waiting: Waiting::new(joined),
            keys: Keys::new(PROTOCOL.name, !opening),
            placed: [opening; 2],
            heard: Heard::new(opening),
            last: None,
            silent: false,
            session: Session {
                listens: opening.then_some(false),
                subscribed: Subscribed { known: opening, ..Subscribed::default() },
                ..Session::default()
            },
        }
    }

    /// A direction is known to stand at the start of a value.
    fn placed(&mut self, dir: Dir) {
        self.placed[dir.index()] = true;
    }

    /// No further answers come.
    fn give_up(&mut self, cx: &mut Cx<'_, '_>) {
        while let Some(asked) = self.waiting.give_up() {
            match asked {
                // the server is gone: that was the wish
                Asked { means: Means::Shutdown, key, .. } => cx.close(key, None, true, None),
                Asked { key, .. } => cx.close(key, Some(PENDING.into()), false, None),
            }
        }
    }

    /// Bytes of a direction may go by unseen.
    fn lose(&mut self, cx: &mut Cx<'_, '_>, dir: Dir) {
        self.placed[dir.index()] = false;
        self.heard.lose(dir);
        self.session.db = None;
        match dir {
            Dir::ToServer => {
                self.session.unclear = true;
                self.waiting.lost_commands();
            }
            Dir::ToClient => {
                (self.session.listens, self.session.subscribed) = (None, Subscribed::default());
                self.waiting.lost_answers(|lost| unseen(cx, &lost));
            }
        }
    }

    /// The place is lost, by what was found behind `taken` bytes: it is looked for again from there on.
    fn lost(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>, taken: usize) -> Step {
        cx.sink.note(None, BAD);
        self.heard.unread |= input.dir == Dir::ToServer;
        self.drop(cx, input.dir, Issue::GAP);
        self.lose(cx, input.dir);
        if taken > 0 { Step::Took(taken) } else { self.feed(cx, input) }
    }

    /// What is on its way in a direction will not be seen whole.
    fn drop(&mut self, cx: &mut Cx<'_, '_>, dir: Dir, issue: Issue) {
        match dir {
            Dir::ToServer => {
                if let Up::Command(asking) = std::mem::replace(&mut self.up, Up::Start) {
                    cx.undecoded(asking.bytes);
                }
            }
            Dir::ToClient => self.drop_reply(cx, issue),
        }
    }

    /// Where the next value starts that is sure to be one: a command; an answer that a client waits for, all bytes before its command
    /// being passed over; a push.
    fn place(&mut self, input: Input<'_>) -> Resync {
        let Input { dir, data, .. } = input;
        let found = match dir {
            Dir::ToServer => scan::commands(data),
            Dir::ToClient if self.waiting.expects() => {
                let ends = data.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
                match value::head(data.get(ends..).unwrap_or_default()) {
                    Read::Need(1) => Resync::Skip(ends),
                    Read::Is((Head::Line(..) | Head::Bytes(..) | Head::Values(..) | Head::Streamed(_), _)) | Read::Need(_) => {
                        Resync::Found(ends)
                    }
                    Read::Is((Head::End, _)) | Read::Bad => {
                        // nothing is open where the place is not known
                        self.waiting.confused(|_| {});
                        Resync::Skip(data.len())
                    }
                }
            }
            Dir::ToClient => self.heard.place(input, self.waiting.is_unasked()),
        };
        self.placed[dir.index()] |= matches!(found, Resync::Found(_));
        found
    }

    fn is_left(&self) -> bool {
        matches!(self.up, Up::Left)
    }
}

impl Analyzer for Redis {
    fn feed(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        if self.is_left() {
            return Step::Opaque;
        }
        if !self.placed[input.dir.index()] {
            return match self.place(input) {
                Resync::Found(0) => self.feed(cx, input),
                Resync::Skip(0) => Step::Need(input.data.len() + 1),
                Resync::Found(n) | Resync::Skip(n) => {
                    cx.undecoded(n as u64);
                    Step::Took(n)
                }
            };
        }
        match input.dir {
            Dir::ToServer => self.command(cx, input),
            Dir::ToClient => self.reply(cx, input),
        }
    }

    fn gap(&mut self, cx: &mut Cx<'_, '_>, rest: Input<'_>, len: u64) -> Gap {
        let dir = rest.dir;
        if self.is_left() || rest.data.is_empty() && self.bridge(cx, dir, len) {
            return Gap::Bridged;
        }
        self.drop(cx, dir, Issue::GAP);
        self.lose(cx, dir);
        Gap::Lost
    }

    fn resync(&mut self, dir: Dir, data: &[u8]) -> Resync {
        self.search(Input::new(dir, data, 0, &[]))
    }

    fn search(&mut self, input: Input<'_>) -> Resync {
        self.place(input)
    }

    fn waiting(&self) -> usize {
        self.waiting.len() * size_of::<Asked>()
    }

    fn rest(&mut self) {
        self.waiting.shrink();
    }

    fn end(&mut self, cx: &mut Cx<'_, '_>, rest: Input<'_>, _: End) {
        self.drop(cx, rest.dir, Issue::CUT);
        if rest.dir == Dir::ToClient {
            if !rest.data.is_empty() {
                self.waiting.lost_answers(|lost| unseen(cx, &lost));
            }
            self.silent = true;
        }
        if self.silent {
            self.give_up(cx);
        }
    }
}

impl Redis {
    /// Whether a hole lies inside a text of known length.
    fn bridge(&mut self, cx: &mut Cx<'_, '_>, dir: Dir, len: u64) -> bool {
        match dir {
            Dir::ToServer => match &mut self.up {
                Up::Command(asking) => asking.bridge(len),
                Up::Start | Up::Left => false,
            },
            Dir::ToClient => self.down.bridge(cx, len),
        }
    }
}

/// Its answer lies in a hole: neither there nor missing.
fn unseen(cx: &mut Cx<'_, '_>, asked: &Asked) {
    cx.note(asked.key, Issue::NO_RESPONSE);
    cx.close(asked.key, None, true, None);
}

/// The head of one side, which has no fields.
fn half(cx: &mut Cx<'_, '_>, key: u64, dir: Dir, first: Stamp, media_type: Option<&str>) {
    let hint = model::BodyHint { media_type: media_type.map(Into::into), ..Default::default() };
    cx.part(key, Part::Head(Box::new(model::Head { dir, first, headers: Headers::default(), head_bytes: 0, hint })));
}
