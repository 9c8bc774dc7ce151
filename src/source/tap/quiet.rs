//! Where nothing is captured: a source without packets, so that time goes on for what taps tell. It ends when all of them have.

use crate::model::Packets;
use crate::source::{Filled, PATIENCE, Source, SourceError};
use crossbeam_channel::{Receiver, RecvTimeoutError};

/// No packets.
pub struct Quiet {
    refused: Receiver<String>,
}

impl Quiet {
    /// It fails with the first reason why a tap cannot be attached.
    pub fn new(refused: Receiver<String>) -> Self {
        Self { refused }
    }
}

impl Source for Quiet {
    fn fill(&mut self, _: &mut Packets) -> Result<Filled, SourceError> {
        match self.refused.recv_timeout(PATIENCE) {
            Ok(why) => Err(SourceError::Tap(why)),
            Err(RecvTimeoutError::Timeout) => Ok(Filled::Idle),
            Err(RecvTimeoutError::Disconnected) => Ok(Filled::End),
        }
    }
}
