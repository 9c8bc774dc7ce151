//! What a client says about its connection rather than asks of a data store.

/// Statements and commands that are no questions: of transactions, settings, connections.
const CONTROL: &[&str] = &[
    "begin",
    "commit",
    "rollback",
    "start",
    "savepoint",
    "release",
    "set",
    "show",
    "reset",
    "discard",
    "deallocate",
    "ping",
    "auth",
    "hello",
    "select 1",
    "select ?",
    "select",
    "multi",
    "exec",
    "client",
    "publish",
    "subscribe",
    "psubscribe",
    "command",
    "info",
];
/// What a client's library says of itself, or asks about its server, when a connection begins, and goes on without where the server does
/// not know it (<https://redis.io/docs/latest/commands/client-setinfo/>, `HELLO`, `COMMAND DOCS`).
const INTRODUCTIONS: &[&str] = &[
    "client setinfo",
    "client setname",
    "client id",
    "client no-evict",
    "client no-touch",
    "client capa",
    "client maint_notifications",
    "hello",
    "command",
    "command docs",
];
/// How Redis says that it does not know something, or the protocol that a client would rather speak. Not that somebody may not.
const UNKNOWN: &[&str] = &["ERR", "NOPROTO"];

/// Whether a query is no question.
pub(super) fn is_control(shape: &str) -> bool {
    let shape = shape.to_ascii_lowercase();
    let first = shape.split([' ', ';']).next().unwrap_or_default();
    CONTROL.iter().any(|word| *word == shape || (*word == first && *word != "select"))
}

/// Whether a flow that did not go well is nobody's failure: a client told an older server of itself.
pub(crate) fn is_introduction(protocol: &str, operation: &str, status: Option<&str>) -> bool {
    let says = |known: &&str| known.eq_ignore_ascii_case(operation);
    protocol == "redis" && status.is_some_and(|status| UNKNOWN.contains(&status)) && INTRODUCTIONS.iter().any(says)
}
