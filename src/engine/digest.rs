//! Numbers that stand for texts and messages, to compare them within one run. Not of any use outside it.

use foldhash::quality::{FixedState, FoldHasher};
use std::hash::{BuildHasher as _, Hasher as _};

/// Takes in what a number is to stand for. What is put in in other pieces comes to another number.
pub(super) type Digester = FoldHasher<'static>;

/// Stands for two numbers that stand for something, in this order.
pub(super) fn both(one: u64, other: u64) -> u64 {
    let mut digest = digester();
    digest.write_u64(one);
    digest.write_u64(other);
    digest.finish()
}

/// An empty one.
pub(super) fn digester() -> Digester {
    FixedState::default().build_hasher()
}
