//! A flow as traces and findings see it: enough to place it and to judge it, so that it outlives its row. It reads no headers.

use super::super::findings::public_name;
use super::super::twins::{published_to, was_in};
use super::legs::{Asked, asked};
use super::mark::{Mark, digest};
use super::outlives::what;
use super::parties::whoever;
use super::shape::{Page, comes_late, first_part, held, of_path, of_query, page, sort};
use crate::engine::digest::digester;
use crate::model::{Detail, FlowId, FlowRef, Issue, Link, PENDING, Party, Pattern, Row, Severity, TraceContext, Value, text_of};
use crate::time::{Span, Time};
use crate::trace;
use compact_str::CompactString;
use std::borrow::Cow;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

/// For how long an answer may lie unread at who is busy: what it asked beside it is let go of no later than that.
pub(in crate::engine) const UNREAD: Span = Span::from_millis(100);
/// What comes within it comes at once: a request or an answer of several packets.
const AT_ONCE: Span = Span::from_millis(10);

/// A flow in a trace.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Hop {
    /// Which.
    pub(in crate::engine) flow: FlowId,
    /// Its first byte.
    pub(in crate::engine) time: Time,
    /// Until when its receiver was surely at work on it; none: without a known end.
    pub(in crate::engine) end: Option<Time>,
    /// Its last byte, as far as it is known.
    pub(in crate::engine) last: Time,
    /// Who sent it.
    pub(in crate::engine) from: Arc<Party>,
    /// Who received it.
    pub(in crate::engine) to: Arc<Party>,
    /// Which of the two is the server, whose address means something without a name.
    pub(in crate::engine) to_server: bool,
    /// Its protocol, shape, and what a person would call it.
    pub(in crate::engine) protocol: &'static str,
    pub(in crate::engine) pattern: Pattern,
    pub(in crate::engine) operation: CompactString,
    /// The protocol's own word for how it went.
    pub(in crate::engine) status: Option<CompactString>,
    /// Whether an answer may be held back by design.
    pub(in crate::engine) held: bool,
    /// Whether it is over, and everything known.
    pub(in crate::engine) settled: bool,
    /// Whether it went well, as far as is known.
    pub(in crate::engine) ok: bool,
    /// Whether an answer was due and did not come.
    pub(in crate::engine) pending: bool,
    /// What it asks, to compare.
    pub(in crate::engine) asked: Option<Asked>,
    /// Whether it says something of tracing that names no trace: that it is not to be traced (B3's single `0`), or what cannot be right.
    pub(in crate::engine) declined: bool,
    /// Whether all that was sent with it could be seen: what is not there then, is absent.
    pub(in crate::engine) seen: bool,
    /// Stands for the span ID that it carries.
    pub(in crate::engine) span: Option<u64>,
    /// All contexts that it carries.
    pub(in crate::engine) marks: Vec<Mark>,
    /// Which of the trace's IDs it carries, as on the wire.
    pub(in crate::engine) id: Option<u8>,
    /// By which of the trace's keys it is one of its flows: a tracer's, and a request's.
    pub(in crate::engine) keys: [Option<u8>; 2],
    /// Whether the same flow is there behind an address translation, too.
    pub(in crate::engine) passed_on: bool,
    /// Whether its sender, who has no name, may have been at work on something that cannot be read.
    pub(in crate::engine) veiled: bool,
    /// Whether findings have looked at it.
    pub(in crate::engine) judged: bool,
    /// Whether it is the reply to a message of its receiver's.
    pub(in crate::engine) reply: bool,
    /// What few have.
    pub(super) extra: Option<Box<Extra>>,
}

