//! Whose processes this thread may look into. What it does with that is [`super::resolver`]'s.

use super::system::Socket;
use crate::privileges;

/// Whose processes may be looked into.
#[derive(Clone, Copy, Debug)]
pub struct Rights {
    /// Everybody's.
    all: bool,
    /// This user's in any case.
    own: u32,
}

impl Rights {
    /// Those that the thread has which asks.
    pub fn of_this_thread() -> Self {
        Self { all: privileges::sees_all_processes(), own: privileges::own_uid() }
    }

    /// Whether the process that holds a socket would be seen; where the system does not say whose it is, it may be.
    pub fn sees(self, socket: &Socket) -> bool {
        self.all || socket.uid().is_none_or(|uid| uid == self.own)
    }
}
