//! Answers to commands that were not captured: a flow each, where no command that was seen may be theirs; and where one begins, which
//! only time shows once bytes are lost.

use super::command::Means;
use super::scan::{self, Answers};
use super::value::Read;
use super::waiting::Asked;
use super::{Redis, arrival, names};
use crate::decode::{Cx, Input, Resync};
use crate::model::{Dir, Issue, Pattern, unknown};
use crate::time::{Span, Time};

const UNREAD: Issue = Issue::unseen("its command could not be read");

/// How long a server is silent before what it says is an answer's beginning, and not the rest of a long one: longer than that takes
/// from one packet to the next where it is not slowed down.
const PAUSE: Span = Span::from_millis(10);

/// What was seen of the server's side.
#[derive(Debug)]
pub struct Heard {
    /// Whether all of both sides was.
    whole: bool,
    /// Whether bytes of it were lost since it was joined, and when the last ones came.
    lossy: bool,
    last: Option<Time>,
    /// Whether a command was passed over that could not be read.
    pub unread: bool,
}

impl Heard {
    pub fn new(opening: bool) -> Self {
        Self { whole: opening, lossy: false, last: None, unread: false }
    }

    /// Bytes of a direction are lost.
    pub fn lose(&mut self, dir: Dir) {
        self.whole = false;
        self.lossy |= dir == Dir::ToClient;
    }

    /// Where something begins that the server says: a push; an answer, where any is one that nobody is known to wait for.
    pub fn place(&mut self, input: Input<'_>, unasked: bool) -> Resync {
        let pushed = arrival::scan(input.data);
        if unasked { self.answer(input).or(pushed) } else { pushed }
    }

    /// An answer that fills what there is from the beginning of a packet on.
    fn answer(&mut self, input: Input<'_>) -> Resync {
        let mut last = self.last;
        for (offset, stamp) in input.marks() {
            let before = last.replace(stamp.time);
            let waited = before.is_some_and(|before| stamp.time.since(before) >= PAUSE);
            let at = offset.checked_sub(input.base()).and_then(|at| usize::try_from(at).ok());
            let Some((at, data)) =
                at.filter(|at| waited || *at == 0 && !self.lossy).and_then(|at| Some((at, input.data.get(at..)?)))
            else {
                continue;
            };
            match scan::answers(data) {
                Read::Is(Answers::Text(lines)) => return Resync::Found(at + if waited { 0 } else { lines }),
                Read::Is(Answers::Line) if waited => return Resync::Found(at),
                Read::Need(_) => {
                    // it is looked at again once there is more
                    self.last = before;
                    return Resync::Skip(at);
                }
                Read::Is(Answers::Line | Answers::Lines) | Read::Bad => {}
            }
        }
        self.last = last;
        Resync::Skip(input.data.len())
    }
}

impl Redis {
    /// Whether a line that looks like one that `MONITOR` tells is one: where that was asked, or may have been.
    pub(super) fn may_tell(&self) -> bool {
        self.session.monitor || !self.heard.whole && self.waiting.is_unasked()
    }

    /// How many bytes show whether an answer that begins looks like a command, as long as none was seen: then the sides may be the other
    /// way round.
    pub(super) fn needs(&self, input: Input<'_>) -> Option<usize> {
        match scan::command(input.data) {
            Read::Need(n) if self.last.is_none() => Some(n),
            Read::Need(_) | Read::Is(_) | Read::Bad => None,
        }
    }

    /// A flow for an answer that begins, and is nobody's that was seen. None where it may be something else.
    pub(super) fn open_lone(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Option<Asked> {
        let room = cx.limits().body;
        let asked = |key| Some(Asked { key, means: Means::Answer, bytes: 0, room });
        // of a connection that was seen whole nothing can be missing: a server that has no room for a client says so unasked
        if self.heard.whole {
            let refuses = matches!(input.data.first(), Some(b'-' | b'!'));
            return refuses
                .then(|| self.keys.open(cx, Pattern::Message, "error".to_owned(), Dir::ToClient, input.at(0)))
                .and_then(asked);
        }
        if self.last.is_none() && matches!(scan::command(input.data), Read::Is((name, _)) if names::is_known(name)) {
            return None;
        }
        let key = self.keys.open(cx, Pattern::Query, unknown::COMMAND.to_owned(), Dir::ToServer, input.at(0));
        cx.note(key, if std::mem::take(&mut self.heard.unread) { UNREAD } else { Issue::NO_REQUEST });
        asked(key)
    }
}
