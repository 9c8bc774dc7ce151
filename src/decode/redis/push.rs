//! What the server sends unasked, once it is told from answers: messages of channels, other pushes, lines of `MONITOR`.

use super::arrival;
use super::command::{Means, text};
use super::reply::Down;
use super::value::{Read, Reader, What};
use super::{RESP, Redis, half};
use crate::decode::{Cx, Input, Step};
use crate::model::{Dir, Fields, Part, Pattern, Stamp};

/// How much is kept of the name of a channel.
const LONGEST_NAME: usize = 1024;

/// A pushed value on its way.
#[derive(Debug)]
pub struct Push {
    /// Its flow.
    pub key: u64,
    /// Where it ends.
    pub reader: Reader,
    /// Bytes of its body so far.
    pub bytes: u64,
    /// How many more are kept.
    pub room: usize,
    /// Whether all of it was seen.
    pub whole: bool,
    keeps: Keeps,
}

/// What is a pushed value's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// The text that it is: a message's payload.
    Text,
    /// All of it, as it was sent.
    Value,
}

impl Redis {
    /// Whether a value that looks like a message of a channel is one: in RESP2 a list may look the same, but a subscriber asks for none.
    pub(super) fn is_pushed(&self, data: &[u8]) -> bool {
        let asks_none = || self.last.is_none_or(Means::of_subscriber);
        arrival::is_push(data) || self.session.listens.unwrap_or_else(asks_none)
    }

    pub(super) fn open_push(
        &mut self,
        cx: &mut Cx<'_, '_>,
        input: Input<'_>,
        name: &[u8],
        pattern: Option<&[u8]>,
        keeps: Keeps,
    ) -> Push {
        let short = |name: &[u8]| text(name.get(..LONGEST_NAME).unwrap_or(name)).0;
        let (name, first) = (short(name), input.at(0));
        let key = self.keys.open(cx, Pattern::Deliver, format!("deliver {name}"), Dir::ToClient, first);
        let mut fields = Fields::default();
        if keeps == Keeps::Text && name != "MONITOR" {
            fields.set("redis.channel", &*name);
        }
        if let Some(pattern) = pattern {
            fields.set("redis.pattern", &*short(pattern));
        }
        cx.fields(key, fields);
        half(cx, key, Dir::ToClient, first, (keeps == Keeps::Value).then_some(RESP));
        Push { key, reader: Reader::default(), bytes: 0, room: cx.limits().body, whole: true, keeps }
    }

    /// More of something that is pushed.
    pub(super) fn push(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>, mut push: Push) -> Step {
        let mut taken = 0;
        loop {
            match push.reader.next(input.data.get(taken..).unwrap_or_default()) {
                Read::Is(piece) => {
                    let own = match (push.keeps, piece.what) {
                        (Keeps::Value, _) => input.data.get(taken..taken + piece.taken).unwrap_or_default(),
                        (Keeps::Text, What::Data(bytes)) => bytes,
                        (Keeps::Text, What::Head(_) | What::End) => &[],
                    };
                    let kept = own.get(..push.room).unwrap_or(own);
                    cx.body(push.key, Dir::ToClient, kept);
                    push.room -= kept.len();
                    push.bytes += own.len() as u64;
                    taken += piece.taken;
                    if piece.ends {
                        self.pushed(cx, push, input.at(taken - 1));
                        return Step::Took(taken);
                    }
                }
                Read::Need(n) => {
                    self.down = Down::Push(Box::new(push));
                    return if taken > 0 { Step::Took(taken) } else { Step::Need(n) };
                }
                Read::Bad => {
                    self.down = Down::Push(Box::new(push));
                    return self.lost(cx, input, taken);
                }
            }
        }
    }

    /// It is whole.
    pub(super) fn pushed(&mut self, cx: &mut Cx<'_, '_>, push: Push, last: Stamp) {
        cx.part(push.key, Part::BodyEnd { dir: Dir::ToClient, bytes: push.bytes, whole: push.whole });
        cx.close(push.key, None, true, Some(last));
    }
}
