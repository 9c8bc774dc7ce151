//! HTTP/2 by script.

use crate::decode::properties::Conversation;

/// Conversations for the shared properties.
pub fn samples() -> Vec<Conversation> {
    Vec::new()
}
