//! gRPC, gRPC-Web and Connect: a call, from the heads, bodies and trailers of an HTTP exchange. It does not read HTTP, nor messages' content.
//!
//! ```text
//!  flags (8)  length (32)  message…     a message; flags: 1 compressed, 2 the last (Connect), 0x80 trailers (gRPC-Web)
//! ```
//! Which HTTP carries it makes no difference. Sources: gRPC over HTTP/2 (grpc/doc/PROTOCOL-HTTP2.md), gRPC-Web (PROTOCOL-WEB.md), and the
//! Connect protocol's specification.

mod ending;
mod messages;
mod query;
mod status;
#[cfg(test)]
pub(super) mod tests;
mod trial;

use super::http1::fields_so_far;
use super::{Cx, Input};
use crate::model::{Body, BodyHint, Dir, Fields, Headers, Issue, Message, Part, Pattern, Stamp, text_of};
use crate::time::{Span, Time};
use compact_str::CompactString;
pub use ending::Ended;
use ending::Status;
use messages::{Piece, Reader, Room};
use query::Query;

const NO_METHOD: Issue = Issue::unseen("method not captured");
const BY_CONTENT: Issue = Issue::unseen("taken for gRPC by its content");
const SKIPPED: Issue = Issue::unseen("messages skipped");
const BAD_MESSAGE: Issue = Issue::broken("not a gRPC message");

/// The message is compressed.
const COMPRESSED: u8 = 1;
/// Connect: the last one, which tells the status.
const END: u8 = 2;
/// gRPC-Web: the trailers.
const TRAILERS: u8 = 0x80;

/// A call.
#[derive(Debug)]
pub struct Call {
    dialect: Dialect,
    /// Whether that is only what its content looks like.
    guessed: bool,
    /// The message of a request that has it in its target, until its head is there.
    query: Option<Box<Query>>,
    /// `/package.Service/Method`
    path: Option<CompactString>,
    sides: [Side; 2],
    status: Option<Status>,
    /// Whether the status may be among fields that were not seen.
    unseen: bool,
    /// Whether what was seen of its end is not what a call that went well ends with.
    failed: bool,
    /// Whether HTTP's status says that it did not go well.
    refused: bool,
    /// When its first byte came, and how long it may take from there on.
    deadline: Option<(Time, Span)>,
    pattern: Pattern,
}

/// The ways in which messages are put into HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// gRPC.
    Grpc,
    /// gRPC-Web, with trailers in the body.
    Web,
    /// The same in base64.
    WebText,
    /// Connect with many messages on a side.
    ConnectStream,
    /// Connect with one: it is the body.
    ConnectUnary,
}

/// One direction.
#[derive(Debug, Default)]
struct Side {
    media_type: Option<CompactString>,
    /// The coding of compressed messages, or of a body that is one.
    encoding: Option<CompactString>,
    reader: Reader,
    /// Whether it was said that content goes by unread.
    skipped: bool,
    messages: u64,
}

impl Call {
    /// The call that a request begins, if it does.
    pub fn of_request(path: Option<&str>, headers: &Headers) -> Option<Self> {
        let query = path.and_then(query::read).map(Box::new);
        let unary = || (query.is_some() || is_method(path?) && is_proto(headers)).then_some(Dialect::ConnectUnary);
        let dialect = dialect(headers).or_else(unary)?;
        Some(Self { query, ..Self::new(dialect, path) })
    }

    /// The call that a response belongs to, where its request does not say what it is.
    pub fn of_response(path: Option<&str>, headers: &Headers) -> Option<Self> {
        // nobody else has these fields; the type may be among those that were not seen
        let ends =
            headers.get("content-type").is_none() && ["grpc-status", "grpc-message"].iter().any(|n| headers.get(n).is_some());
        let dialect = dialect(headers).or(ends.then_some(Dialect::Grpc));
        dialect.filter(|dialect| *dialect != Dialect::ConnectUnary).map(|dialect| Self::new(dialect, path))
    }

    /// The call of which a frame of content begins with these bytes, where the fields that would tell were not seen: a message that is as
    /// long as the frame. It is told at once, and that it is a guess.
    pub fn of_content(cx: &mut Cx<'_, '_>, key: u64, path: Option<&str>, first: &[u8; 5], length: u64) -> Option<Self> {
        let [flags, a, b, c, d] = *first;
        if flags > COMPRESSED || u64::from(u32::from_be_bytes([a, b, c, d])) + 5 != length {
            return None;
        }
        let call = Self { guessed: true, ..Self::new(Dialect::Grpc, path) };
        call.tell(cx, key);
        cx.note(key, BY_CONTENT);
        Some(call)
    }

