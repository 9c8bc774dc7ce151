//! One stream: a request with its response, from its first frame to its end. Not which stream a frame is on: that is the connection's.

mod ending;
mod tunnel;

use super::head::{Head, Wrong};
use crate::decode::grpc::Call;
use crate::decode::http1::{interim, meaning};
use crate::decode::{Cx, Input};
use crate::model::{self, BodyHint, Dir, End, Fields, Headers, Issue, Part, Stamp};
use compact_str::CompactString;

const UNSEEN: Issue = Issue::unseen("some headers not captured");
const UPGRADED: Issue = Issue::remark("its request is the HTTP/1 upgrade");
const BROKEN: Issue = Issue::broken("broken header block");
const TOO_MANY: Issue = Issue::unseen("more headers than are kept");
/// How often the growth of a body that is no longer kept is told, in bytes.
const TELL_EVERY: u64 = 1024 * 1024;

/// A stream that is open.
#[derive(Debug, Default)]
pub struct Stream {
    id: u32,
    key: u64,
    method: Option<CompactString>,
    path: Option<CompactString>,
    /// The `:protocol` of an extended CONNECT.
    protocol: Option<CompactString>,
    /// Whether its request's head was seen: else it has no duration.
    asked: bool,
    /// `:status`
    code: Option<u16>,
    /// Its messages, where it is a call.
    call: Option<Box<Call>>,
    /// Whether its flow is over: then only the bytes that a CONNECT lets through still come.
    told: bool,
    /// Whether frames of it came since the place in a direction was last lost ([`super::streams`]).
    pub touched: [bool; 2],
    sides: [Side; 2],
}

/// One direction of a stream.
#[derive(Debug, Default)]
struct Side {
    state: State,
    /// How many more bytes are kept.
    room: usize,
    bytes: u64,
    /// Bytes told of so far, for bodies that grow past what is kept.
    told: u64,
    /// Whether bytes of it were lost: then its end may be, too.
    lost: bool,
    /// Whether the fields that would tell what its content is were not seen.
    untold: bool,
    /// The packet that brought its last byte.
    last: Option<Stamp>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing was seen of it.
    #[default]
    Idle,
    /// Its head was seen.
    Open,
    /// Its last frame was seen, or none will come.
    Done,
}

/// A header block with what came around it.
#[derive(Debug)]
pub struct Block {
    /// What it says.
    pub head: Head,
    /// Whether it is the last of its direction.
    pub end: bool,
    /// The packet that brought its first byte.
    pub first: Stamp,
    /// The packet that brought its last byte.
    pub last: Stamp,
    /// The length of its frames.
    pub bytes: u64,
}

impl Stream {
    /// A stream with its flow, which has to be opened under that key.
    pub fn new(id: u32, key: u64) -> Self {
        Self { id, key, touched: [true; 2], ..Self::default() }
    }

    /// Something odd about it.
    pub fn note(&mut self, cx: &mut Cx<'_, '_>, issue: Issue) {
        if !self.told {
            cx.note(self.key, issue);
        }
    }

    /// Its request was HTTP/1's: what is known of it is on the flow of that one.
    pub fn upgraded(&mut self, cx: &mut Cx<'_, '_>, method: &str, target: &str) {
        (self.method, self.path) = (Some(method.into()), Some(target.into()));
        cx.note(self.key, UPGRADED);
        cx.fields(self.key, Fields::default().with("http.method", method).with("http.target", target));
    }

    /// A block of the client's, or one that the server promises to answer.
    pub fn request(&mut self, cx: &mut Cx<'_, '_>, block: Block) {
        match self.side(Dir::ToServer).state {
            State::Idle => self.ask(cx, block),
            State::Open => self.trailers(cx, Dir::ToServer, block),
            State::Done => {}
        }
    }

    /// A block of the server's.
    pub fn response(&mut self, cx: &mut Cx<'_, '_>, block: Block) {
        match (self.side(Dir::ToClient).state, block.head.status) {
            (State::Idle, Some(code @ 100..200)) => cx.note(self.key, interim(code)),
            // trailers of a response whose head went by unseen have no pseudo-header fields
            (State::Idle, None) if block.end && !block.head.is_head() && (!self.asked || self.sides[1].lost) => {
                self.resume(cx, Dir::ToClient);
                // of what is seen of the response they are the first
                let (dir, first, headers, hint) = (Dir::ToClient, block.first, Headers::default(), BodyHint::default());
                cx.part(self.key, Part::Head(Box::new(model::Head { dir, first, headers, head_bytes: 0, hint })));
                self.trailers(cx, Dir::ToClient, block);
            }
            (State::Idle, _) => self.answer(cx, block),
            (State::Open, _) => self.trailers(cx, Dir::ToClient, block),
            (State::Done, _) => {}
        }
    }

