//! A content on its way: the method that begins it, its header, its body in as many frames as it takes (§4.2.6). Not what becomes of
//! the message.

use super::field::Table;
use super::message;
use super::waiting::Sent;
use crate::decode::{Cx, Input};
use crate::model::{Dir, Fields, Head, Issue, Part, Stamp};
use std::hash::{DefaultHasher, Hasher};

/// What is noted of a message whose properties break the bounds of their format, or ours.
pub(super) const BAD_PROPERTIES: Issue = Issue::broken("the properties cannot be read");
const TOO_LONG: Issue = Issue::broken("more body than the content's header says");

/// What stands for a message's properties and body where two are compared.
pub type Digest = u64;

/// A content of which more is to come.
#[derive(Debug)]
pub struct Content {
    /// What it is.
    pub what: What,
    /// Its flow; none where it adds nothing to one: the publish that it brings back has it already.
    pub key: Option<u64>,
    /// The packet that brought the method's first byte.
    pub first: Stamp,
    /// The method's length on the wire.
    head_bytes: u64,
    /// Bytes of the body that are still to come; none before the header.
    left: Option<u64>,
    /// Those that went by.
    bytes: u64,
    /// How many more are kept.
    room: usize,
    /// The packet that brought its last byte so far.
    pub last: Stamp,
    /// Whether all of it so far was seen.
    pub whole: bool,
    /// Whether what becomes of it may be lost, unless more of it is seen.
    pub doubt: bool,
    digest: Option<DefaultHasher>,
}

/// What a content is.
#[derive(Debug)]
pub enum What {
    /// A publish; under which tag it will be confirmed, and by what it is known when the broker tells of it.
    Publish(Option<u64>, Sent),
    /// A delivery, or what a get got: its tag, and whether an acknowledgement is due, where that is known.
    Deliver(u64, Option<bool>),
    /// A publish comes back: where it was published, with which key, and what is said of that.
    Return(Box<[u8]>, Box<[u8]>, Fields),
}

impl Content {
    /// A method of `length` bytes begins it.
    pub fn new(what: What, key: Option<u64>, (first, last): (Stamp, Stamp), length: usize) -> Self {
        let compared = matches!(what, What::Publish(_, Sent { mandatory: true, .. }) | What::Return(..));
        let digest = compared.then(DefaultHasher::new);
        let head_bytes = length as u64;
        Self { what, key, first, head_bytes, left: None, bytes: 0, room: 0, last, whole: true, doubt: false, digest }
    }

    /// Its direction.
    pub fn dir(&self) -> Dir {
        match self.what {
            What::Publish(..) => Dir::ToServer,
            What::Deliver(..) | What::Return(..) => Dir::ToClient,
        }
    }

    /// How long it was on the wire, the frames of its body left out.
    pub fn length(&self) -> u64 {
        self.head_bytes
    }

    /// Whether nothing more is to come.
    pub fn is_done(&self) -> bool {
        self.left == Some(0)
    }

    /// Whether its header is still to come.
    pub fn is_headless(&self) -> bool {
        self.left.is_none()
    }

    /// Its header, in a frame of `length` bytes.
    pub fn header(&mut self, cx: &mut Cx<'_, '_>, payload: &[u8], length: usize, last: Stamp) {
        let read = message::read(payload);
        // the size stands before what could not be read
        let size = payload.get(4..12).and_then(|size| size.try_into().ok()).map_or(0, u64::from_be_bytes);
        (self.left, self.last, self.doubt) = (Some(size), last, false);
        self.head_bytes += length as u64;
        if let Some(digest) = &mut self.digest {
            digest.write_u64(size);
            match &read {
                Some((_, properties)) => message::digest(properties, digest),
                None => digest.write(payload),
            }
        }
        let Some(key) = self.key else { return };
        if read.is_none() {
            cx.note(key, BAD_PROPERTIES);
        }
        let properties = read.map_or_else(Table::default, |(_, properties)| properties);
        let told = message::told(&properties);
        self.room = cx.limits().keep(!told.hint.encodings.is_empty());
        cx.trace(key, &told.carried);
        cx.fields(key, told.fields);
        let (first, head_bytes) = (self.first, self.head_bytes);
        cx.part(key, Part::Head(Box::new(Head { dir: self.dir(), first, headers: told.headers, head_bytes, hint: told.hint })));
    }

    /// Some of its body; what is more than that is counted as undecoded.
    pub fn data(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) {
        let all = input.data.len();
        let n = all.min(usize::try_from(self.left.unwrap_or(0)).unwrap_or(usize::MAX));
        let data = input.data.get(..n).unwrap_or_default();
        if n < all {
            cx.undecoded((all - n) as u64);
            if let Some(key) = self.key {
                cx.note(key, TOO_LONG);
            }
        }
        if n == 0 {
            return;
        }
        if let Some(digest) = &mut self.digest {
            digest.write(data);
        }
        (self.last, self.doubt) = (input.at(n - 1), false);
        self.passed(n as u64);
        if let Some(key) = self.key {
            let kept = n.min(self.room);
            cx.body(key, self.dir(), data.get(..kept).unwrap_or_default());
            self.room -= kept;
        }
    }

    fn passed(&mut self, n: u64) {
        self.left = self.left.map(|left| left.saturating_sub(n));
        self.bytes += n;
    }

    /// `n` bytes of its body are lost.
    pub fn gap(&mut self, cx: &mut Cx<'_, '_>, n: u64) {
        self.lose(cx, Issue::GAP);
        self.passed(n);
    }

    /// Some of it is lost.
    pub fn lose(&mut self, cx: &mut Cx<'_, '_>, issue: Issue) {
        if let Some(key) = self.key.filter(|_| self.whole) {
            cx.note(key, issue);
        }
        (self.whole, self.room, self.digest) = (false, 0, None);
    }

    /// It is over: tells how long the body was.
    pub fn end(&self, cx: &mut Cx<'_, '_>) {
        if let Some(key) = self.key.filter(|_| self.left.is_some()) {
            cx.part(key, Part::BodyEnd { dir: self.dir(), bytes: self.bytes, whole: self.whole && self.is_done() });
        }
    }

    /// What stands for its properties and body, where all of them were seen.
    pub fn digest(&self) -> Option<Digest> {
        self.digest.as_ref().filter(|_| self.whole && self.is_done()).map(Hasher::finish)
    }
}