    fn new(dialect: Dialect, path: Option<&str>) -> Self {
        let path = path.map(|path| path.split(['?', '#']).next().unwrap_or_default().into());
        let (sides, pattern) = (Default::default(), Pattern::Unary);
        Self {
            dialect,
            guessed: false,
            query: None,
            path,
            sides,
            status: None,
            unseen: false,
            failed: false,
            refused: false,
            deadline: None,
            pattern,
        }
    }

    /// Tells what the flow is.
    pub fn tell(&self, cx: &mut Cx<'_, '_>, key: u64) {
        self.name(cx, key);
        let mut fields = Fields::default();
        if let Some((service, method)) = self.path.as_deref().and_then(|path| path.rsplit_once('/')) {
            fields.set("grpc.service", service.trim_start_matches('/'));
            fields.set("grpc.method", method);
        }
        cx.fields(key, fields);
        self.tell_dialect(cx, key);
        if self.path.is_none() {
            cx.note(key, NO_METHOD);
        }
    }

    /// Something tells the dialect of a call that was only taken for gRPC.
    fn know_better(&mut self, cx: &mut Cx<'_, '_>, key: u64, dialect: Option<Dialect>) {
        if let Some(dialect) = dialect.filter(|_| std::mem::take(&mut self.guessed)) {
            self.dialect = dialect;
            self.tell_dialect(cx, key);
        }
    }

    fn tell_dialect(&self, cx: &mut Cx<'_, '_>, key: u64) {
        match self.dialect {
            Dialect::Grpc => {}
            Dialect::Web | Dialect::WebText => cx.fields(key, Fields::default().with("grpc.web", true)),
            Dialect::ConnectStream | Dialect::ConnectUnary => cx.fields(key, Fields::default().with("grpc.connect", true)),
        }
    }

    fn name(&self, cx: &mut Cx<'_, '_>, key: u64) {
        let operation = self.path.as_deref().unwrap_or("unknown method").into();
        cx.part(key, Part::Named { protocol: "grpc", pattern: self.pattern, operation });
    }

    /// A side's head, and its first byte; `unseen` tells that there were fields of which not all is known.
    pub fn head(&mut self, cx: &mut Cx<'_, '_>, key: u64, (dir, first): (Dir, Stamp), headers: &Headers, unseen: bool) {
        let text = |name| headers.get(name).map(|value| text_of(value).into());
        let dialect = dialect(headers);
        // a head knows better than the content before it
        self.know_better(cx, key, dialect.filter(|dialect| *dialect != Dialect::ConnectUnary));
        let coding = match self.dialect {
            Dialect::ConnectUnary => "content-encoding",
            Dialect::ConnectStream => "connect-content-encoding",
            Dialect::Grpc | Dialect::Web | Dialect::WebText => "grpc-encoding",
        };
        // what a proxy answers in place of the server is no message, but a page of its own
        let foreign = headers.get("content-type").is_some() && dialect.is_none() && dir == Dir::ToClient;
        let reader = match self.dialect {
            Dialect::ConnectUnary => Reader::body(first),
            _ if foreign => Reader::body(first),
            Dialect::WebText => Reader::base64(),
            Dialect::Grpc | Dialect::Web | Dialect::ConnectStream => Reader::default(),
        };
        let encoding = if foreign { text("content-encoding") } else { text(coding) };
        // content before the head (nobody who keeps to the protocol sends any) is what it was taken for
        self.lost(cx, key, dir);
        self.sides[dir.index()] = Side { media_type: text("content-type"), encoding, reader, ..Side::default() };
        if dir == Dir::ToServer {
            if let Some(query) = self.query.take_if(|_| self.dialect == Dialect::ConnectUnary) {
                self.asked(cx, key, first, *query);
            }
            if let Some((span, shown)) = ending::timeout(headers) {
                self.deadline = span.map(|span| (first.time, span));
                cx.fields(key, Fields::default().with("grpc.timeout", &*shown));
            }
        } else {
            self.end_fields(cx, key, headers);
            self.unseen |= unseen;
        }
    }

