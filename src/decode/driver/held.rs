//! Bytes of one direction that are not consumed, and which packets brought them. What becomes of them is the driver's to say.

use super::Input;
use crate::model::{Dir, Stamp};

/// Bytes that are not consumed.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The stream offset of the first unconsumed byte.
    pub(super) offset: u64,
    /// Where they are, once there were some.
    buffer: Option<Box<Buffer>>,
}

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    /// Those before it are consumed.
    start: usize,
    /// From which stream offset on which packet brought the bytes.
    marks: Vec<(u64, Stamp)>,
}

impl Held {
    pub(super) fn unconsumed(&self) -> &[u8] {
        self.buffer.as_ref().and_then(|buffer| buffer.bytes.get(buffer.start..)).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unconsumed().is_empty()
    }

    /// The stream offset after the last byte.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.unconsumed().len() as u64
    }

    pub(super) fn input(&self, dir: Dir) -> Input<'_> {
        Input::new(dir, self.unconsumed(), self.offset, self.buffer.as_ref().map_or(&[], |buffer| &buffer.marks))
    }

    pub(super) fn push(&mut self, input: Input<'_>) {
        let (end, empty) = (self.end(), self.is_empty());
        if input.data.is_empty() && self.buffer.is_none() {
            return;
        }
        let Buffer { bytes, marks, .. } = &mut **self.buffer.get_or_insert_default();
        if empty {
            marks.clear();
        }
        if !input.data.is_empty() {
            marks.extend(input.marks().iter().map(|&(at, s)| (end + at.saturating_sub(input.base()), s)));
            bytes.extend_from_slice(input.data);
        }
    }

    pub(super) fn consume(&mut self, n: usize) {
        self.offset += n as u64;
        let Some(Buffer { bytes, start, marks }) = self.buffer.as_deref_mut() else { return };
        *start += n;
        let passed = marks.partition_point(|(at, _)| *at <= self.offset).saturating_sub(1);
        marks.drain(..passed);
        if *start * 2 >= bytes.len() {
            bytes.drain(..*start);
            *start = 0;
        }
    }

    /// What it takes in memory.
    pub(super) fn room(&self) -> usize {
        let room = |b: &Buffer| size_of::<Buffer>() + b.bytes.capacity() + b.marks.capacity() * size_of::<(u64, Stamp)>();
        self.buffer.as_deref().map_or(0, room)
    }

    pub(super) fn rest(&mut self) {
        let empty = self.is_empty();
        self.buffer.take_if(|_| empty);
    }
}
