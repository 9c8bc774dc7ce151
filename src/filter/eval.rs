//! Whether a flow matches an expression. Nothing here is parsed or compiled: that was done once.

use super::expr::{Cmp, Expr, Literal, Value};
use super::field::{Common, Field};
use super::parse::{of_day, order};
use super::shown::{self, Ask};
use crate::body::protobuf;
use crate::mask::Secrets;
use crate::model::FlowRef;
use crate::schema::Schemas;
use std::cmp::Ordering;

/// How flows are shown, and so what a filter can see of them.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// Masked or not.
    pub secrets: Secrets,
    /// How much of an inflated body is kept.
    pub body_limit: usize,
    /// Which messages are known.
    pub schemas: &'a Schemas,
}

impl Look<'_> {
    /// Whether an expression holds for a flow.
    pub fn holds(self, expr: &Expr, flow: FlowRef<'_>) -> bool {
        match expr {
            Expr::All(terms) => terms.iter().all(|t| self.holds(t, flow)),
            Expr::Any(terms) => terms.iter().any(|t| self.holds(t, flow)),
            Expr::Not(term) => !self.holds(term, flow),
            Expr::Is(field) => self.truth(field, flow) == Some(true),
            Expr::IsOr(field, word) => {
                self.truth(field, flow).unwrap_or_else(|| self.shows(flow, &mut |t| word.regex.is_match(t)))
            }
            Expr::Search(text) => self.shows(flow, &mut |t| text.regex.is_match(t)),
            Expr::Compare(field, Cmp::Ne, value) => self.is_one_of(field, std::slice::from_ref(value), flow) == Some(false),
            Expr::Compare(field, Cmp::Eq, value) => self.is_one_of(field, std::slice::from_ref(value), flow) == Some(true),
            Expr::Compare(field, cmp, value) => self.orders(field, *cmp, value, flow),
            Expr::OneOf(field, values) => self.is_one_of(field, values, flow) == Some(true),
            Expr::Contains(field, part) => self.texts(field, flow, &mut |t| t.contains(part.as_str())),
            Expr::Matches(field, pattern) => self.texts(field, flow, &mut |t| pattern.regex.is_match(t)),
        }
    }

    /// Whether a field is true; none where it is absent.
    fn truth(self, field: &Field, flow: FlowRef<'_>) -> Option<bool> {
        let row = flow.row;
        match field {
            Field::Common(Common::Ok) => Some(row.ok),
            Field::Common(Common::Size | Common::Body) => (row.bytes > 0).then_some(true),
            Field::Common(Common::Client) => Some(flow.client.service.is_some()),
            Field::Common(Common::Server) => Some(flow.server.service.is_some()),
            Field::Common(Common::Service) => (flow.client.service.is_some() || flow.server.service.is_some()).then_some(true),
            Field::Common(Common::Dur | Common::Conn | Common::Time | Common::Hops) => quantity(field, flow).map(|_| true),
            field => {
                let mut falsehood = None;
                self.texts(field, flow, &mut |text| {
                    falsehood = Some(text == "false");
                    text != "false"
                });
                falsehood.map(|f| !f || !matches!(field, Field::Own(_)))
            }
        }
    }

    /// Whether a field has one of the values; none where it is absent.
    fn is_one_of(self, field: &Field, values: &[Literal], flow: FlowRef<'_>) -> Option<bool> {
        if *field == Field::Common(Common::Ok) {
            return Some(values.iter().any(|v| v.value == Value::Bool(flow.row.ok)));
        }
        if let Some(n) = quantity(field, flow) {
            return Some(values.iter().any(|v| against(n, &v.value) == Some(Ordering::Equal)));
        }
        let blind = matches!(field, Field::Common(Common::Proto | Common::Trace));
        let plain = matches!(field, Field::Common(c) if *c != Common::Status);
        let same = |text: &str, value: &Literal| match (blind, plain) {
            (true, _) => text.eq_ignore_ascii_case(&value.text),
            (false, true) => text == value.text,
            (false, false) => text == value.text || numbers(text, &value.text) == Some(Ordering::Equal),
        };
        let mut present = false;
        let found = self.texts(field, flow, &mut |text| {
            present = true;
            values.iter().any(|v| same(text, v))
        });
        present.then_some(found)
    }

    fn orders(self, field: &Field, cmp: Cmp, value: &Literal, flow: FlowRef<'_>) -> bool {
        match quantity(field, flow) {
            Some(n) => against(n, &value.value).is_some_and(|o| cmp.holds(o)),
            None => self.texts(field, flow, &mut |text| ranked(text, &value.text).is_some_and(|o| cmp.holds(o))),
        }
    }

    /// Asks about each text that a field has.
    fn texts(self, field: &Field, flow: FlowRef<'_>, ask: Ask<'_>) -> bool {
        let row = flow.row;
        match field {
            Field::Header(name) => flow.detail.is_some_and(|d| shown::header(d, name, self, ask)),
            Field::Own(name) => flow.detail.is_some_and(|d| shown::own(row, d, name, self, ask)),
            Field::Common(common) => match common {
                Common::Proto => ask(row.protocol),
                Common::Client => shown::party(flow.client, ask),
                Common::Server => shown::party(flow.server, ask),
                Common::Service => shown::party(flow.client, ask) || shown::party(flow.server, ask),
                Common::Op => !row.operation.is_empty() && ask(&row.operation),
                Common::Status => row.status.as_deref().is_some_and(ask),
                Common::Via => flow.via().is_some_and(ask),
                Common::Direction => row.direction().is_some_and(|dir| ask(dir.word())),
                Common::Trace => row.trace_id.as_deref().is_some_and(ask),
                Common::Body => flow.detail.is_some_and(|d| shown::bodies(d, self, ask)),
                Common::Link => row.link.is_some_and(|link| ask(link.word())),
                Common::Ok | Common::Dur | Common::Size | Common::Hops | Common::Conn | Common::Time => false,
            },
        }
    }

    /// Asks about everything visible of a flow, bodies last.
    fn shows(self, flow: FlowRef<'_>, ask: Ask<'_>) -> bool {
        shown::row(flow, ask)
            || flow.detail.is_some_and(|d| {
                let fields = shown::known(flow.row, d, self);
                protobuf::notes(flow.row, d, &fields, self.schemas).into_iter().any(&mut *ask)
                    || shown::fields(&fields, self, ask)
                    || shown::headers(d, self, ask)
                    || shown::bodies(d, self, ask)
            })
    }
}

