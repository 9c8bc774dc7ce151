//! HTTP/2 (RFC 9113) in the clear: with prior knowledge or after an Upgrade from HTTP/1 (RFC 7540 §3.2); a flow a stream.
//!
//! ```text
//!  bytes ─> Frame ─┬─ HEADERS, PUSH_PROMISE, CONTINUATION ─> block ─> hpack ─> Head ─┐
//!                  ├─ DATA, as it comes ─────────────────────────────────────────────┼─> Stream ─> its flow, its call
//!                  └─ RST_STREAM, GOAWAY ────────────────────────────────────────────┘
//! ```
//! Streams pair requests with responses by their number, which is never used again, so that a hole costs what it hides and never makes a
//! pair of what is none. What was lost outside the content of a DATA frame may have been a header block: then the table of its direction
//! is forgotten ([`hpack`]) and fields of before are not shown. Frames are found again by `scan`. What the SETTINGS say changes nothing
//! for a reader: the size of a table in use is said within the blocks, and the length of a frame in its head.

mod frame;
mod head;
pub mod hpack;
mod scan;
mod stream;
mod streams;
mod tables;
#[cfg(test)]
pub(super) mod tests;

use super::grpc::Ended;
use super::search::Search;
use super::{Analyzer, Cx, Effort, Gap, Input, Protocol, Resync, Step};
use crate::model::{Dir, End, Headers, Issue, Joined, Stamp, Transport};
use frame::{Frame, Kind, PREFACE};
use head::{Head, Pieces};
use stream::Block;
use streams::Streams;

/// HTTP/2.
pub static PROTOCOL: Protocol = Protocol {
    name: "http2",
    transport: Transport::Stream,
    ports: &[50051],
    upgrades: &["h2c"],
    begins: false,
    probe: scan::probe,
    scan: |data, effort| {
        let preface = memchr::memmem::find(data, PREFACE).map(Resync::Found);
        preface.unwrap_or_else(|| scan::scan(data, scan::UNKNOWN, effort))
    },
    start: |meta, _| Box::new(Http2::new(meta.joined)),
    #[cfg(test)]
    samples: tests::samples,
};

const BAD_FRAME: Issue = Issue::broken("not an HTTP/2 frame");
const BAD_BLOCK: Issue = Issue::broken("interrupted header block");
const LONG_BLOCK: Issue = Issue::broken("header block longer than the limit");

/// One connection.
#[derive(Debug)]
struct Http2 {
    sides: [Side; 2],
    streams: Streams,
    /// Whether the layer's name is among those of its flows.
    layered: bool,
}

/// One direction.
#[derive(Debug)]
struct Side {
    state: State,
    decoder: hpack::Decoder,
    /// A header block of which more is to come.
    block: Option<Box<Pieces>>,
    /// How far it was searched for a start, once it was.
    search: Option<Box<Search>>,
}

/// What is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The client's first bytes.
    Preface,
    /// A place where frames start.
    Place,
    /// A frame.
    Frame,
    /// The rest of a DATA frame: its content and its padding.
    Data { stream: u32, content: u32, padding: u32, end: bool },
    /// The rest of a frame that is not read.
    Skip(u32),
    /// Nothing: the direction is over.
    Over,
}

impl Http2 {
    fn new(joined: Joined) -> Self {
        let opening = joined == Joined::Opening;
        let state = |state| if opening { state } else { State::Place };
        let side = |first| Side { state: state(first), decoder: hpack::Decoder::new(opening), block: None, search: None };
        Self { sides: [side(State::Preface), side(State::Frame)], streams: Streams::new(!opening), layered: false }
    }

    fn side(&mut self, dir: Dir) -> &mut Side {
        &mut self.sides[dir.index()]
    }