/// What only some flows have: apart, so that each of all the others takes little room.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Extra {
    /// What a query is apart from its literals.
    pub(in crate::engine) query: Option<CompactString>,
    /// Which page of which list it fetches, where it fetches one page by page.
    pub(in crate::engine) page: Option<Page>,
    /// The name of the public DNS by which its receiver was called, where it was by one.
    pub(in crate::engine) host: Option<CompactString>,
    /// Stands for the span ID before the one that it carries, where its carrier has one.
    pub(in crate::engine) parent_span: Option<u64>,
    /// What its message was routed by, and what it stands for.
    pub(in crate::engine) topic: Option<u64>,
    pub(in crate::engine) via: Option<CompactString>,
    /// Stands for its message apart from where it goes, where another flow carries its span ID too.
    pub(in crate::engine) message: Option<u64>,
    /// The queues that its message was in before, where somebody may have had it.
    pub(in crate::engine) was_in: Vec<CompactString>,
    /// Until when an answer was waited for, or what becomes of its message, in vain.
    pub(in crate::engine) let_go: Option<Time>,
    /// When its request was there as a whole, where that took a while.
    pub(in crate::engine) whole: Option<Time>,
    /// When its answer began, where that took a while to come and who reads it may have held it up.
    pub(in crate::engine) answering: Option<Time>,
    /// When its receiver may have waited for an answer that cannot be read.
    pub(in crate::engine) unread: Vec<(Time, Time)>,
    /// When the first part of its answer came, where that comes bit by bit.
    pub(in crate::engine) answered: Option<Time>,
    /// The same flow before an address translation.
    pub(in crate::engine) first_leg: Option<FlowId>,
    /// What it was tied to, where it is not by an ID.
    pub(in crate::engine) placed: Option<(FlowId, Link)>,
    /// Which are as likely to have caused it, where none can be claimed.
    pub(in crate::engine) maybe: Vec<FlowId>,
    /// Whether it may be because of something that was open, and nothing tells of which.
    pub(in crate::engine) untold: bool,
    /// At which addresses its sender, who has no name, is not, as its connection tells, or others of its kind.
    pub(in crate::engine) strangers: Vec<Arc<str>>,
    /// At which addresses those are who surely did not send others of its kind: none is likelier to be its sender than whom he works for.
    pub(super) no_likelier: Vec<Arc<str>>,
    /// At which addresses what was open lies beside it, as others of both kinds tell: nothing makes that likely to have caused it.
    pub(super) beside: Vec<Arc<str>>,
}

impl Extra {
    /// Nothing.
    const NONE: Self = Self {
        query: None,
        page: None,
        host: None,
        parent_span: None,
        topic: None,
        via: None,
        message: None,
        was_in: Vec::new(),
        let_go: None,
        whole: None,
        answering: None,
        unread: Vec::new(),
        answered: None,
        first_leg: None,
        placed: None,
        maybe: Vec::new(),
        untold: false,
        strangers: Vec::new(),
        no_likelier: Vec::new(),
        beside: Vec::new(),
    };
}

/// A flow as it is now.
pub(in crate::engine) fn hop(flow: FlowRef<'_>) -> Hop {
    let mut hop = begun(flow);
    hop.read(flow);
    hop
}

/// A flow that has begun: what its row tells, and nothing that has to be looked for.
pub(in crate::engine) fn begun(flow: FlowRef<'_>) -> Hop {
    let row = flow.row;
    let (from, to) = flow.ends();
    let last = row.last();
    let first_leg = flow.detail.and_then(Detail::first_leg);
    Hop {
        flow: row.id,
        time: row.time,
        end: last.filter(|_| acknowledged(row)),
        last: last.unwrap_or(row.time),
        from: Arc::clone(from),
        to: Arc::clone(to),
        to_server: row.to_server(),
        protocol: row.protocol,
        pattern: row.pattern,
        operation: row.operation.clone(),
        status: row.status.clone(),
        held: false,
        settled: false,
        ok: row.ok,
        pending: row.status.as_deref() == Some(PENDING),
        seen: false,
        asked: None,
        declined: false,
        span: None,
        marks: Vec::new(),
        id: None,
        keys: [None; 2],
        passed_on: flow.detail.and_then(Detail::second_leg).is_some(),
        veiled: false,
        judged: false,
        reply: false,
        extra: first_leg.map(|first| Box::new(Extra { first_leg: Some(first), ..Extra::NONE })),
    }
}

/// A flow that is over: all that is compared with others, too, and what findings ask of it where it is to be `judged`.
pub(in crate::engine) fn settled(flow: FlowRef<'_>, judged: bool) -> Hop {
    let mut hop = begun(flow);
    hop.read(flow);
    hop.settle(flow, judged);
    hop
}

