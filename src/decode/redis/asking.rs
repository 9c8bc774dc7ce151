//! The client's side: commands, as arrays of texts or as lines, and what they ask of the connection.

use super::command::{Arguments, Means, Silence, split, text};
use super::value::{Head, Kind, LINE, Read, Reader, What};
use super::waiting::{Asked, WAITING};
use super::{Redis, Up, half, names, unseen};
use crate::decode::{Cx, Input, Step};
use crate::model::{Dir, Fields, Issue, Part, Pattern, Stamp};

/// The shortest argument in which a hole may lie: none that decides what a command means is so long.
const BRIDGED: u64 = 64;

/// A command on its way.
#[derive(Debug)]
pub struct Asking {
    first: Stamp,
    arguments: Arguments,
    reader: Reader,
    /// Its bytes so far.
    pub bytes: u64,
    /// Whether all of it was seen.
    whole: bool,
    /// How long the argument is that comes.
    length: u64,
}

impl Asking {
    fn new(first: Stamp) -> Self {
        Self { first, arguments: Arguments::default(), reader: Reader::default(), bytes: 0, whole: true, length: 0 }
    }

    /// Whether so many lost bytes all belong to an argument that decides nothing.
    pub fn bridge(&mut self, lost: u64) -> bool {
        let bridged = self.arguments.count() > 1 && self.length > BRIDGED && self.reader.bridge(lost);
        if bridged {
            self.whole = false;
            self.bytes += lost;
        }
        bridged
    }
}

impl Redis {
    /// Bytes of the client's.
    pub(super) fn command(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        let mut asking = match std::mem::replace(&mut self.up, Up::Start) {
            Up::Command(asking) => *asking,
            Up::Start if input.data.first() == Some(&b'*') => Asking::new(input.at(0)),
            Up::Start => return self.line(cx, input),
            Up::Left => return Step::Opaque,
        };
        let mut taken = 0;
        loop {
            let outer = asking.reader.depth() == 0;
            let piece = match asking.reader.next(input.data.get(taken..).unwrap_or_default()) {
                Read::Is(piece) => piece,
                Read::Need(n) => {
                    asking.bytes += taken as u64;
                    if asking.bytes > 0 {
                        self.up = Up::Command(Box::new(asking));
                    }
                    return if taken > 0 { Step::Took(taken) } else { Step::Need(n) };
                }
                Read::Bad => {
                    cx.undecoded(asking.bytes + taken as u64);
                    return self.lost(cx, input, taken);
                }
            };
            match piece.what {
                // the server passes over empty ones
                What::Head(Head::Values(Kind::Many, 0) | Head::Line(Kind::Scalar, _)) if outer => {
                    cx.undecoded(piece.taken as u64);
                    return Step::Took(piece.taken);
                }
                What::Head(Head::Values(Kind::Many, _)) if outer => {}
                What::Head(Head::Bytes(Kind::Bulk, length)) if !outer => {
                    asking.length = length;
                    asking.arguments.begin();
                }
                What::Head(_) => {
                    cx.undecoded(asking.bytes + taken as u64);
                    return self.lost(cx, input, taken);
                }
                What::Data(bytes) => asking.arguments.push(bytes),
                What::End => {}
            }
            taken += piece.taken;
            if piece.ends {
                asking.bytes += taken as u64;
                self.asked(cx, &asking, input.at(taken - 1));
                return Step::Took(taken);
            }
        }
    }

    /// A command in one line.
    fn line(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        let Some(end) = memchr::memchr(b'\n', input.data) else {
            return if input.data.len() < LINE { Step::Need(input.data.len() + 1) } else { self.lost(cx, input, 0) };
        };
        let taken = end + 1;
        let line = input.data.get(..end).unwrap_or_default();
        let words = split(line).filter(|_| end < LINE);
        match words.as_deref() {
            Some([]) => {
                cx.undecoded(taken as u64);
                return Step::Took(taken);
            }
            Some([name, ..]) if names::is_word(name) => {}
            Some(_) | None => return self.lost(cx, input, 0),
        }
        let mut asking = Asking::new(input.at(0));
        for word in words.iter().flatten() {
            asking.arguments.begin();
            asking.arguments.push(word);
        }
        asking.bytes = taken as u64;
        self.asked(cx, &asking, input.at(end));
        Step::Took(taken)
    }

    /// A command is whole.
    fn asked(&mut self, cx: &mut Cx<'_, '_>, asking: &Asking, last: Stamp) {
        let Asking { first, arguments, bytes, whole, .. } = asking;
        let means = arguments.means();
        // only a replica says so, and only in its stream
        if means == Means::Acknowledged {
            cx.undecoded(*bytes);
            return self.leave(cx);
        }
        let key = self.keys.open(cx, Pattern::Query, arguments.operation(), Dir::ToServer, *first);
        if *whole {
            let (values, notes) = arguments.values();
            let mut fields = Fields::default().with("redis.args", values);
            if let Some(channel) = arguments.channel() {
                fields.set("redis.channel", &*text(channel).0);
            }
            cx.fields(key, fields);
            notes.into_iter().for_each(|note| cx.note(key, note));
        } else {
            cx.note(key, Issue::GAP);
        }
        half(cx, key, Dir::ToServer, *first, None);
        cx.part(key, Part::BodyEnd { dir: Dir::ToServer, bytes: *bytes, whole: *whole });
        // whether it waits for a transaction to run, or holds already
        if self.session.unclear && matches!(means, Means::Silence(_) | Means::Speak) {
            self.waiting.confused(|lost| unseen(cx, &lost));
        }
        if !self.is_answered(means) {
            return cx.close(key, None, true, Some(last));
        }
        let (room, answering) = (cx.limits().body, self.down.answering());
        self.last = Some(means);
        if cx.surplus(self.waiting.len(), WAITING) > 0 {
            self.waiting.crowded();
        }
        self.waiting.ask(Asked { key, means, bytes: 0, room }, first.time, answering, |lost| unseen(cx, &lost));
        if means == Means::Sync && !self.waiting.is_sure() {
            self.leave(cx);
        }
        if self.silent {
            self.give_up(cx);
        }
    }

    /// Whether a command has an answer, by what the client wished for so far.
    fn is_answered(&mut self, means: Means) -> bool {
        let session = &mut self.session;
        let silence = session.silence;
        session.unclear &= !matches!(means, Means::Multi | Means::Exec | Means::Discard | Means::Reset);
        match means {
            Means::Multi => session.queues = true,
            Means::Exec | Means::Discard => session.queues = false,
            Means::Reset => {
                (session.queues, session.silence) = (false, None);
                return true;
            }
            Means::Silence(new) if !session.queues => {
                session.silence = if silence == Some(Silence::Always) { silence } else { Some(new) };
                return false;
            }
            Means::Speak if !session.queues => {
                session.silence = None;
                return true;
            }
            _ => {}
        }
        match silence {
            Some(Silence::Always) => false,
            Some(Silence::Once) => {
                session.silence = None;
                false
            }
            None => true,
        }
    }
}
