//! Connections of taps of meshtop, another one's too: what goes by on them are copies, and no messages between services.

use super::field::{Field, Table};
use super::method::Method;

/// What their client calls its product.
pub const PRODUCT: &str = "meshtop";
/// What the names of their queues begin with, and the tags of who consumes those: exclusive, so that nobody else does.
pub const QUEUE: &str = "meshtop.tap.";

/// Whether a method shows that its connection is one.
pub(super) fn shows(method: &Method, args: &Table<'_>) -> bool {
    match (method.class, method.id) {
        (10, 11) => match args.get("client_properties") {
            Some(Field::Table(properties)) => properties.bytes("product") == PRODUCT.as_bytes(),
            _ => false,
        },
        (60, 20 | 60) => ["queue", "consumer_tag"].iter().any(|name| args.bytes(name).starts_with(QUEUE.as_bytes())),
        _ => false,
    }
}