    /// The preface where it is there, else frames.
    fn place(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        let (dir, data) = (input.dir, input.data);
        if dir == Dir::ToServer && data.iter().zip(PREFACE).all(|(a, b)| a == b) {
            if data.len() < PREFACE.len() {
                return Step::Need(PREFACE.len());
            }
            self.side(dir).state = State::Frame;
            return Step::Took(PREFACE.len());
        }
        if self.side(dir).state == State::Preface {
            return self.lost(cx, dir, BAD_FRAME);
        }
        match self.search(input) {
            Resync::Found(0) => {
                self.side(dir).state = State::Frame;
                self.frame(cx, input)
            }
            Resync::Skip(0) => Step::Need(data.len() + 1),
            Resync::Found(_) | Resync::Skip(_) => Step::Lost(Issue::JOINED),
        }
    }

    fn frame(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        let Some(frame) = Frame::read(input.data) else { return Step::Need(frame::HEAD) };
        let dir = input.dir;
        if !frame.is_valid() {
            return self.lost(cx, dir, BAD_FRAME);
        }
        let total = frame::HEAD + frame.length;
        if self.side(dir).block.is_some() && frame.kind != Kind::Continuation {
            cx.sink.note(None, BAD_BLOCK);
            self.forget(dir);
        }
        let long = total > cx.limits().buffer;
        match frame.kind {
            Kind::Data => return self.data_head(cx, input, frame),
            Kind::Headers | Kind::Promise | Kind::Continuation if long => {
                cx.sink.note(None, LONG_BLOCK);
                self.forget(dir);
                return self.skip(input, total as u32);
            }
            Kind::GoAway if long => return self.skip(input, total as u32),
            Kind::Other | Kind::Settings | Kind::Priority | Kind::Ping | Kind::Window => return self.skip(input, total as u32),
            Kind::Headers | Kind::Promise | Kind::Continuation | Kind::Reset | Kind::GoAway => {}
        }
        let Some(payload) = input.data.get(frame::HEAD..total) else { return Step::Need(total) };
        match frame.kind {
            Kind::Reset => {
                if let (Some(code), Some(stream)) = (frame::reset(payload), self.streams.remove(frame.stream)) {
                    stream.reset(cx, Ended::Reset(dir, code, input.at(total - 1).time), input.at(total - 1));
                }
            }
            Kind::GoAway => {
                if let Some((last, code)) = frame::goaway(payload) {
                    self.streams.going_away(cx, dir, (last, code), input.at(total - 1));
                }
            }
            _ => return self.block(cx, input, frame, payload),
        }
        Step::Took(total)
    }

    /// Passes over a frame as far as it is there.
    fn skip(&mut self, input: Input<'_>, left: u32) -> Step {
        let n = input.data.len().min(left as usize);
        let left = left - n as u32;
        self.side(input.dir).state = if left == 0 { State::Frame } else { State::Skip(left) };
        Step::Took(n)
    }

    /// A DATA frame begins.
    fn data_head(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>, frame: Frame) -> Step {
        let dir = input.dir;
        let head = frame::HEAD + frame.before_content();
        let Some(last) = head.checked_sub(1).and_then(|i| input.data.get(i)) else { return Step::Need(head) };
        let Some(padding) = frame.padding(*last) else { return self.lost(cx, dir, BAD_FRAME) };
        let content = (frame.length - frame.before_content() - padding) as u32;
        let begun = input.data.get(head..).and_then(|data| data.first_chunk()).filter(|_| content >= 5);
        if begun.is_none() && content >= 5 && self.streams.is_untold(dir, frame.stream) {
            return Step::Need(head + 5);
        }
        if let Some(stream) = self.streams.of_data(cx, frame.stream, input.at(0)) {
            stream.frame(cx, dir, content.into(), begun);
        }
        let end = frame.has(frame::END_STREAM);
        self.side(dir).state = State::Data { stream: frame.stream, content, padding: padding as u32, end };
        self.passed(cx, dir, 0, Some(input.at(head - 1)));
        Step::Took(head)
    }

