//! Frames (RFC 9113 §4 and §6): their heads, what each type may look like, and what is in the small ones. No streams, no flows.
//!
//! ```text
//!  length (24)  type (8)  flags (8)  0 stream (31)  payload…
//! ```

use crate::decode::cursor::Cursor;

/// What a client sends first (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The length of a frame's head, in bytes.
pub const HEAD: usize = 9;
/// The longest payload unless the peer allows more, in bytes (RFC 9113 §6.5.2).
pub const USUAL: usize = 16 * 1024;

/// The types (RFC 9113 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Content of a message.
    Data,
    /// A head, or trailers.
    Headers,
    /// Advice that nobody takes any more.
    Priority,
    /// A stream is over.
    Reset,
    /// What the sender wants.
    Settings,
    /// A request that the server makes up, to answer it.
    Promise,
    /// Are you there?
    Ping,
    /// No further streams.
    GoAway,
    /// Room for more.
    Window,
    /// More of a header block.
    Continuation,
    /// An extension: ignored (RFC 9113 §5.5).
    Other,
}

/// The last of its direction on its stream.
pub const END_STREAM: u8 = 0x1;
/// The header block ends here.
pub const END_HEADERS: u8 = 0x4;
/// An answer to a SETTINGS or a PING.
pub const ACK: u8 = 0x1;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// A frame's head.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Its type.
    pub kind: Kind,
    /// Its flags.
    pub flags: u8,
    /// Its stream; 0: the connection.
    pub stream: u32,
    /// The length of its payload, in bytes.
    pub length: usize,
    /// Whether the bit was set that is not to be.
    reserved: bool,
}

impl Frame {
    /// The head at the beginning of `data`, if it is there.
    pub fn read(data: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(data);
        let length = cursor.u24()? as usize;
        let (kind, flags, stream) = (cursor.u8()?, cursor.u8()?, cursor.u32()?);
        let kind = match kind {
            0 => Kind::Data,
            1 => Kind::Headers,
            2 => Kind::Priority,
            3 => Kind::Reset,
            4 => Kind::Settings,
            5 => Kind::Promise,
            6 => Kind::Ping,
            7 => Kind::GoAway,
            8 => Kind::Window,
            9 => Kind::Continuation,
            _ => Kind::Other,
        };
        Some(Self { kind, flags, stream: stream & (u32::MAX >> 1), length, reserved: stream >> 31 == 1 })
    }

    /// Whether a flag is set.
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether a frame may look like this: its length and stream are what its type wants (RFC 9113 §6).
    pub const fn is_valid(&self) -> bool {
        let (length, on_stream) = (self.length, self.stream != 0);
        match self.kind {
            Kind::Data => on_stream && (!self.has(PADDED) || length >= 1),
            Kind::Headers => on_stream && length >= self.has(PADDED) as usize + 5 * self.has(PRIORITY) as usize,
            Kind::Priority => on_stream && length == 5,
            Kind::Reset => on_stream && length == 4,
            Kind::Settings => !on_stream && length.is_multiple_of(6) && (!self.has(ACK) || length == 0),
            Kind::Promise => on_stream && length >= 4 + self.has(PADDED) as usize,
            Kind::Ping => !on_stream && length == 8,
            Kind::GoAway => !on_stream && length >= 8,
            Kind::Window => length == 4,
            Kind::Continuation => on_stream,
            Kind::Other => true,
        }
    }

    /// Whether a frame of one of the known types usually looks like this: no bits that mean nothing, no length that has to be agreed on.
    pub const fn is_usual(&self) -> bool {
        let flags = match self.kind {
            Kind::Data => END_STREAM | PADDED,
            Kind::Headers => END_STREAM | END_HEADERS | PADDED | PRIORITY,
            Kind::Settings | Kind::Ping => ACK,
            Kind::Promise => END_HEADERS | PADDED,
            Kind::Continuation => END_HEADERS,
            Kind::Priority | Kind::Reset | Kind::GoAway | Kind::Window | Kind::Other => 0,
        };
        self.is_valid() && !self.reserved && self.flags & !flags == 0 && self.length <= USUAL && !matches!(self.kind, Kind::Other)
    }

