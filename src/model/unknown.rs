//! What flows are called of which it was not captured what they ask: decoders call them so, and detectors know that two of a name need not
//! ask the same.

/// A request of which nothing was captured.
pub const REQUEST: &str = "unknown request";
/// The path of a request whose method was captured.
pub const PATH: &str = "unknown path";
/// A statement.
pub const STATEMENT: &str = "unknown statement";
/// A command.
pub const COMMAND: &str = "unknown command";

/// Whether an operation is one of these.
pub fn is_unknown(operation: &str) -> bool {
    let path = || operation.strip_suffix(PATH).is_some_and(|method| method.ends_with(' '));
    [REQUEST, STATEMENT, COMMAND].contains(&operation) || path()
}