    fn ask(&mut self, cx: &mut Cx<'_, '_>, block: Block) {
        let head = &block.head;
        self.asked = true;
        let mut fields = Fields::default();
        let named = [
            ("http.method", &head.method),
            ("http.target", &head.path),
            ("http.scheme", &head.scheme),
            ("http.authority", &head.authority),
            ("http.protocol", &head.protocol),
        ];
        for (name, value) in named {
            if let Some(value) = value {
                fields.set(name, &**value);
            }
        }
        fields.set("http.version", "2");
        cx.fields(self.key, fields);
        cx.trace(self.key, &head.headers);
        (self.method, self.path, self.protocol) = (head.method.clone(), head.path.clone(), head.protocol.clone());
        if let Some(call) = Call::of_request(self.path.as_deref(), &head.headers) {
            call.tell(cx, self.key);
            self.call = Some(Box::new(call));
        }
        self.begin(cx, Dir::ToServer, block);
    }

    fn answer(&mut self, cx: &mut Cx<'_, '_>, block: Block) {
        let head = &block.head;
        self.code = head.status;
        let mut fields = Fields::default();
        if !self.asked {
            fields.set("http.version", "2");
        }
        if let Some(code) = self.code {
            fields.set("http.status", i64::from(code));
        }
        cx.fields(self.key, fields);
        if self.call.is_none()
            && let Some(call) = Call::of_response(self.path.as_deref(), &head.headers)
        {
            call.tell(cx, self.key);
            self.call = Some(Box::new(call));
        }
        let (code, last) = (self.code, block.last);
        self.call.iter_mut().for_each(|call| call.answered(code));
        self.begin(cx, Dir::ToClient, block);
        if self.tunnels() {
            Dir::BOTH.into_iter().for_each(|dir| cx.part(self.key, Part::BodyEnd { dir, bytes: 0, whole: true }));
            self.tell_end(cx, Some(last).filter(|_| self.asked), None);
        }
    }

    /// A head: what it says of the body, and whether there is one.
    fn begin(&mut self, cx: &mut Cx<'_, '_>, dir: Dir, block: Block) {
        let Block { head, end, first, last, bytes } = block;
        self.note_head(cx, &head);
        let is_head = head.is_head();
        let mut hint = meaning(&head.headers).hint;
        if let Some(call) = &mut self.call {
            call.head(cx, self.key, (dir, first), &head.headers, head.unseen);
            hint = BodyHint::default();
        }
        // what follows a head that says nothing of a body may be a tunnel's, where the method is not known
        let tunnel = self.method.is_none()
            && self.call.is_none()
            && hint == BodyHint::default()
            && head.headers.get("content-length").is_none()
            && !end;
        let asked = if dir == Dir::ToServer { true } else { !self.asked || self.sides[0].untold };
        let untold = asked && head.unseen && self.method.as_deref() != Some("CONNECT") && hint.media_type.is_none();
        let room = if tunnel { 0 } else { cx.limits().keep(!hint.encodings.is_empty()) };
        cx.part(self.key, Part::Head(Box::new(model::Head { dir, first, headers: head.headers, head_bytes: bytes, hint })));
        let side = self.side(dir);
        // what was lost before its head was nothing of it
        (side.state, side.room, side.lost, side.untold) = (State::Open, room, side.lost && !is_head || tunnel, untold);
        if end {
            self.end(cx, dir, Some(last));
        }
    }

    fn trailers(&mut self, cx: &mut Cx<'_, '_>, dir: Dir, block: Block) {
        let Block { head, end, last, .. } = block;
        // a tunnel that stands carries no fields (RFC 9113 §8.5), and its flow is over
        if self.is_tunnel() {
            if end {
                self.end(cx, dir, Some(last));
            }
            return;
        }
        self.note_head(cx, &head);
        // what it is may be told by its end only
        if self.call.is_none()
            && dir == Dir::ToClient
            && let Some(mut call) = Call::of_response(self.path.as_deref(), &head.headers)
        {
            call.tell(cx, self.key);
            Dir::BOTH.into_iter().for_each(|dir| call.lose(cx, self.key, dir));
            self.call = Some(Box::new(call));
        }
        if let Some(call) = &mut self.call {
            call.trailers(cx, self.key, dir, &head.headers, head.unseen);
        }
        if !head.headers.is_empty() {
            cx.part(self.key, Part::Trailers(dir, head.headers));
        }
        if end {
            self.end(cx, dir, Some(last));
        }
    }

    fn note_head(&self, cx: &mut Cx<'_, '_>, head: &Head) {
        if head.unseen {
            cx.note(self.key, UNSEEN);
        }
        match head.wrong {
            Some(Wrong::Broken) => cx.note(self.key, BROKEN),
            Some(Wrong::TooMany) => cx.note(self.key, TOO_MANY),
            None => {}
        }
    }

    /// Whether the headers that would tell a call were not seen, so that the content may.
    pub fn is_untold(&self, dir: Dir) -> bool {
        self.call.is_none() && self.sides[dir.index()].untold
    }