    /// The message that stands in the target.
    fn asked(&mut self, cx: &mut Cx<'_, '_>, key: u64, first: Stamp, query: Query) {
        let Query { media_type, encoding, message } = query;
        let keep = cx.limits().keep(encoding.is_some());
        self.sides[0] = Side { media_type: Some(media_type), encoding, reader: Reader::spent(), ..Side::default() };
        let Some(message) = message else { return cx.note(key, BAD_MESSAGE) };
        let held = cx.hold(message.len().min(keep));
        let piece = Piece::of(first, message.get(..held).unwrap_or_default().to_vec(), message.len() as u64);
        self.piece(cx, key, Dir::ToServer, piece);
    }

    /// HTTP's status, before the head that it came with.
    pub fn answered(&mut self, code: Option<u16>) {
        self.refused = code.is_some_and(|code| code != 200);
    }

    /// A side's trailers.
    pub fn trailers(&mut self, cx: &mut Cx<'_, '_>, key: u64, dir: Dir, headers: &Headers, unseen: bool) {
        if dir == Dir::ToClient {
            self.end_fields(cx, key, headers);
            self.unseen |= unseen;
        }
    }

    /// A frame with so many bytes of content begins.
    pub fn frame(&mut self, dir: Dir, length: u64) {
        self.sides[dir.index()].reader.frame(length);
    }

    /// Content.
    pub fn data(&mut self, cx: &mut Cx<'_, '_>, key: u64, input: Input<'_>) {
        let dir = input.dir;
        let mut pieces = Vec::new();
        let side = &mut self.sides[dir.index()];
        let keep = cx.limits().keep(side.encoding.is_some());
        let valid = side.reader.read(input, &mut Room { keep, hold: &mut |n| cx.hold(n) }, &mut pieces);
        if !valid {
            side.skipped = true;
            cx.note(key, BAD_MESSAGE);
        } else if side.reader.is_lost() {
            self.skip(cx, key, dir);
        }
        pieces.into_iter().for_each(|piece| self.piece(cx, key, dir, piece));
    }

    /// `len` bytes of content are lost.
    pub fn gap(&mut self, cx: &mut Cx<'_, '_>, key: u64, dir: Dir, len: u64) {
        self.unseen |= dir == Dir::ToClient;
        let mut pieces = Vec::new();
        self.sides[dir.index()].reader.gap(len, &mut pieces);
        pieces.into_iter().for_each(|piece| self.piece(cx, key, dir, piece));
    }

    /// An unknown amount of content may be lost.
    pub fn lose(&mut self, cx: &mut Cx<'_, '_>, key: u64, dir: Dir) {
        self.unseen |= dir == Dir::ToClient;
        self.lost(cx, key, dir);
    }

    fn lost(&mut self, cx: &mut Cx<'_, '_>, key: u64, dir: Dir) {
        let mut pieces = Vec::new();
        self.sides[dir.index()].reader.lose(&mut pieces);
        pieces.into_iter().for_each(|piece| self.piece(cx, key, dir, piece));
    }

    /// Content goes by unread.
    fn skip(&mut self, cx: &mut Cx<'_, '_>, key: u64, dir: Dir) {
        if !std::mem::replace(&mut self.sides[dir.index()].skipped, true) {
            cx.note(key, SKIPPED);
        }
    }

    /// The last byte of a side was seen, whatever was lost before.
    pub fn last(&mut self, cx: &mut Cx<'_, '_>, key: u64, dir: Dir) {
        let mut pieces = Vec::new();
        self.sides[dir.index()].reader.last(&mut pieces);
        pieces.into_iter().for_each(|piece| self.piece(cx, key, dir, piece));
    }

    /// A side is over; `whole` tells that all of it was seen.
    pub fn end(&mut self, cx: &mut Cx<'_, '_>, key: u64, dir: Dir, whole: bool) {
        let mut pieces = Vec::new();
        self.sides[dir.index()].reader.end(whole, &mut pieces);
        pieces.into_iter().for_each(|piece| self.piece(cx, key, dir, piece));
    }