/// The number that a field holds, in nanoseconds, bytes or ones.
fn quantity(field: &Field, flow: FlowRef<'_>) -> Option<i128> {
    let Field::Common(field) = field else { return None };
    match field {
        // as it is shown: whole microseconds, rounded up
        Common::Dur => flow.row.duration.map(|d| i128::from(d.micros_up()) * 1000),
        Common::Size => Some(flow.row.bytes.into()),
        Common::Conn => Some(flow.connection.into()),
        Common::Time => Some(flow.row.time.nanos().into()),
        Common::Proto | Common::Service | Common::Client | Common::Server | Common::Op | Common::Status | Common::Ok => None,
        Common::Trace | Common::Link | Common::Hops | Common::Body | Common::Via | Common::Direction => None,
    }
}

/// Where a number stands to a value of its kind.
fn against(n: i128, value: &Value) -> Option<Ordering> {
    match value {
        Value::Quantity(range) => Some(order(n, range)),
        Value::Clock(range) => Some(order(of_day(n), range)),
        Value::Text | Value::Bool(_) => None,
    }
}

/// The order of two numbers, where both are.
fn numbers(left: &str, right: &str) -> Option<Ordering> {
    match (left.parse::<i64>(), right.parse::<i64>()) {
        (Ok(l), Ok(r)) => Some(l.cmp(&r)),
        _ => decimal(left)?.partial_cmp(&decimal(right)?),
    }
}

/// The order of two texts; a number and a word have none.
fn ranked(left: &str, right: &str) -> Option<Ordering> {
    numbers(left, right).or_else(|| (decimal(left).is_none() && decimal(right).is_none()).then(|| left.cmp(right)))
}

/// A plain decimal number: no exponent, no `inf`, no `nan`, which are words here.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.'));
    plain.then(|| text.parse().ok()).flatten()
}
