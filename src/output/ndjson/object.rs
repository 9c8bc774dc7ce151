//! JSON as it is written: an object key by key, a list item by item, into the bytes of a line.

use crate::text::write_json_string;
use crate::time::Time;
use std::io::Write as _;

/// Appends a list.
pub(super) fn write_list<T>(items: impl IntoIterator<Item = T>, out: &mut Vec<u8>, mut write: impl FnMut(T, &mut Vec<u8>)) {
    out.push(b'[');
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

/// Appends a number.
pub(super) fn write_number(n: u64, out: &mut Vec<u8>) {
    // a vector takes all
    _ = write!(out, "{n}");
}

/// A JSON object that is being written.
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl<'o> Object<'o> {
    pub fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    pub fn record(kind: &str, out: &'o mut Vec<u8>) -> Self {
        let mut o = Self::open(out);
        o.text("type", kind);
        o
    }

    /// Writes a key; the caller writes its value.
    pub fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        write_json_string(key, self.out);
        self.out.push(b':');
        self.out
    }

    pub fn text(&mut self, key: &str, text: &str) {
        write_json_string(text, self.key(key));
    }

    pub fn number(&mut self, key: &str, n: u64) {
        write_number(n, self.key(key));
    }

    pub fn flag(&mut self, key: &str, on: bool) {
        self.key(key).extend_from_slice(if on { b"true" } else { b"false" });
    }

    pub fn time(&mut self, key: &str, time: Time) {
        // a vector takes all
        _ = write!(self.key(key), "\"{time}\"");
    }

    /// Texts in a list; an empty one is left out unless the contract wants the key.
    pub fn list<'t>(&mut self, key: &str, texts: impl Iterator<Item = &'t str>, always: bool) {
        let mut texts = texts.peekable();
        if always || texts.peek().is_some() {
            write_list(texts, self.key(key), write_json_string);
        }
    }

    pub fn opt<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub fn end(self) {
        self.out.push(b'}');
    }

    pub fn end_line(self) {
        self.out.extend_from_slice(b"}\n");
    }
}