    /// What a side's reader found: a message, or the end of the call.
    fn piece(&mut self, cx: &mut Cx<'_, '_>, key: u64, dir: Dir, piece: Piece) {
        let Piece { flags, first, kept, bytes, whole, sure, .. } = piece;
        cx.release(kept.len());
        if !sure {
            return self.skip(cx, key, dir);
        }
        let mut cut = !whole || kept.len() as u64 != bytes;
        // flags that gRPC's own messages do not have
        let other = match flags & !COMPRESSED {
            END => Some(Dialect::ConnectStream),
            TRAILERS => Some(Dialect::Web),
            _ => None,
        };
        self.know_better(cx, key, other.filter(|_| dir == Dir::ToClient));
        match self.dialect {
            Dialect::Web | Dialect::WebText if flags & TRAILERS != 0 => {
                let Some(kept) = self.plain(cx, key, flags, kept, &mut cut) else { return };
                self.unseen |= cut;
                // nobody knows how the last line goes on where they were cut; else nothing has to follow it
                let lines = if cut { kept } else { [&kept[..], b"\r\n\r\n"].concat() };
                let trailers = fields_so_far(&lines, cx.limits().fields).headers;
                self.end_fields(cx, key, &trailers);
                return cx.part(key, Part::Trailers(dir, trailers));
            }
            Dialect::ConnectStream if flags & END != 0 => {
                let Some(kept) = self.plain(cx, key, flags, kept, &mut cut) else { return };
                self.unseen |= cut;
                if !cut {
                    self.connect_end(cx, key, dir, &kept);
                }
                return;
            }
            Dialect::ConnectUnary if dir == Dir::ToClient && whole && self.refused => self.connect_error(cx, key, &kept),
            _ => {}
        }
        let side = &mut self.sides[dir.index()];
        side.messages += 1;
        let coded = flags & COMPRESSED != 0 || side.reader.is_body();
        // a coding that was not said, or not seen, can't be undone: it is named as what it is
        let unsaid = (flags & COMPRESSED != 0).then(|| CompactString::from("unknown"));
        let encodings = side.encoding.clone().filter(|_| coded).or(unsaid).into_iter().collect();
        let sign = if dir == Dir::ToServer { '>' } else { '<' };
        let schema = self.path.as_deref().map(|path| format!("{path}{sign}").into());
        let unseen = (self.dialect == Dialect::Grpc && !side.reader.is_body()).then(|| "application/grpc".into());
        let hint = BodyHint { media_type: side.media_type.clone().or(unseen), encodings, schema };
        let several = side.messages > 1;
        cx.part(key, Part::Message(dir, Box::new(Message { first, body: Body { kept, bytes, hint, whole } })));
        if several {
            self.stream(cx, key, dir);
        }
    }

    /// A second message on a side: that side is a stream. Where a descriptor tells the method's shape, it is the one that counts.
    fn stream(&mut self, cx: &mut Cx<'_, '_>, key: u64, dir: Dir) {
        let pattern = match (self.pattern, dir) {
            (Pattern::Unary | Pattern::ClientStream, Dir::ToServer) => Pattern::ClientStream,
            (Pattern::Unary | Pattern::ServerStream, Dir::ToClient) => Pattern::ServerStream,
            _ => Pattern::BidiStream,
        };
        if self.pattern != pattern {
            self.pattern = pattern;
            self.name(cx, key);
        }
    }
}

/// Whether a target looks like a method's: `/package.Service/Method`.
fn is_method(path: &str) -> bool {
    let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let parts = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    parts.is_some_and(|(service, method)| service.contains('.') && service.split('.').all(word) && word(method))
}

/// Whether the body is protobuf, by the type that Connect's calls have: their version field may be left out.
fn is_proto(headers: &Headers) -> bool {
    headers.get("content-type").is_some_and(|media_type| media_type.eq_ignore_ascii_case(b"application/proto"))
}

/// What the fields say of how messages are put into the body.
fn dialect(headers: &Headers) -> Option<Dialect> {
    let media_type = headers.get("content-type")?.split(|b| *b == b';').next()?.trim_ascii();
    let (tree, kind) = media_type.split_at_checked(b"application/".len())?;
    if !tree.eq_ignore_ascii_case(b"application/") {
        return None;
    }
    let begins = |with: &[u8]| kind.split_at_checked(with.len()).filter(|(begin, _)| begin.eq_ignore_ascii_case(with));
    let is = |name: &[u8]| begins(name).is_some_and(|(_, rest)| matches!(rest.first(), None | Some(b'+')));
    let unary = || [&b"proto"[..], b"json"].iter().any(|name| kind.eq_ignore_ascii_case(name));
    let known = [(&b"grpc"[..], Dialect::Grpc), (b"grpc-web", Dialect::Web), (b"grpc-web-text", Dialect::WebText)];
    let connect = || begins(b"connect+").map(|_| Dialect::ConnectStream);
    let unary = || (unary() && headers.get("connect-protocol-version").is_some()).then_some(Dialect::ConnectUnary);
    known.into_iter().find(|(name, _)| is(name)).map(|(_, dialect)| dialect).or_else(connect).or_else(unary)
}