    /// The bytes of padding of a DATA frame, its length's own not counted; `first` is the first byte of its payload. None: more than
    /// there is room for.
    pub fn padding(&self, first: u8) -> Option<usize> {
        if !self.has(PADDED) {
            return Some(0);
        }
        Some(usize::from(first)).filter(|n| *n < self.length)
    }

    /// The bytes before a DATA frame's content.
    pub const fn before_content(&self) -> usize {
        self.has(PADDED) as usize
    }

    /// The piece of a header block in the payload of a HEADERS, PUSH_PROMISE or CONTINUATION frame, and the stream that is promised.
    pub fn block<'a>(&self, payload: &'a [u8]) -> Option<(&'a [u8], Option<u32>)> {
        let mut cursor = Cursor::new(payload);
        let own = self.kind != Kind::Continuation;
        let padding = if own && self.has(PADDED) { usize::from(cursor.u8()?) } else { 0 };
        if self.kind == Kind::Headers && self.has(PRIORITY) {
            cursor.take(5)?;
        }
        let promised = if self.kind == Kind::Promise { Some(cursor.u32()? & (u32::MAX >> 1)) } else { None };
        let block = cursor.rest();
        Some((block.get(..block.len().checked_sub(padding)?)?, promised))
    }
}

/// The names of error codes (RFC 9113 §7), and how a GOAWAY with one is noted.
static ERRORS: [(&str, &str); 14] = [
    ("NO_ERROR", "GOAWAY"),
    ("PROTOCOL_ERROR", "GOAWAY: PROTOCOL_ERROR"),
    ("INTERNAL_ERROR", "GOAWAY: INTERNAL_ERROR"),
    ("FLOW_CONTROL_ERROR", "GOAWAY: FLOW_CONTROL_ERROR"),
    ("SETTINGS_TIMEOUT", "GOAWAY: SETTINGS_TIMEOUT"),
    ("STREAM_CLOSED", "GOAWAY: STREAM_CLOSED"),
    ("FRAME_SIZE_ERROR", "GOAWAY: FRAME_SIZE_ERROR"),
    ("REFUSED_STREAM", "GOAWAY: REFUSED_STREAM"),
    ("CANCEL", "GOAWAY: CANCEL"),
    ("COMPRESSION_ERROR", "GOAWAY: COMPRESSION_ERROR"),
    ("CONNECT_ERROR", "GOAWAY: CONNECT_ERROR"),
    ("ENHANCE_YOUR_CALM", "GOAWAY: ENHANCE_YOUR_CALM"),
    ("INADEQUATE_SECURITY", "GOAWAY: INADEQUATE_SECURITY"),
    ("HTTP_1_1_REQUIRED", "GOAWAY: HTTP_1_1_REQUIRED"),
];

/// A stream was not looked at (RFC 9113 §7).
pub const REFUSED_STREAM: u32 = 7;

/// The name of an error code; an unknown one means INTERNAL_ERROR at most, and says so.
pub fn error(code: u32) -> &'static str {
    ERRORS.get(code as usize).map_or("unknown error code", |(name, _)| name)
}

/// How a GOAWAY with that code is noted.
pub fn going_away(code: u32) -> &'static str {
    ERRORS.get(code as usize).map_or("GOAWAY: unknown error code", |(_, note)| note)
}

/// The error code of a RST_STREAM's payload.
pub fn reset(payload: &[u8]) -> Option<u32> {
    Cursor::new(payload).u32()
}

/// The last stream that the sender of a GOAWAY looks at, and its error code (RFC 9113 §6.8).
pub fn goaway(payload: &[u8]) -> Option<(u32, u32)> {
    let mut cursor = Cursor::new(payload);
    Some((cursor.u32()? & (u32::MAX >> 1), cursor.u32()?))
}