    /// The rest of a DATA frame, as far as it is there.
    fn data(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        let State::Data { stream, content, padding, .. } = self.side(input.dir).state else { return Step::Opaque };
        let length = |n: u32| input.data.len().min(n as usize);
        let n = length(content + padding);
        match self.streams.get(stream) {
            Some(stream) => stream.data(cx, input.part(0..length(content))),
            None => cx.undecoded(length(content) as u64),
        }
        self.passed(cx, input.dir, n as u32, Some(input.at(n.saturating_sub(1))));
        Step::Took(n)
    }

    /// `n` bytes of a DATA frame have gone by; `last` is the packet that brought the last one, where it was seen.
    fn passed(&mut self, cx: &mut Cx<'_, '_>, dir: Dir, n: u32, last: Option<Stamp>) {
        let State::Data { stream, content, padding, end } = self.side(dir).state else { return };
        let (content, padding) = (content.saturating_sub(n), padding.saturating_sub(n.saturating_sub(content)));
        if content + padding > 0 {
            self.side(dir).state = State::Data { stream, content, padding, end };
            return;
        }
        self.side(dir).state = State::Frame;
        if end {
            if let Some(stream) = self.streams.get(stream) {
                stream.end(cx, dir, last);
            }
            self.streams.close(cx, stream);
        }
    }

    /// A piece of a header block.
    fn block(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>, frame: Frame, payload: &[u8]) -> Step {
        let (dir, total) = (input.dir, frame::HEAD + frame.length);
        let Some((fragment, promised)) = frame.block(payload) else { return self.lost(cx, dir, BAD_FRAME) };
        let pieces = match frame.kind {
            Kind::Continuation => {
                self.side(dir).block.take().map(|pieces| *pieces).filter(|pieces| pieces.stream == frame.stream)
            }
            _ => Some(Pieces {
                stream: frame.stream,
                promised,
                end: frame.has(frame::END_STREAM) && promised.is_none(),
                first: input.at(0),
                bytes: 0,
                fragments: Vec::new(),
                dropped: false,
            }),
        };
        let Some(mut pieces) = pieces else {
            // its beginning was not seen, or belongs to another stream
            self.forget(dir);
            return Step::Took(total);
        };
        pieces.bytes += total as u64;
        if pieces.fragments.len() + fragment.len() > cx.limits().buffer && !pieces.dropped {
            cx.sink.note(None, LONG_BLOCK);
            (pieces.dropped, pieces.fragments) = (true, Vec::new());
        }
        if !pieces.dropped {
            pieces.fragments.extend_from_slice(fragment);
        }
        if !frame.has(frame::END_HEADERS) {
            self.side(dir).block = Some(Box::new(pieces));
        } else if pieces.dropped {
            self.forget(dir);
        } else if let Some(step) = self.head(cx, dir, pieces, input.at(total - 1)) {
            return step;
        }
        Step::Took(total)
    }

    /// A header block is whole. A step where it shows that client and server are the other way round.
    fn head(&mut self, cx: &mut Cx<'_, '_>, dir: Dir, pieces: Pieces, last: Stamp) -> Option<Step> {
        let Pieces { stream: id, promised, end, first, bytes, fragments, .. } = pieces;
        let mut head = Head::read(&mut self.side(dir).decoder, &fragments, cx.limits());
        self.bound(cx, dir);
        if !self.streams.is_sure() {
            // a promise is the request of who answers
            match head.sender() {
                Some(sender) if (sender == dir) == promised.is_none() => self.streams.turned(),
                Some(_) => {
                    self.streams.give_up(cx);
                    let mut to = Self { layered: true, ..Self::new(Joined::Midway) };
                    to.streams.turned();
                    return Some(Step::Become { took: 0, to: Box::new(to), layer: None, reversed: true });
                }
                // whose fields they are, nobody knows
                None => (head.headers, head.unseen) = (Headers::default(), true),
            }
        }
        let begins = promised.unwrap_or(id);
        let stream = self.streams.of_block(cx, dir, (begins, promised.is_some()), &head, first)?;
        let block = Block { head, end: end || promised.is_some(), first, last, bytes };
        match (dir, promised) {
            (Dir::ToServer, _) | (Dir::ToClient, Some(_)) => stream.request(cx, block),
            (Dir::ToClient, None) => stream.response(cx, block),
        }
        self.streams.close(cx, begins);
        self.streams.refuse_late(cx, dir, begins, last);
        None
    }

