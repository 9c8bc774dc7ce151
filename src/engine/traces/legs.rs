//! Legs: two flows that are one request on its way through a proxy, a sidecar or address translation. Not a merge: each stays a flow.
//!
//! The proxy says so itself (`Via`, `Forwarded`, `X-Forwarded-For`: it has added a stop), or it passes on unchanged what an instrumented
//! service would write anew (the span ID), or what every other service would have no reason to repeat (all of the request). Of address
//! translation its sequence numbers tell (`engine::stitch`'s `nat`).

use super::hop::{Hop, everybodys};
use crate::engine::digest::digester;
use crate::model::{FlowRef, Half, Headers, Pattern};
use crate::time::{Span, Time};
use std::hash::{Hash as _, Hasher as _};
use std::num::{NonZeroU16, NonZeroU64};

/// Fields that each stop adds an element to, and fields that a stop adds.
const LISTS: &[&str] = &["via", "forwarded", "x-forwarded-for"];
const MARKS: &[&str] =
    &["x-real-ip", "x-envoy-original-path", "x-envoy-expected-rq-timeout-ms", "x-forwarded-proto", "x-forwarded-host"];
/// Fields that belong to a connection (RFC 9110 §7.6.1) or name its other end: the same request has others on each.
const HOP_BY_HOP: &[&str] =
    &["connection", "keep-alive", "te", "transfer-encoding", "upgrade", "host", ":authority", "content-length"];

/// How soon after a request what is sent next was hardly sent because of it, unless it is passed on.
const SOON: Span = Span::from_nanos(50_000);
/// How many fields a request has to have to be told from others by them: what only a handful say is no likeness.
const TELLING: usize = 3;

/// A request, as far as it has to be compared with another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Asked {
    /// Through how many hands it says it has gone: one more than the stops on its way.
    pub(super) hands: NonZeroU16,
    /// Stands for all that it says, where it says enough to be told from others, and no tracer's ID does that better.
    whole: Option<NonZeroU64>,
}

/// A flow's request.
pub(in crate::engine) fn asked(flow: FlowRef<'_>) -> Option<Asked> {
    let detail = flow.detail.filter(|_| !flow.row.pattern.one_way())?;
    let half = detail.request.as_ref()?;
    let told = usize::from(detail.layers.contains(&"proxy"));
    let stops = u16::try_from(stops(&half.headers) + told).unwrap_or(u16::MAX);
    let whole = detail.traces.is_empty().then(|| whole(half)).flatten();
    Some(Asked { hands: NonZeroU16::MIN.saturating_add(stops), whole })
}

fn stops(headers: &Headers) -> usize {
    let elements = |value: &[u8]| value.split(|b| *b == b',').filter(|part| !part.trim_ascii().is_empty()).count();
    let is = |name: &[u8], known: &[&str]| known.iter().any(|k| name.len() == k.len() && name.eq_ignore_ascii_case(k.as_bytes()));
    let stop = |(name, value): (&[u8], &[u8])| if is(name, LISTS) { elements(value) } else { usize::from(is(name, MARKS)) };
    headers.iter().map(stop).sum()
}

fn whole(half: &Half) -> Option<NonZeroU64> {
    let mut hasher = digester();
    half.body.bytes.hash(&mut hasher);
    let of_request = |name: &[u8]| !HOP_BY_HOP.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    let mut fields = 0;
    for (name, value) in half.headers.iter().filter(|(name, _)| of_request(name)) {
        name.iter().for_each(|b| b.to_ascii_lowercase().hash(&mut hasher));
        value.hash(&mut hasher);
        fields += 1;
    }
    NonZeroU64::new(hasher.finish()).filter(|_| fields >= TELLING)
}

/// Whether `down` is the request of `up`, passed on by its receiver or a kernel.
pub(in crate::engine) fn leg(up: &Hop, down: &Hop) -> bool {
    if down.extra().first_leg == Some(up.flow) {
        return true;
    }
    // a store asks nobody for anything: a query because of another one is that one
    if up.pattern == Pattern::Query && down.pattern == Pattern::Query {
        return up.protocol == down.protocol && up.operation == down.operation;
    }
    let (Some(a), Some(b)) = (up.asked, down.asked) else { return false };
    if !alike(up, down) {
        return false;
    }
    let spans = |hop: &Hop| hop.marks.iter().filter_map(|mark| mark.span).collect::<Vec<_>>();
    let (spans_up, spans_down) = (spans(up), spans(down));
    let unchanged = spans_up.iter().any(|span| spans_down.contains(span));
    b.hands > a.hands || unchanged || (b.whole.is_some() && b.whole == a.whole)
}

/// Whether both ask for the same.
pub(super) fn alike(up: &Hop, down: &Hop) -> bool {
    up.pattern == down.pattern && up.protocol == down.protocol && same_target(&up.operation, &down.operation)
}

/// Whether a request went out together with one of a moment before, on the address that all services share, rather than because of it, as
/// far as anybody can tell who does not know their senders: what is passed on goes out as soon.
pub(in crate::engine) fn beside(before: Time, down: &Hop) -> bool {
    before.after(SOON) > down.time && everybodys(down.from.host())
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
