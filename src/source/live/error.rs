//! Why there is no capture, as the person who asked is told.

use super::open::MAX_OPEN;
use crate::source::netns::NetnsError;

/// Why there is no capture.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// An interface that was asked for is not there.
    #[error("no interface {name}; there are: {there}")]
    NoInterface {
        /// As it was given.
        name: String,
        /// The names there are.
        there: String,
    },
    /// libpcap cannot read the filter, or not for this kind of interface.
    #[error("capture filter: {0}")]
    Filter(String),
    /// We may not.
    #[error("no right to capture on {name}: {how}")]
    Denied {
        /// The interface.
        name: String,
        /// The command that grants it.
        how: String,
    },
    /// So many are open that this one has to wait.
    #[error("cannot capture on {name}: {MAX_OPEN} interfaces are being read already")]
    Full {
        /// The interface.
        name: String,
    },
    /// Something else.
    #[error("cannot capture on {name}: {why}")]
    Open {
        /// The interface.
        name: String,
        /// What libpcap said.
        why: String,
    },
    /// A network namespace cannot be captured in.
    #[error(transparent)]
    Namespace(#[from] NetnsError),
    /// The system does not tell which interfaces there are.
    #[error("cannot list the interfaces: {0}")]
    List(String),
}

impl LiveError {
    /// The contract's exit code.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::NoInterface { .. } | Self::Filter(_) | Self::Namespace(NetnsError::Unknown { .. } | NetnsError::Own(_)) => 2,
            Self::Denied { .. } | Self::Namespace(NetnsError::Denied { .. }) => 3,
            Self::Full { .. }
            | Self::Open { .. }
            | Self::List(_)
            | Self::Namespace(NetnsError::Full(_) | NetnsError::Failed(..)) => 1,
        }
    }
}