    /// The place is lost, by what was found there.
    fn lost(&mut self, cx: &mut Cx<'_, '_>, dir: Dir, issue: Issue) -> Step {
        self.lose(cx, dir);
        Step::Lost(issue)
    }

    /// Frames of a direction may go by unseen.
    fn lose(&mut self, cx: &mut Cx<'_, '_>, dir: Dir) {
        self.forget(dir);
        self.side(dir).state = State::Place;
        self.streams.late |= dir == Dir::ToServer;
        self.streams.lose(cx, dir);
    }
}

impl Analyzer for Http2 {
    fn feed(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        if !self.layered {
            // the same analyzer, within its own layer
            let own = std::mem::replace(self, Self::new(Joined::Midway));
            return Step::Become { took: 0, to: Box::new(Self { layered: true, ..own }), layer: Some("http2"), reversed: false };
        }
        match self.side(input.dir).state {
            State::Preface | State::Place => self.place(cx, input),
            State::Frame => self.frame(cx, input),
            State::Data { .. } => self.data(cx, input),
            State::Skip(left) => self.skip(input, left),
            State::Over => Step::Opaque,
        }
    }

    /// The request is stream 1's (RFC 7540 §3.2).
    fn upgraded(&mut self, method: &str, target: &str) {
        self.streams.upgraded = Some(Box::new((method.into(), target.into())));
    }

    fn gap(&mut self, cx: &mut Cx<'_, '_>, rest: Input<'_>, len: u64) -> Gap {
        let dir = rest.dir;
        match self.side(dir).state {
            State::Data { stream, content, padding, .. } if rest.data.is_empty() && len <= u64::from(content + padding) => {
                if let Some(stream) = self.streams.get(stream) {
                    stream.gap(cx, dir, len.min(content.into()));
                }
                self.passed(cx, dir, len as u32, None);
                Gap::Bridged
            }
            State::Skip(left) if rest.data.is_empty() && len <= u64::from(left) => {
                let left = left - len as u32;
                self.side(dir).state = if left == 0 { State::Frame } else { State::Skip(left) };
                Gap::Bridged
            }
            State::Over => Gap::Bridged,
            State::Preface | State::Place | State::Frame | State::Data { .. } | State::Skip(_) => {
                self.lose(cx, dir);
                Gap::Lost
            }
        }
    }

    fn resync(&mut self, dir: Dir, data: &[u8]) -> Resync {
        self.search(Input::new(dir, data, 0, &[]))
    }

    fn search(&mut self, input: Input<'_>) -> Resync {
        let Input { dir, data, .. } = input;
        if let Some(at) = memchr::memmem::find(data, PREFACE).filter(|_| dir == Dir::ToServer) {
            return Resync::Found(at);
        }
        let scan = |_, data: &[u8], effort: &mut Effort| scan::scan(data, scan::KNOWN, effort);
        let begins = input.marks().iter().map(|(at, _)| *at);
        let search = self.side(dir).search.get_or_insert_default();
        search.go_on((data, input.base()), begins, (1, scan), |data, _| scan::place(data, scan::KNOWN))
    }

    fn waiting(&self) -> usize {
        self.streams.len() * size_of::<stream::Stream>()
    }

    fn remembered(&self) -> usize {
        self.tables()
    }

    fn rest(&mut self) {
        self.streams.rest();
        self.sides.iter_mut().for_each(|side| side.decoder.rest());
    }

    fn end(&mut self, cx: &mut Cx<'_, '_>, rest: Input<'_>, _: End) {
        self.side(rest.dir).state = State::Over;
        if self.side(Dir::ToClient).state == State::Over {
            self.streams.give_up(cx);
        } else {
            self.streams.iter().for_each(|stream| stream.cut(cx, rest.dir));
            self.streams.sweep(cx);
        }
    }
}
