//! Legs: two flows that are one request on its way through a proxy, a sidecar or address translation. Not a merge: each stays a flow.
//!
//! The proxy says so itself (`Via`, `Forwarded`, `X-Forwarded-For`: it has added a stop), or it passes on unchanged what an instrumented
//! service would write anew (the span ID), or what every other service would have no reason to repeat (all of the request). Where it has
//! written the path anew, both have to be unchanged, and it has to be another program than what is behind it. Of address translation its
//! sequence numbers tell (`engine::stitch`'s `nat`).

use super::hop::Hop;
use super::parties::everybodys;
use crate::engine::digest::digester;
use crate::engine::twins::digest;
use crate::model::{FlowRef, Half, Headers, Pattern, Value};
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
/// How much of a message's body is compared, in bytes.
const COMPARED: usize = 4096;
/// How many fields a request has to have to be told from others by them: what only a handful say is no likeness.
const TELLING: usize = 3;

/// A request, as far as it has to be compared with another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Asked {
    /// Through how many hands it says it has gone: one more than the stops on its way.
    pub(super) hands: NonZeroU16,
    /// Stands for all that it says but where to, where it says enough to be told from others, and no tracer's ID does that better, or
    /// another flow carries that one as well.
    whole: Option<NonZeroU64>,
    /// Stands for the software that answered, as it says, where `whole` tells of another flow that carries its ID.
    by: Option<NonZeroU64>,
}

impl Hop {
    /// Another flow carries its span ID too: all that it says tells whether that is the very same request or message.
    pub(super) fn compare(&mut self, flow: FlowRef<'_>) {
        let half = || flow.detail?.request.as_ref();
        if let Some(asked) = &mut self.asked {
            asked.whole = asked.whole.or_else(|| whole(half()?));
            asked.by = server(flow);
        }
        if let Some(message) = message(flow) {
            self.extra_mut().message = Some(message);
        }
    }
}

fn server(flow: FlowRef<'_>) -> Option<NonZeroU64> {
    let mut hasher = digester();
    flow.detail?.response.as_ref()?.headers.get("server")?.hash(&mut hasher);
    NonZeroU64::new(hasher.finish())
}

/// Stands for a broker's message, wherever it goes: its own ID, else all of its properties, and its body.
fn message(flow: FlowRef<'_>) -> Option<u64> {
    let detail = flow.detail.filter(|_| matches!(flow.row.pattern, Pattern::Publish | Pattern::Deliver))?;
    let (Some(properties), body) = (detail.fields.get("amqp.properties"), &detail.request.as_ref()?.body) else { return None };
    let id = match properties {
        Value::Map(pairs) => pairs.iter().find(|(name, value)| name == "message_id" && *value != Value::Text("".into())),
        _ => None,
    };
    let mut hasher = digester();
    digest(id.map_or(properties, |(_, id)| id), &mut hasher);
    body.bytes.hash(&mut hasher);
    body.kept.get(..COMPARED).unwrap_or(&body.kept).hash(&mut hasher);
    Some(hasher.finish())
}

/// Whether a consumer passes the very message on that it was delivered: to be tried again, to another queue.
pub(in crate::engine) fn forwards(up: &Hop, down: &Hop) -> bool {
    let same = up.extra().message.is_some() && up.extra().message == down.extra().message;
    same && up.pattern == Pattern::Deliver && down.pattern == Pattern::Publish
}

/// A flow's request.
pub(in crate::engine) fn asked(flow: FlowRef<'_>) -> Option<Asked> {
    let detail = flow.detail.filter(|_| !flow.row.pattern.one_way())?;
    let half = detail.request.as_ref()?;
    let told = usize::from(detail.layers.contains(&"proxy"));
    let stops = u16::try_from(stops(&half.headers) + told).unwrap_or(u16::MAX);
    // a query is compared by what it asks
    let whole = (detail.traces.is_empty() && flow.row.pattern != Pattern::Query).then(|| whole(half)).flatten();
    Some(Asked { hands: NonZeroU16::MIN.saturating_add(stops), whole, by: None })
}

fn stops(headers: &Headers) -> usize {
    let elements = |value: &[u8]| value.split(|b| *b == b',').filter(|part| !part.trim_ascii().is_empty()).count();
    let is = |name: &[u8], known: &[&str]| known.iter().any(|k| name.len() == k.len() && name.eq_ignore_ascii_case(k.as_bytes()));
    let stop = |(name, value): (&[u8], &[u8])| if is(name, LISTS) { elements(value) } else { usize::from(is(name, MARKS)) };
    // most fields are told apart by their first letter
    headers.iter().filter(|(name, _)| matches!(name.first(), Some(b'v' | b'V' | b'f' | b'F' | b'x' | b'X'))).map(stop).sum()
}

