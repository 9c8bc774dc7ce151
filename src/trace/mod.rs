//! Trace context from named fields, whatever carries them: headers, metadata, message properties. One file a propagator, and their
//! registry.

mod b3;
mod cloud;
mod datadog;
mod grpc_bin;
mod jaeger;
mod named;
mod request_id;
mod sentry;
mod skywalking;
mod w3c;
mod xray;

use crate::model::{Headers, Issue, TraceContext, text_of};
use compact_str::{CompactString, format_compact};
pub use named::Named;
pub use request_id::is_request_id;
use std::sync::LazyLock;

/// Bytes of baggage, and of a state, that are kept: as many as every propagator has to carry (W3C Baggage §3.3.2).
const LONGEST: usize = 8192;
/// Hexadecimal digits of an ID of 64 bits, and of one of 128.
const SHORT: usize = 16;
const LONG: usize = 32;
/// Two carriers of one message name different traces.
const DISAGREE: Issue = Issue::remark("trace headers disagree");

/// A way to carry trace context in named fields.
#[derive(Debug)]
pub struct Propagator {
    /// What it is called in `trace.carrier`.
    pub carrier: &'static str,
    /// The fields that it reads, in lower case.
    pub fields: &'static [&'static str],
    /// Reads them; at least one is there.
    pub read: fn(&Carried<'_>) -> Found,
    /// What is noted where they cannot be read.
    pub malformed: Issue,
    /// What a trace is known by, from the text of its ID.
    pub key: fn(&str) -> CompactString,
}

/// The strongest first: where a message has several, the first one is its trace.
static PROPAGATORS: &[&Propagator] = &[
    &w3c::PROPAGATOR,
    &grpc_bin::PROPAGATOR,
    &b3::SINGLE,
    &b3::MULTI,
    &jaeger::PROPAGATOR,
    &sentry::PROPAGATOR,
    &datadog::PROPAGATOR,
    &xray::PROPAGATOR,
    &cloud::PROPAGATOR,
    &skywalking::PROPAGATOR,
    &request_id::REQUEST,
    &request_id::CORRELATION,
    &request_id::PROPERTY,
];

/// What a propagator found.
#[derive(Debug)]
pub enum Found {
    /// Nothing that names a trace (a mere sampling decision, say).
    Nothing,
    /// Fields that are there and cannot be read: kept apart from absent ones.
    Malformed,
    /// A context.
    Context(TraceContext),
}

impl From<Option<TraceContext>> for Found {
    fn from(context: Option<TraceContext>) -> Self {
        context.map_or(Self::Malformed, Self::Context)
    }
}

/// The values of one propagator's fields.
#[derive(Debug)]
pub struct Carried<'a> {
    propagator: usize,
    values: &'a [(usize, usize, &'a [u8])],
}

impl<'a> Carried<'a> {
    /// All values of the propagator's `n`-th field, in the order of the wire.
    pub fn all(&self, n: usize) -> impl Iterator<Item = &'a [u8]> {
        let propagator = self.propagator;
        self.values.iter().filter(move |(p, field, _)| (*p, *field) == (propagator, n)).map(|(.., value)| *value)
    }

    /// The first value of the `n`-th field, without white space around it.
    pub fn get(&self, n: usize) -> Option<&'a [u8]> {
        self.all(n).next().map(<[u8]>::trim_ascii)
    }

    /// Several fields of a list count as one, in order (RFC 9110 §5.3); what is longer than 8 KiB ends with its last whole member.
    pub fn joined(&self, n: usize) -> Option<CompactString> {
        let values: Vec<_> = self.all(n).map(text_of).collect();
        let list = values.join(",");
        let end = if list.len() <= LONGEST { list.len() } else { list.get(..list.floor_char_boundary(LONGEST))?.rfind(',')? };
        (!values.is_empty()).then(|| list.get(..end).unwrap_or_default().into())
    }
}

/// What a message's fields carry.
#[derive(Debug, Default)]
pub struct Extracted {
    /// The contexts, the strongest first: that one is the message's.
    pub contexts: Vec<TraceContext>,
    /// What is wrong with them.
    pub issues: Vec<Issue>,
}

