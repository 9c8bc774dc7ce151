//! Where a connection's bytes go.

use super::HEAD;
use crate::decode::{Driver, Sink};
use crate::model::{Dir, End, Stamp};
use crate::net::Streams;

/// From one connection's carrier to its driver.
pub(super) struct Out<'a> {
    pub(super) driver: &'a mut Driver,
    pub(super) head: &'a mut Box<[u8]>,
    pub(super) how: &'a mut End,
    pub(super) sink: Sink<'a>,
}

impl Streams for Out<'_> {
    fn data(&mut self, dir: Dir, bytes: &[u8], stamp: Stamp) {
        self.driver.data(&mut self.sink, dir, bytes, stamp);
        if self.driver.is_known() {
            *self.head = Box::default();
        } else if self.head.is_empty() {
            *self.head = bytes.iter().take(HEAD).copied().collect();
        }
    }

    fn hole(&mut self, dir: Dir, len: u64, _: Stamp) {
        self.sink.totals.gaps += 1;
        self.sink.totals.lost_bytes += len;
        self.driver.hole(&mut self.sink, dir, len);
    }

    fn end(&mut self, dir: Dir, how: End, _: Stamp) {
        if *self.how == End::Fin {
            *self.how = how;
        }
        self.driver.end(&mut self.sink, dir, how);
    }
}