fn whole(half: &Half) -> Option<NonZeroU64> {
    let mut hasher = digester();
    half.body.bytes.hash(&mut hasher);
    let others = || HOP_BY_HOP.iter().chain(LISTS).chain(MARKS);
    let of_request = |name: &[u8]| !others().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
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
    let spans = |hop: &Hop| hop.marks.iter().filter_map(|mark| mark.span).collect::<Vec<_>>();
    let (spans_up, spans_down) = (spans(up), spans(down));
    let unchanged = spans_up.iter().any(|span| spans_down.contains(span));
    let whole = b.whole.is_some() && b.whole == a.whole;
    if alike(up, down) {
        return b.hands > a.hands || unchanged || whole;
    }
    // services of one make say the same without passing anything on
    let another = b.hands > a.hands || (a.by.is_some() && a.by != b.by);
    unchanged && whole && another && rewritten(up, down)
}

/// Whether both ask by one method, of which a proxy may have written the path anew.
fn rewritten(up: &Hop, down: &Hop) -> bool {
    let methods = [up, down].map(|hop| hop.operation.split_once(' ').map(|(method, _)| method));
    up.pattern == down.pattern && up.protocol == down.protocol && methods[0].is_some() && methods[0] == methods[1]
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
    use crate::engine::findings::rig::{call, deliver, publish};
    use crate::engine::traces::{Mark, settled};
    use crate::model::TraceContext;

    /// A request with a span ID, compared with others that carry it.
    fn asked_with(operation: &str, fields: &str, server: &str) -> Hop {
        let mut flow = call(1, &format!("a>b 0-9 {operation} 200"));
        let mut detail = flow.detail.as_deref().unwrap().clone();
        let mut headers = Headers::default();
        let pairs = fields.split(' ').filter_map(|field| field.split_once('='));
        pairs.for_each(|(name, value)| headers.push(name.as_bytes(), value.as_bytes()));
        detail.request = Some(Half { headers, ..Half::default() });
        let mut headers = Headers::default();
        headers.push(b"Server", server.as_bytes());
        detail.response = Some(Half { headers, ..Half::default() });
        flow.detail = Some(detail.into());
        let mut hop = settled(flow.as_ref(), true);
        let context = TraceContext {
            trace_id: "t".into(),
            span_id: Some("s".into()),
            parent_id: None,
            carrier: "traceparent",
            sampled: None,
            state: None,
            baggage: None,
        };
        hop.marks = vec![Mark::of(&context)];
        hop.compare(flow.as_ref());
        hop
    }

    #[test]
    fn who_writes_only_the_path_anew_is_a_proxy() {
        let fields = "traceparent=t-s accept=x user-agent=curl";
        let (up, forwarded) = (asked_with("GET /orders", fields, "nginx"), format!("{fields} x-forwarded-for=c"));
        assert!(leg(&up, &asked_with("GET /v2/shop", &format!("{fields} host=b connection=close"), "gunicorn")));
        assert!(leg(&up, &asked_with("GET /v2/shop", &forwarded, "nginx")), "it says so");
        assert!(!leg(&up, &asked_with("GET /v2/shop", fields, "nginx")), "services of one make");
        assert!(!leg(&up, &asked_with("POST /v2/shop", fields, "gunicorn")));
        // who copies the header asks as himself
        assert!(!leg(&up, &asked_with("GET /stock", "traceparent=t-s accept=x user-agent=go", "gunicorn")));
        let bare = asked_with("GET /orders", "traceparent=t-s", "nginx");
        assert!(!leg(&bare, &asked_with("GET /stock", "traceparent=t-s", "gunicorn")));
    }

    #[test]
    fn a_message_that_is_passed_on_is_known_by_its_id_and_its_body() {
        let of = |flow: crate::model::Flow| {
            let mut hop = settled(flow.as_ref(), true);
            hop.compare(flow.as_ref());
            hop
        };
        let (came, went) = (|text: &str| of(deliver(1, &format!("queue=q {text}"))), |text: &str| of(publish(2, text)));
        assert!(forwards(&came("id=m body=a"), &went("id=m body=a key=retry tries=2")));
        assert!(forwards(&came("body=a by=x n=1"), &went("body=a key=retry n=1")));
        assert!(!forwards(&came("id=m body=a"), &went("id=m body=b")) && !forwards(&came("id=m body=a"), &went("id=n body=a")));
        assert!(!forwards(&came("body=a n=1"), &went("body=a n=2")) && !forwards(&went("id=m"), &went("id=m")));
    }

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