impl Hop {
    /// What few have.
    pub(in crate::engine) fn extra(&self) -> &Extra {
        static NONE: Extra = Extra::NONE;
        self.extra.as_deref().unwrap_or(&NONE)
    }

    /// The same, to be told.
    pub(in crate::engine) fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_with(|| Box::new(Extra::NONE))
    }

    /// Whether nothing but time says that `up` caused it: not even an ID that both carry.
    pub(in crate::engine) fn by_time_alone(&self, up: &Self, link: Link) -> bool {
        let same = |at: usize| self.keys[at].is_some() && self.keys[at] == up.keys[at];
        link == Link::Time && !same(0) && !same(1)
    }

    /// From when on its receiver could be at work on it: nobody is while it is still being sent.
    pub(in crate::engine) fn arrived(&self) -> Time {
        self.extra().whole.unwrap_or(self.time).min(self.last)
    }

    /// From when on its answer came: at that its receiver need not be at work, but may wait until it is taken.
    pub(in crate::engine) fn answering(&self) -> Time {
        self.extra().answering.unwrap_or(self.last).min(self.last)
    }

    /// What it is apart from its literals.
    pub(in crate::engine) fn shape(&self) -> Cow<'_, str> {
        self.extra().query.as_deref().map_or_else(|| of_path(&self.operation).into(), Into::into)
    }

    /// Stands for whom it asks for what, apart from its literals.
    pub(in crate::engine) fn kind(&self) -> u64 {
        what(&self.to, self.extra().query.as_deref().map_or_else(|| sort(&self.operation), digest))
    }

    /// Stands for who asks whom for what, apart from its literals, whatever port it is asked from.
    pub(in crate::engine) fn call(&self) -> u64 {
        let mut hasher = digester();
        whoever(&self.from).hash(&mut hasher);
        hasher.write_u64(self.kind());
        hasher.finish()
    }

    /// It is over.
    pub(in crate::engine) fn ended(&mut self, row: &Row) {
        let last = row.last();
        (self.last, self.end) = (last.unwrap_or(row.time), last.filter(|_| acknowledged(row)));
        (self.ok, self.pending) = (row.ok, row.status.as_deref() == Some(PENDING));
        self.status.clone_from(&row.status);
        self.settled = true;
    }

    /// It is the reply to a message of its receiver's, who is done with it at once.
    pub(in crate::engine) fn answers(&mut self, row: &Row) {
        self.reply = true;
        self.end = row.last().or(Some(self.time));
    }

    /// What is known of its flow by now; what was found out about it stays.
    pub(super) fn renew(&mut self, flow: FlowRef<'_>) {
        let row = flow.row;
        for (end, now) in [&mut self.from, &mut self.to].into_iter().zip(<[_; 2]>::from(flow.ends())) {
            if !Arc::ptr_eq(end, now) {
                end.clone_from(now);
            }
        }
        let last = row.last();
        (self.last, self.end) = (last.unwrap_or(row.time), last.filter(|_| self.reply || acknowledged(row)));
        (self.ok, self.pending) = (row.ok, row.status.as_deref() == Some(PENDING));
        self.status.clone_from(&row.status);
        (self.protocol, self.pattern) = (row.protocol, row.pattern);
        if self.operation != row.operation {
            self.operation.clone_from(&row.operation);
        }
        self.passed_on |= flow.detail.and_then(Detail::second_leg).is_some();
        if let Some(first) = flow.detail.and_then(Detail::first_leg) {
            self.extra_mut().first_leg = Some(first);
        }
        self.read(flow);
    }

    /// Its flow is over.
    pub(super) fn settle(&mut self, flow: FlowRef<'_>, judged: bool) {
        self.asked = asked(flow).or(self.asked);
        if let Some(first) = first_part(flow) {
            self.extra_mut().answered = Some(first);
        }
        if judged {
            self.held |= held(flow);
            let query = of_query(flow);
            if let Some(page) = page(flow, query.as_deref()) {
                self.extra_mut().page = Some(page);
            }
            if query.is_some() {
                self.extra_mut().query = query;
            }
        }
        self.settled = true;
    }

    /// What its flow carries; headers may have been evicted since they were read.
    fn read(&mut self, flow: FlowRef<'_>) {
        let Some(detail) = flow.detail else { return };
        let mut host = None;
        for (name, value) in detail.request.iter().flat_map(|half| half.headers.iter()) {
            match name.len() {
                4 | 10
                    if host.is_none() && [&b"host"[..], b":authority"].iter().any(|known| name.eq_ignore_ascii_case(known)) =>
                {
                    host = Some(text_of(value));
                }
                2 | 12 => self.declined |= [&b"b3"[..], b"x-b3-sampled"].iter().any(|known| name.eq_ignore_ascii_case(known)),
                _ => {}
            }
        }
        if let Some(host) = host.filter(|host| public_name(host)) {
            self.extra_mut().host = Some(host.into());
        }
        self.declined |= detail.notes.iter().any(|note| trace::is_trouble(*note));
        if !detail.traces.is_empty() || self.marks.is_empty() {
            // a message is all there that is the first of a connection that was joined, but for fields that were told by a number there
            // before
            let whole = |note: &Issue| *note == Issue::JOINED && !detail.layers.contains(&"http2");
            self.seen = detail.notes.iter().all(|note| note.severity == Severity::Remark || whole(note));
            // a flow that carries contexts is of the trace of the first
            let first = flow.row.trace_id.as_deref();
            let contexts = detail.traces.iter().enumerate();
            let mark = |(n, context): (usize, &TraceContext)| match first.filter(|_| n == 0) {
                Some(key) => Mark::known_by(key, context),
                None => Mark::of(context),
            };
            self.marks.clear();
            self.marks.reserve_exact(detail.traces.len());
            self.marks.extend(contexts.map(mark));
        }
        let whole = detail.request.as_ref().and_then(|half| half.whole).filter(|_| !flow.row.pattern.one_way());
        if let Some(whole) = whole.filter(|whole| whole.since(self.time) > AT_ONCE) {
            self.extra_mut().whole = Some(whole);
        }
        let answer = detail.response.as_ref().map(|half| half.first.time).filter(|_| !flow.row.pattern.one_way());
        if let Some(answer) = answer.filter(|answer| self.last.since(*answer) > AT_ONCE && !comes_late(flow)) {
            self.extra_mut().answering = Some(answer);
        }
        // an exchange goes through no topic
        let routed = Some(detail).filter(|_| flow.row.pattern != Pattern::RequestResponse && !flow.row.pattern.is_call());
        if let Some(topic) = routed.and_then(topic) {
            self.extra_mut().topic = Some(topic);
        }
        if let Some(via) = routed.and_then(|_| flow.via()) {
            self.extra_mut().via = Some(via.into());
        }
        if flow.row.pattern == Pattern::Deliver {
            let was_in: Vec<_> = was_in(&detail.fields).map(Into::into).collect();
            if !was_in.is_empty() {
                self.extra_mut().was_in = was_in;
            }
        }
    }
}

/// Whether who took it said when it was done: who took a message that needs no word of thanks may be at work on it for long.
pub(in crate::engine) fn acknowledged(row: &Row) -> bool {
    row.pattern != Pattern::Deliver || row.status.as_deref().is_some_and(|status| status != "auto")
}

/// The fields that a message is routed by, beside AMQP's, whichever protocol's it is.
const ROUTE: &[&str] = &["kafka.topic", "nats.subject", "mqtt.topic", "stomp.destination"];

/// Stands for what a message was routed by: equal for what was published and what was delivered of it.
pub(in crate::engine) fn topic(detail: &Detail) -> Option<u64> {
    let text = |name: &&str| match detail.fields.get(name) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    };
    let (exchange, routes) = (published_to(&detail.fields), ROUTE.iter().map(text));
    let mut hasher = digester();
    exchange.hash(&mut hasher);
    let routed = routes.fold(false, |routed, route| {
        route.hash(&mut hasher);
        routed || route.is_some()
    });
    (exchange.is_some() || routed).then(|| hasher.finish())
}
