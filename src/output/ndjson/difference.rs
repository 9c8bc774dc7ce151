//! What is different between two runs, as lines: one a difference, and the sums last of all.

use super::Object;
use crate::diff::{Difference, Kind, Pair};
use crate::story::Brief;
use crate::text::write_json_string;

/// Appends the differences of a pair of traces.
pub fn write_differences(pair: &Pair<'_>, out: &mut Vec<u8>) {
    for difference in &pair.differences {
        write_difference(pair, difference, out);
    }
}

fn write_difference(pair: &Pair<'_>, difference: &Difference, out: &mut Vec<u8>) {
    let mut o = Object::record("difference", out);
    o.text("kind", difference.kind.word());
    o.opt(pair.root.as_deref(), |o, root| o.text("root", root));
    for (key, trace) in ["trace_a", "trace_b"].iter().zip(&pair.traces) {
        o.opt(trace.as_ref(), |o, trace| o.text(key, &trace.trace_id));
    }
    o.text("from", &difference.key.from);
    o.text("to", &difference.key.to);
    o.text("operation", &difference.key.operation);
    o.opt(difference.occurrence, |o, n| o.number("occurrence", n as u64));
    if difference.count() > 1 {
        o.number("count", difference.count() as u64);
    }
    if let Kind::Slower(factor) = difference.kind {
        o.key("factor").extend_from_slice(format!("{factor:.2}").as_bytes());
    }
    for (key, flow) in [("a", &difference.a), ("b", &difference.b)] {
        o.opt(flow.as_ref(), |o, flow| write_side(flow, o.key(key)));
    }
    o.end_line();
}

fn write_side(flow: &Brief, out: &mut Vec<u8>) {
    let mut o = Object::open(out);
    o.number("flow", flow.id.0);
    o.time("time", flow.time);
    o.opt(flow.duration, |o, d| o.number("duration_us", d.micros_up()));
    o.text("protocol", flow.protocol);
    o.text("operation", &flow.operation);
    o.opt(flow.status.as_deref(), |o, status| o.text("status", status));
    o.flag("ok", flow.ok);
    o.end();
}

/// Appends the sums.
pub fn write_diff(files: [&str; 2], pairs: &[Pair<'_>], out: &mut Vec<u8>) {
    let mut o = Object::record("diff", out);
    super::write_list(&files, o.key("files"), |file, out| write_json_string(file, out));
    let count = |at: usize| pairs.iter().filter(|pair| pair.traces[at].is_some()).count() as u64;
    let compared = pairs.iter().filter(|pair| pair.traces.iter().all(Option::is_some)).count() as u64;
    super::write_numbers("traces", [("a", count(0)), ("b", count(1)), ("compared", compared)], &mut o);
    o.number("differences", pairs.iter().map(|pair| pair.differences.len() as u64).sum());
    o.end_line();
}