/// The trace context that a message's fields carry; `named` are the headers that the user knows besides.
pub fn extract(headers: &Headers, named: &[Named]) -> Extracted {
    let (mut values, mut there) = (Vec::new(), 0_u32);
    for (name, value) in headers.iter() {
        for (propagator, field) in NAMES.of(name) {
            values.push((propagator, field, value));
            there |= 1 << propagator;
        }
    }
    let mut out = Extracted::default();
    for header in named {
        match header.read(headers) {
            Found::Nothing => {}
            Found::Malformed => out.issues.push(named::MALFORMED),
            Found::Context(context) => out.contexts.push(context),
        }
    }
    if values.is_empty() && out.contexts.is_empty() {
        return out;
    }
    for (propagator, how) in PROPAGATORS.iter().enumerate() {
        if there >> propagator & 1 == 0 {
            continue;
        }
        match (how.read)(&Carried { propagator, values: &values }) {
            Found::Nothing => {}
            Found::Malformed => out.issues.push(how.malformed),
            Found::Context(context) => out.contexts.push(context),
        }
    }
    let mut named = out.contexts.iter().filter(|context| !is_request_id(context.carrier)).map(key);
    if let Some(first) = named.next()
        && named.any(|other| !same(&first, &other))
    {
        out.issues.push(DISAGREE);
    }
    out
}

/// Whether an issue says that the context of a tracer cannot be right.
pub fn is_trouble(issue: Issue) -> bool {
    let tracers = PROPAGATORS.iter().filter(|how| !is_request_id(how.carrier));
    issue == DISAGREE || issue == named::MALFORMED || tracers.into_iter().any(|how| how.malformed == issue)
}

/// Whether tracers write fields of this name, so that each sending of the same thing has another value in it.
pub fn writes(name: &str) -> bool {
    NAMES.of(name.as_bytes()).any(|(p, _)| PROPAGATORS.get(p).is_some_and(|how| !is_request_id(how.carrier)))
}

/// What a trace is known by whatever carries its ID: 16 or 32 hexadecimal digits, in lower case, where it is a number.
pub fn key(context: &TraceContext) -> CompactString {
    let carried = PROPAGATORS.iter().find(|how| how.carrier == context.carrier);
    // what the user named is known as its other writers would have written it, where it is a number
    carried.map_or_else(|| lower(&context.trace_id), |how| (how.key)(&context.trace_id))
}

/// An ID in lower case.
fn lower(id: &str) -> CompactString {
    let mut id = CompactString::from(id);
    id.as_mut_str().make_ascii_lowercase();
    id
}

/// A number of 64 or 128 bits, of which leading zeros may have been left out.
fn padded(hex: &str) -> CompactString {
    let hex = lower(hex);
    if hex.len() <= SHORT { format_compact!("{hex:0>SHORT$}") } else { format_compact!("{hex:0>LONG$}") }
}

/// Whether two keys are of one trace: where one has 64 bits only, the other's lower 64 count.
pub fn same(a: &str, b: &str) -> bool {
    let short = |key: &str| key.len() == SHORT;
    a == b || (short(a) && b.ends_with(a)) || (short(b) && a.ends_with(b))
}

/// Which propagators read a field of a name.
struct Names {
    /// Those of each length: most fields are none of these.
    by_length: Vec<Vec<(&'static str, usize, usize)>>,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let longest = PROPAGATORS.iter().flat_map(|how| how.fields).map(|name| name.len()).max().unwrap_or_default();
    let mut by_length = vec![Vec::new(); longest + 1];
    for (propagator, how) in PROPAGATORS.iter().enumerate() {
        how.fields.iter().enumerate().for_each(|(field, name)| by_length[name.len()].push((*name, propagator, field)));
    }
    Names { by_length }
});

impl Names {
    fn of(&self, name: &[u8]) -> impl Iterator<Item = (usize, usize)> {
        let names = self.by_length.get(name.len()).map(Vec::as_slice).unwrap_or_default();
        names.iter().filter(move |(n, ..)| name.eq_ignore_ascii_case(n.as_bytes())).map(|(_, p, field)| (*p, *field))
    }
}

/// A hexadecimal ID of `digits` digits that is not all zeros.
fn hex_id(text: &[u8], digits: std::ops::RangeInclusive<usize>) -> Option<&str> {
    let good = digits.contains(&text.len()) && text.iter().all(u8::is_ascii_hexdigit) && text.iter().any(|&b| b != b'0');
    std::str::from_utf8(text).ok().filter(|_| good)
}

/// A context of which no more is known than its IDs.
fn context(carrier: &'static str, trace_id: &str, span_id: Option<&str>) -> TraceContext {
    TraceContext {
        trace_id: trace_id.into(),
        span_id: span_id.map(Into::into),
        parent_id: None,
        carrier,
        sampled: None,
        state: None,
        baggage: None,
    }
}

#[cfg(test)]
mod tests;
