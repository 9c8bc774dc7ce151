//! Legs: two flows that are one request on its way through a proxy, a sidecar or address translation. Not a merge: each stays a flow.
//!
//! The proxy says so itself (`Via`, `Forwarded`, `X-Forwarded-For`: it has added a stop), or it passes on unchanged what an instrumented
//! service would write anew (the span ID), or what every other service would have no reason to repeat (all of the request).

use super::hop::Hop;
use crate::model::{FlowRef, Half, text_of};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Fields that each stop adds an element to, and fields that a stop adds.
const LISTS: &[&str] = &["via", "forwarded", "x-forwarded-for"];
const MARKS: &[&str] =
    &["x-real-ip", "x-envoy-original-path", "x-envoy-expected-rq-timeout-ms", "x-forwarded-proto", "x-forwarded-host"];
/// Fields that belong to a connection (RFC 9110 §7.6.1) or name its other end: the same request has others on each.
const HOP_BY_HOP: &[&str] =
    &["connection", "keep-alive", "te", "transfer-encoding", "upgrade", "host", ":authority", "content-length"];

/// A request, as far as it has to be compared with another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Asked {
    /// How many stops it says it has made.
    stops: usize,
    /// Stands for all that it says.
    whole: u64,
    /// Its fields, its body's length: what only a handful say is no likeness.
    fields: usize,
}

/// A flow's request.
pub(super) fn asked(flow: FlowRef<'_>) -> Option<Asked> {
    let half = flow.detail?.request.as_ref().filter(|_| !flow.row.pattern.one_way())?;
    let told = usize::from(flow.detail?.layers.contains(&"proxy"));
    let mut asked = Asked { stops: stops(half) + told, ..Asked::default() };
    let mut hasher = DefaultHasher::new();
    half.body.bytes.hash(&mut hasher);
    for (name, value) in half.headers.iter() {
        let name = text_of(name).to_ascii_lowercase();
        if !HOP_BY_HOP.contains(&&*name) {
            (name, value).hash(&mut hasher);
            asked.fields += 1;
        }
    }
    asked.whole = hasher.finish();
    Some(asked)
}

fn stops(half: &Half) -> usize {
    let elements = |value: &[u8]| value.split(|b| *b == b',').filter(|part| !part.trim_ascii().is_empty()).count();
    let lists = LISTS.iter().map(|name| half.headers.all(name).map(elements).sum::<usize>());
    lists.sum::<usize>() + MARKS.iter().filter(|name| half.headers.get(name).is_some()).count()
}

/// Whether `down` is the request of `up`, passed on by its receiver.
pub(in crate::engine) fn leg(up: &Hop, down: &Hop) -> bool {
    let (Some(a), Some(b)) = (up.asked, down.asked) else { return false };
    if up.pattern != down.pattern || up.protocol != down.protocol || !same_target(&up.operation, &down.operation) {
        return false;
    }
    let spans = |hop: &Hop| hop.marks.iter().filter_map(|mark| mark.span).collect::<Vec<_>>();
    let (spans_up, spans_down) = (spans(up), spans(down));
    let unchanged = spans_up.iter().any(|span| spans_down.contains(span));
    b.stops > a.stops || unchanged || (b.whole == a.whole && b.fields >= 3)
}

/// Whether two operations have one method, and one path, of which a proxy may have cut or added the beginning.
fn same_target(a: &str, b: &str) -> bool {
    let (Some((method, a)), Some((other, b))) = (a.split_once(' '), b.split_once(' ')) else { return a == b };
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    method == other && (long == short || (long.ends_with(short) && short.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_may_cut_the_beginning_of_a_path() {
        assert!(same_target("GET /api/orders", "GET /orders"));
        assert!(same_target("GET /orders", "GET /v1/orders"));
        assert!(same_target("/shop.v1.Orders/Place", "/shop.v1.Orders/Place"));
        assert!(!same_target("GET /orders", "POST /orders"));
        assert!(!same_target("GET /orders", "GET /stock"));
        assert!(!same_target("GET /reorders", "GET orders"));
    }
}