    /// A DATA frame begins, with so many bytes of content, of which these are the first.
    pub fn frame(&mut self, cx: &mut Cx<'_, '_>, dir: Dir, length: u64, first: Option<&[u8; 5]>) {
        if self.side(dir).state == State::Idle {
            self.resume(cx, dir);
        }
        if let Some(first) = first
            && self.is_untold(dir)
        {
            let (key, path) = (self.key, self.path.as_deref());
            self.call = Call::of_content(cx, key, path, first, length).map(Box::new);
            if let Some(call) = &mut self.call
                && self.sides[dir.other().index()].bytes > 0
            {
                call.lose(cx, key, dir.other());
            }
            let side = self.side(dir);
            side.untold = side.lost;
        }
        self.call.iter_mut().for_each(|call| call.frame(dir, length));
    }

    /// Something comes whose head was not seen: where bytes were lost, nothing tells when that was.
    fn resume(&mut self, cx: &mut Cx<'_, '_>, dir: Dir) {
        if self.side(dir).lost {
            self.note_gap(cx, dir);
        }
        let key = self.key;
        let side = self.side(dir);
        (side.state, side.lost, side.untold) = (State::Open, true, true);
        self.call.iter_mut().for_each(|call| call.lose(cx, key, dir));
    }

    /// Content.
    pub fn data(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) {
        let (key, dir) = (self.key, input.dir);
        let tunnels = self.tunnels();
        let side = self.side(dir);
        if side.state == State::Done || input.data.is_empty() {
            return;
        }
        side.bytes += input.data.len() as u64;
        if tunnels {
            return self.tunnel(cx, input);
        }
        if let Some(call) = &mut self.call {
            return call.data(cx, key, input);
        }
        let side = self.side(dir);
        let kept = input.data.len().min(side.room);
        cx.body(key, dir, input.data.get(..kept).unwrap_or_default());
        side.room -= kept;
        if side.room == 0 && side.bytes - side.told >= TELL_EVERY {
            side.told = side.bytes;
            cx.part(key, Part::BodyEnd { dir, bytes: side.bytes, whole: false });
        }
    }

    /// `len` bytes of content are lost.
    pub fn gap(&mut self, cx: &mut Cx<'_, '_>, dir: Dir, len: u64) {
        let side = self.side(dir);
        side.bytes += len;
        side.room = 0;
        self.note_gap(cx, dir);
        if let Some(call) = &mut self.call {
            call.gap(cx, self.key, dir, len);
        } else if self.tunnels() {
            // it may be the first that there is of the stream within
            self.tunnel(cx, Input::new(dir, &[], 0, &[]));
            cx.inner_gap(u64::from(self.id), dir, len);
        }
    }

    /// An unknown number of frames is lost: some of them may have been this stream's.
    pub fn lose(&mut self, cx: &mut Cx<'_, '_>, dir: Dir) {
        let side = self.side(dir);
        (side.lost, side.room) = (true, 0);
        if side.state == State::Open {
            self.note_gap(cx, dir);
            if self.tunnels() {
                // how much of the stream within is lost, nobody knows
                self.end(cx, dir, None);
            }
            if let Some(call) = &mut self.call {
                call.lose(cx, self.key, dir);
            }
        }
    }

    fn note_gap(&mut self, cx: &mut Cx<'_, '_>, dir: Dir) {
        self.note(cx, Issue::GAP);
        self.side(dir).last = None;
        self.side(dir).lost = true;
    }

    /// The connection's direction is over: nothing more of this one will be seen.
    pub fn cut(&mut self, cx: &mut Cx<'_, '_>, dir: Dir) {
        if self.side(dir).state == State::Open {
            self.note(cx, Issue::CUT);
        }
        self.end(cx, dir, None);
    }

    /// The direction is over; `last` is the packet that brought its last byte, where that was seen.
    pub fn end(&mut self, cx: &mut Cx<'_, '_>, dir: Dir, last: Option<Stamp>) {
        let (key, tunnels) = (self.key, self.tunnels());
        let side = self.side(dir);
        if side.state == State::Done {
            return;
        }
        let (bytes, whole) = (side.bytes, last.is_some() && !side.lost);
        let seen = side.state == State::Open;
        (side.state, side.last) = (State::Done, last);
        cx.inner_end(u64::from(self.id), dir, if last.is_some() { End::Fin } else { End::Rst });
        match &mut self.call {
            _ if self.told => {}
            Some(call) => {
                if last.is_some() {
                    call.last(cx, key, dir);
                }
                call.end(cx, key, dir, whole);
            }
            None if seen && !tunnels => cx.part(key, Part::BodyEnd { dir, bytes, whole }),
            None => {}
        }
    }

    /// Whether its flow is complete: the answer is, and nothing more of the request will be seen.
    pub fn is_over(&self) -> bool {
        let [request, response] = &self.sides;
        response.state == State::Done && (request.state == State::Done || request.lost || !self.asked)
    }

    /// Whether anything of its answer was seen.
    pub fn is_answered(&self) -> bool {
        self.sides[1].state != State::Idle
    }

    fn side(&mut self, dir: Dir) -> &mut Side {
        &mut self.sides[dir.index()]
    }
}
