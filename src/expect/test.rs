//! Tests of findings and traces: a field, and what it is compared with.

use crate::filter::{Cmp, Op, Regex};
use crate::model::{FINDING_KINDS, Finding, TraceRecord};
use crate::story::Brief;
use crate::units;

/// A field of findings or traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The contract's word for what kind of finding it is.
    Kind,
    /// How bad it is.
    Severity,
    /// The one at fault; those that took part.
    Service,
    /// One sentence.
    Title,
    /// How often it was seen.
    Count,
    /// How many flows.
    Hops,
    /// How many services.
    Services,
    /// How many flows that did not go well.
    Errors,
    /// How long it took.
    Dur,
    /// Whether nothing is known to be missing.
    Complete,
    /// Its IDs.
    Trace,
    /// What began it.
    Op,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Holds {
    /// Text.
    Text,
    /// One of these words.
    Word(fn() -> Vec<&'static str>),
    /// A whole number.
    Number,
    /// A length of time.
    Span,
    /// Yes or no.
    Bool,
}

/// Names and fields of a subject.
pub type Fields = &'static [(&'static str, Field, Holds)];

/// What findings have.
pub static FINDING: Fields = &[
    ("kind", Field::Kind, Holds::Word(kinds)),
    ("severity", Field::Severity, Holds::Word(severities)),
    ("service", Field::Service, Holds::Text),
    ("title", Field::Title, Holds::Text),
    ("count", Field::Count, Holds::Number),
];

/// What traces have.
pub static TRACE: Fields = &[
    ("hops", Field::Hops, Holds::Number),
    ("services", Field::Services, Holds::Number),
    ("service", Field::Service, Holds::Text),
    ("errors", Field::Errors, Holds::Number),
    ("dur", Field::Dur, Holds::Span),
    ("complete", Field::Complete, Holds::Bool),
    ("trace", Field::Trace, Holds::Text),
    ("op", Field::Op, Holds::Text),
];

/// All kinds of findings.
pub fn kinds() -> Vec<&'static str> {
    FINDING_KINDS.iter().map(|(_, word, _)| *word).collect()
}

fn severities() -> Vec<&'static str> {
    vec!["error", "warning", "info"]
}

/// A field, and what it is to be.
#[derive(Clone, Debug)]
pub struct Test {
    /// Of what.
    pub field: Field,
    /// What.
    pub how: How,
}

/// What a field is to be.
#[derive(Clone, Debug)]
pub enum How {
    /// There, and not false.
    Is,
    /// Compared so.
    Compare(Cmp, Literal),
    /// One of these.
    OneOf(Vec<Literal>),
    /// With this in it.
    Contains(String),
    /// Matching this.
    Matches(Regex),
}

/// A value to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// Text.
    Text(String),
    /// A number; of a time its nanoseconds.
    Number(u64),
    /// Yes or no.
    Bool(bool),
}

/// Whether a field can be compared so.
pub fn allowed(holds: Holds, op: Op) -> bool {
    match holds {
        Holds::Text => !Cmp::of(op).is_some_and(Cmp::orders),
        Holds::Word(_) => matches!(op, Op::Eq | Op::Ne | Op::In),
        Holds::Number | Holds::Span => !matches!(op, Op::Matches | Op::Contains),
        Holds::Bool => matches!(op, Op::Eq | Op::Ne),
    }
}

/// A text as a value of a field.
pub fn literal(holds: Holds, text: &str) -> Result<Literal, String> {
    match holds {
        Holds::Text => Ok(Literal::Text(text.to_owned())),
        Holds::Word(words) if words().contains(&text) => Ok(Literal::Text(text.to_owned())),
        Holds::Word(words) => Err(format!("'{text}' is none of {}", words().join(" "))),
        Holds::Number => text.parse().map(Literal::Number).map_err(|_| format!("'{text}' is no whole number")),
        Holds::Span => units::span(text).map(|span| Literal::Number(span.nanos())),
        Holds::Bool => text.parse().map(Literal::Bool).map_err(|_| format!("'{text}' is neither true nor false")),
    }
}

/// What has fields.
pub trait Fielded {
    /// The values of a field: none where it is absent.
    fn values(&self, field: Field) -> Vec<Literal>;
}

impl Fielded for Finding {
    fn values(&self, field: Field) -> Vec<Literal> {
        let text = |text: &str| vec![Literal::Text(text.to_owned())];
        match field {
            Field::Kind => text(self.kind.word()),
            Field::Severity => text(self.kind.severity().word()),
            Field::Service => self.service.as_deref().map(text).unwrap_or_default(),
            Field::Title => text(&self.title),
            Field::Count => vec![Literal::Number(self.count)],
            _ => Vec::new(),
        }
    }
}

/// A trace, and what began it, where that is known.
impl Fielded for (&TraceRecord, Option<&Brief>) {
    fn values(&self, field: Field) -> Vec<Literal> {
        let (trace, root) = self;
        let number = |n: usize| vec![Literal::Number(n as u64)];
        let texts = |texts: &mut dyn Iterator<Item = &str>| texts.map(|text| Literal::Text(text.to_owned())).collect();
        match field {
            Field::Hops => number(trace.tree.len()),
            Field::Services => number(trace.services.len()),
            Field::Service => texts(&mut trace.services.iter().map(|service| &**service)),
            Field::Errors => vec![Literal::Number(trace.errors)],
            // as it is shown: whole microseconds, rounded up
            Field::Dur => vec![Literal::Number(trace.duration.micros_up() * 1000)],
            Field::Complete => vec![Literal::Bool(trace.complete)],
            Field::Trace => texts(&mut trace.trace_ids.iter().chain([&trace.trace_id]).map(|id| &**id)),
            Field::Op => texts(&mut root.iter().map(|root| &*root.operation)),
            _ => Vec::new(),
        }
    }
}

impl Test {
    /// Whether it holds. What is absent equals nothing, and differs from nothing either.
    pub fn holds(&self, of: &dyn Fielded) -> bool {
        let values = of.values(self.field);
        let texts = || values.iter().filter_map(|v| if let Literal::Text(text) = v { Some(text.as_str()) } else { None });
        match &self.how {
            How::Is => values.iter().any(|v| !matches!(v, Literal::Bool(false) | Literal::Number(0))),
            How::Compare(Cmp::Ne, literal) => !values.is_empty() && values.iter().all(|v| order(v, literal).is_ne()),
            How::Compare(cmp, literal) => values.iter().any(|v| cmp.holds(order(v, literal))),
            How::OneOf(list) => values.iter().any(|v| list.iter().any(|literal| order(v, literal).is_eq())),
            How::Contains(part) => texts().any(|text| text.contains(part.as_str())),
            How::Matches(pattern) => texts().any(|text| pattern.regex.is_match(text)),
        }
    }
}

/// Two values of one field; of texts only whether they are equal matters.
fn order(value: &Literal, literal: &Literal) -> std::cmp::Ordering {
    match (value, literal) {
        (Literal::Text(a), Literal::Text(b)) => a.cmp(b),
        (Literal::Number(a), Literal::Number(b)) => a.cmp(b),
        (Literal::Bool(a), Literal::Bool(b)) => a.cmp(b),
        _ => std::cmp::Ordering::Less,
    }
}
