//! The fields of the language: one table that the parser, the matcher and the completion read.

use super::Needs;
use crate::body::protobuf;
use std::fmt;

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// One that every flow has a place for.
    Common(Common),
    /// A header or trailer field of either side.
    Header(String),
    /// A protocol's own, by its dotted name.
    Own(String),
}

/// The contract's fields; what each holds is in [`FIELDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Common {
    /// Protocol.
    Proto,
    /// Either side.
    Service,
    /// Who opened the connection.
    Client,
    /// Who accepted it.
    Server,
    /// Operation.
    Op,
    /// Status.
    Status,
    /// Whether it went well.
    Ok,
    /// Duration.
    Dur,
    /// Body bytes both ways.
    Size,
    /// Trace ID.
    Trace,
    /// How it was tied to its trace.
    Link,
    /// How many flows its trace has.
    Hops,
    /// Decoded bodies of both sides.
    Body,
    /// The connection's number.
    Conn,
    /// First byte.
    Time,
    /// The topic or queue that a message goes through.
    Via,
    /// Which way a one-way message goes.
    Direction,
}

/// What a field holds, and so what it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Text that has no order.
    Text,
    /// Text, or a number where it is one on both sides.
    Any,
    /// Yes or no.
    Bool,
    /// A length of time.
    Span,
    /// Bytes.
    Size,
    /// A whole number.
    Count,
    /// A moment.
    Time,
}

/// Name, field, what it holds, what must be read for it.
pub const FIELDS: &[(&str, Common, Holds, Needs)] = &[
    ("proto", Common::Proto, Holds::Text, Needs::Row),
    ("service", Common::Service, Holds::Text, Needs::Row),
    ("client", Common::Client, Holds::Text, Needs::Row),
    ("server", Common::Server, Holds::Text, Needs::Row),
    ("op", Common::Op, Holds::Text, Needs::Row),
    ("status", Common::Status, Holds::Any, Needs::Row),
    ("ok", Common::Ok, Holds::Bool, Needs::Row),
    ("dur", Common::Dur, Holds::Span, Needs::Row),
    ("size", Common::Size, Holds::Size, Needs::Row),
    ("trace", Common::Trace, Holds::Text, Needs::Row),
    ("link", Common::Link, Holds::Text, Needs::Row),
    ("hops", Common::Hops, Holds::Count, Needs::Row),
    ("body", Common::Body, Holds::Text, Needs::Bodies),
    ("conn", Common::Conn, Holds::Count, Needs::Row),
    ("time", Common::Time, Holds::Time, Needs::Row),
    ("via", Common::Via, Holds::Text, Needs::Detail),
    ("direction", Common::Direction, Holds::Text, Needs::Row),
];

/// The prefix of header fields' names.
pub const HEADER: &str = "header.";

/// The one field of protocols whose name has no dot.
pub const SQL: &str = "sql";

impl Field {
    /// The field of a name that certainly is one: a common one, `header.NAME`, `sql`.
    pub fn certain(name: &str) -> Option<Self> {
        let header = || name.strip_prefix(HEADER).filter(|h| !h.is_empty()).map(|h| Self::Header(h.to_owned()));
        let own = || (name == SQL).then(|| Self::Own(name.to_owned()));
        FIELDS.iter().find(|(n, ..)| *n == name).map(|(_, field, ..)| Self::Common(*field)).or_else(header).or_else(own)
    }

    /// The field of a name before a comparison: any dotted name too.
    pub fn named(name: &str) -> Option<Self> {
        Self::certain(name).or_else(|| dotted(name).then(|| Self::Own(name.to_owned())))
    }

    /// What it holds.
    pub fn holds(&self) -> Holds {
        match self {
            Self::Common(field) => row(*field).2,
            Self::Header(_) | Self::Own(_) => Holds::Any,
        }
    }

    /// What must be read for its value.
    pub fn needs(&self) -> Needs {
        match self {
            Self::Common(field) => row(*field).3,
            // told from the messages
            Self::Own(name) if name == protobuf::CANDIDATES => Needs::Bodies,
            Self::Header(_) | Self::Own(_) => Needs::Detail,
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Common(field) => f.write_str(row(*field).0),
            Self::Header(name) => write!(f, "{HEADER}{name}"),
            Self::Own(name) => f.write_str(name),
        }
    }
}

/// Whether a word could be a protocol's own field: parts that begin with a letter, joined by dots.
pub fn dotted(word: &str) -> bool {
    let part = |p: &str| {
        p.starts_with(|c: char| c.is_ascii_alphabetic()) && p.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
    };
    word.contains('.') && !word.starts_with(HEADER) && word.split('.').all(part)
}

/// A field's line of the table, which has one for each.
fn row(field: Common) -> &'static (&'static str, Common, Holds, Needs) {
    FIELDS.iter().find(|(_, f, ..)| *f == field).unwrap_or(&FIELDS[0])
}
