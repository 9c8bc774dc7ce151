//! Header blocks as the heads of requests and responses, and as trailers (RFC 9113 §8.2 and §8.3): pseudo-header fields apart.

use super::hpack::{Decoder, Field};
use crate::decode::Limits;
use crate::model::{Dir, Headers, Stamp, text_of};
use compact_str::CompactString;

/// What a field counts beside its text (RFC 9113 §6.5.2, `SETTINGS_MAX_HEADER_LIST_SIZE`), in bytes.
const OVERHEAD: usize = 32;
/// What fields of the static table, and the overhead of those that are written out, may come to in a block of any length, in bytes.
const PLAIN: usize = 16 * 1024;

/// What a header block says.
#[derive(Debug, Default)]
pub struct Head {
    /// `:method`
    pub method: Option<CompactString>,
    /// `:path`
    pub path: Option<CompactString>,
    /// `:scheme`
    pub scheme: Option<CompactString>,
    /// `:authority`
    pub authority: Option<CompactString>,
    /// `:protocol` of an extended CONNECT (RFC 8441 §4).
    pub protocol: Option<CompactString>,
    /// `:status`
    pub status: Option<u16>,
    /// All other fields whose names and values are known, in order.
    pub headers: Headers,
    /// Whether there were fields whose name or value is not known.
    pub unseen: bool,
    /// What is wrong with it.
    pub wrong: Option<Wrong>,
}

/// What can be wrong with a header block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It could not be read to its end.
    Broken,
    /// It has more fields, or more text, than are kept.
    TooMany,
}

/// A header block in pieces.
#[derive(Debug)]
pub struct Pieces {
    /// Its stream, and the one that it promises.
    pub stream: u32,
    pub promised: Option<u32>,
    /// Whether it is the last of its direction.
    pub end: bool,
    /// The packet that brought its first byte.
    pub first: Stamp,
    /// The length of its frames.
    pub bytes: u64,
    /// As far as they came.
    pub fragments: Vec<u8>,
    /// Whether it is longer than the limit: then the rest of it is only passed over.
    pub dropped: bool,
}

impl Head {
    /// Reads a block.
    pub fn read(decoder: &mut Decoder, block: &[u8], limits: &Limits) -> Self {
        // most blocks come to as much
        let headers = Headers::with_capacity(block.len().min(8), block.len().saturating_mul(8).min(256));
        let mut head = Self { headers, ..Self::default() };
        // a byte can stand for all of a field in the table: what a block comes to that names each of them once is enough, as text that
        // is coded is shorter by less than half (RFC 7541, Appendix B)
        let once = block.len().saturating_mul(2).saturating_add(decoder.size()).saturating_add(PLAIN);
        let mut room = limits.buffer.min(once);
        let read = decoder.decode(block, &mut |field| {
            let length = OVERHEAD + field.name.map_or(0, <[u8]>::len) + field.value.map_or(0, <[u8]>::len);
            if head.headers.len() >= limits.fields || length > room {
                head.wrong = Some(Wrong::TooMany);
            } else {
                room -= length;
                head.add(field);
            }
        });
        if read.is_err() {
            head.wrong = Some(Wrong::Broken);
        }
        head
    }

    /// Whether it has what only the head of a request or response has.
    pub fn is_head(&self) -> bool {
        let texts = [&self.method, &self.path, &self.scheme, &self.authority, &self.protocol];
        self.status.is_some() || texts.into_iter().any(Option::is_some)
    }

    /// Who sends such a block, client ([`Dir::ToServer`]) or server, where its fields tell: trailers of gRPC are a server's, too.
    pub fn sender(&self) -> Option<Dir> {
        let answers = self.status.is_some() || ["grpc-status", "grpc-message"].iter().any(|n| self.headers.get(n).is_some());
        let sender = if answers { Dir::ToClient } else { Dir::ToServer };
        Some(sender).filter(|_| answers || self.is_head())
    }

    fn add(&mut self, field: Field<'_>) {
        let Field { name: Some(name), value: Some(value) } = field else {
            self.unseen = true;
            return;
        };
        let text = || Some(text_of(value).into());
        match name {
            b":method" => self.method = text(),
            b":path" => self.path = text(),
            b":scheme" => self.scheme = text(),
            b":authority" => self.authority = text(),
            b":protocol" => self.protocol = text(),
            b":status" => self.status = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok()),
            _ => self.headers.push(name, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field that is inserted: `x-<n>` with a value of that length.
    fn inserted(n: u8, length: u8) -> Vec<u8> {
        [&[0x40, 3, b'x', b'-', n, length][..], &vec![b'v'; length.into()]].concat()
    }

    fn size(head: &Head) -> usize {
        head.headers.iter().map(|(name, value)| OVERHEAD + name.len() + value.len()).sum()
    }

    #[test]
    fn a_field_that_is_named_again_and_again_is_not_kept_as_often() {
        let (limits, mut decoder) = (Limits::default(), Decoder::new(true));
        let block = [inserted(b'a', 120), vec![0xbe; 900]].concat();
        let head = Head::read(&mut decoder, &block, &limits);
        assert_eq!(head.wrong, Some(Wrong::TooMany));
        assert!(size(&head) <= 2 * block.len() + PLAIN, "{}", size(&head));
        let next = Head::read(&mut decoder, &[&inserted(b'b', 3)[..], &[0xbf]].concat(), &limits);
        let long = [b'v'; 120];
        assert_eq!(next.headers.iter().collect::<Vec<_>>(), [(&b"x-b"[..], &b"vvv"[..]), (b"x-a", &long)], "the table is right");
        assert_eq!(next.wrong, None);
    }

    #[test]
    fn each_field_of_a_full_table_is_kept() {
        let (limits, mut decoder) = (Limits::default(), Decoder::new(false));
        // a size of 64 KiB is said first
        let fill: Vec<u8> = [0x3f, 0xe1, 0xff, 0x03].into_iter().chain((0..190).flat_map(|n| inserted(n, 120))).collect();
        assert_eq!(Head::read(&mut decoder, &fill, &limits).wrong, None);
        let all: Vec<u8> = (0..190_u8).flat_map(|n| if n < 65 { vec![0x80 | (62 + n)] } else { vec![0xff, n - 65] }).collect();
        let head = Head::read(&mut decoder, &all, &limits);
        assert_eq!((head.wrong, head.headers.len()), (None, 190));
    }
}
