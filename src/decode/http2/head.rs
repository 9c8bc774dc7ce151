//! Header blocks as the heads of requests and responses, and as trailers (RFC 9113 §8.2 and §8.3): pseudo-header fields apart.

use super::hpack::{Decoder, Field};
use crate::decode::Limits;
use crate::model::{Dir, Headers, text_of};
use compact_str::CompactString;

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

impl Head {
    /// Reads a block.
    pub fn read(decoder: &mut Decoder, block: &[u8], limits: &Limits) -> Self {
        let mut head = Self::default();
        // fields of a few bytes can stand for all of the table's: what they come to is limited, too
        let mut room = limits.buffer;
        let read = decoder.decode(block, &mut |field| {
            let length = field.name.map_or(0, <[u8]>::len) + field.value.map_or(0, <[u8]>::len);
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
