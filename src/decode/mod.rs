//! Sans-IO analyzers: bytes of one connection in, events out. No IO, no clock, no lock, no thread.
//!
//! A protocol is a folder here and one line in [`registry`]. It hands over a [`Protocol`]: how to recognise it and how to start an
//! [`Analyzer`]. The [`driver`] owns buffering, limits, finding the way back after a hole, and panics; an analyzer holds no receive
//! buffer and only says, in a [`Step`], what it did with the bytes it was shown.

use crate::model::{ConnMeta, Dir, End, Issue, Stamp, Transport};

pub use cx::Cx;
pub use driver::Driver;
pub use input::Input;
pub use limits::Limits;

pub mod cursor;
mod cx;
pub mod detect;
pub mod driver;
mod input;
pub mod limits;
pub mod registry;
