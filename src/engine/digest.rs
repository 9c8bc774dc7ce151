//! Numbers that stand for texts and messages, to compare them within one run. Not of any use outside it.

use foldhash::quality::{FixedState, FoldHasher};
use std::hash::BuildHasher as _;

/// Takes in what a number is to stand for. What is put in in other pieces comes to another number.
pub(super) type Digester = FoldHasher<'static>;

/// An empty one.
pub(super) fn digester() -> Digester {
    FixedState::default().build_hasher()
}
