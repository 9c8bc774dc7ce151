//! Which side is the client, of a connection that was joined late: it sends commands, and the other side what no client sends.
//!
//! A list of words that a server answers may look like a command. So what comes from the side that is taken for the server turns the
//! roles round only where the other side, too, says what it is not taken for.

use super::arrival::{self, Arrival};
use super::scan::{self, Answers};
use super::value::{Head, Read, head};
use super::{Redis, names};
use crate::decode::{Analyzer, Cx, Gap, Input, Resync, Step};
use crate::model::{Dir, End, Joined};

/// Nothing yet tells.
#[derive(Debug, Default)]
pub struct Roles {
    /// Whether the side that is taken for the server begins with a command.
    asks: bool,
    /// Whether commands were lost, and nothing was seen since of what the server says.
    unanswered: bool,
    /// Whether what went by was an answer, or the end of a client's command.
    answered: bool,
}

/// What the first bytes of a direction tell of who sent them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    Client,
    Server,
    /// It answers, or goes on with what began before.
    Answers,
    Unknown,
}

fn sender(data: &[u8]) -> Read<Sender> {
    match (arrival::read(data), scan::command(data)) {
        (Read::Is(Arrival::Message { .. } | Arrival::Confirm { .. } | Arrival::Push(b"invalidate")), _) => {
            Read::Is(Sender::Server)
        }
        (_, Read::Is((name, _))) if names::is_known(name) => Read::Is(Sender::Client),
        (Read::Need(n), _) | (_, Read::Need(n)) => Read::Need(n),
        _ => match head(data) {
            Read::Is((Head::End, _)) | Read::Bad => Read::Is(Sender::Unknown),
            Read::Is(_) => Read::Is(Sender::Answers),
            Read::Need(n) => Read::Need(n),
        },
    }
}

impl Analyzer for Roles {
    fn feed(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        self.unanswered &= input.dir == Dir::ToServer;
        let sender = match sender(input.data) {
            Read::Is(sender) => sender,
            Read::Need(n) => return Step::Need(n),
            Read::Bad => Sender::Unknown,
        };
        // where the opening was seen, the roles are known
        let guessed = cx.meta().joined == Joined::Midway;
        // nothing of this direction was missed
        let whole = !guessed && input.base() == 0;
        let reversed = match (input.dir, sender) {
            (Dir::ToServer, Sender::Client) | (Dir::ToClient, Sender::Server) => false,
            (Dir::ToServer, Sender::Server) if guessed => true,
            (Dir::ToServer, Sender::Answers) if guessed && self.asks => true,
            (Dir::ToClient, Sender::Client) if guessed => {
                self.asks = true;
                return Step::Wait;
            }
            (Dir::ToClient, Sender::Answers) if whole => false,
            (Dir::ToClient, Sender::Answers) => match scan::answers(input.data) {
                Read::Need(n) => return Step::Need(n),
                Read::Is(Answers::Text(0)) if self.is_answer(cx) => false,
                Read::Is(Answers::Text(lines @ 1..)) => {
                    cx.undecoded(lines as u64);
                    return Step::Took(lines);
                }
                Read::Is(_) | Read::Bad => return self.pass_over(cx, input),
            },
            _ => return self.pass_over(cx, input),
        };
        let mut to = Redis::new(if self.unanswered { Joined::BehindHole } else { Joined::Midway });
        if whole && input.dir == Dir::ToClient {
            to.placed(Dir::ToClient);
        }
        Step::Become { took: 0, to: Box::new(to), layer: None, reversed }
    }

    fn gap(&mut self, _: &mut Cx<'_, '_>, rest: Input<'_>, _: u64) -> Gap {
        self.unanswered &= rest.dir == Dir::ToServer;
        Gap::Lost
    }

    fn resync(&mut self, _: Dir, data: &[u8]) -> Resync {
        match sender(data) {
            Read::Is(Sender::Unknown) | Read::Bad => scan::scan(data),
            Read::Is(_) => Resync::Found(0),
            Read::Need(_) => Resync::Skip(0),
        }
    }

    fn end(&mut self, _: &mut Cx<'_, '_>, _: Input<'_>, _: End) {}
}

impl Roles {
    pub fn new(joined: Joined) -> Self {
        Self { unanswered: joined == Joined::BehindHole, ..Self::default() }
    }

    /// Whether a text shows a server. Where the roles are guessed, and no port says the same, it may be the end of a command, but only
    /// the first one.
    fn is_answer(&mut self, cx: &Cx<'_, '_>) -> bool {
        let usual = super::PROTOCOL.ports.contains(&cx.meta().server.port());
        cx.meta().joined != Joined::Midway || usual || std::mem::replace(&mut self.answered, true)
    }

    /// What tells nothing is not kept: the next that may is looked for.
    fn pass_over(&self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        let behind = input.data.get(1..).unwrap_or_default();
        let (Resync::Found(n) | Resync::Skip(n)) = scan::scan(behind);
        cx.undecoded(1 + n as u64);
        Step::Took(1 + n)
    }
}
