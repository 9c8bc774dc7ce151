//! How services propagate trace context: what a message carries, and what a service makes of it in what it sends.

/// The headers in which a context is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Traceparent,
    B3,
    B3Multi,
    Sentry,
    Datadog,
}

/// What a service does with the context that it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sends {
    /// A new span for each call, in one format.
    Spans(Format),
    /// The same, with the request's `x-request-id`, made where there is none.
    SpansAndRequestId(Format),
    /// Nothing at all.
    Nothing,
    /// Nothing but `x-request-id`, made where there is none.
    RequestId,
    /// A trace of its own for each message that it takes.
    Restarts,
    /// The same, with the request's `x-request-id`.
    RestartsWithRequestId,
    /// What it was sent, to the letter, as a proxy does and a service should not.
    Copies,
    /// New spans that are not sampled.
    Unsampled,
    /// What it was sent, and an `x-request-id` where there was none: a proxy.
    Passes,
}

/// Trace context as a message carries it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    pub span: Option<Span>,
    pub request_id: Option<String>,
}

/// A span of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub trace: u128,
    pub id: u64,
    pub parent: Option<u64>,
    pub sampled: bool,
    pub format: Format,
}

/// Makes IDs: the same ones each time, none twice.
#[derive(Debug)]
pub struct Ids(u64);

impl Ids {
    pub fn new() -> Self {
        Self(0)
    }

    /// The next one (splitmix64, Steele et al. 2014).
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A trace ID.
    pub fn trace(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    /// A UUID, version 4.
    pub fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        let (time, mid, version) = (a >> 32, a >> 16 & 0xffff, a & 0xfff);
        format!("{time:08x}-{mid:04x}-4{version:03x}-{:04x}-{:012x}", b >> 48 & 0x3fff | 0x8000, b & 0xffff_ffff_ffff)
    }
}

impl Sends {
    /// What a service works with while it is at work on a message: its span is not on the wire.
    pub fn takes(self, sent: &Context, ids: &mut Ids) -> Context {
        let new = |ids: &mut Ids, format| Span { trace: ids.trace(), id: ids.next(), parent: None, sampled: true, format };
        let request_id = |ids: &mut Ids| sent.request_id.clone().or_else(|| Some(ids.uuid()));
        match self {
            Self::Nothing => Context::default(),
            Self::Copies => sent.clone(),
            Self::Passes => Context { span: sent.span.clone(), request_id: request_id(ids) },
            Self::RequestId => Context { span: None, request_id: request_id(ids) },
            Self::RestartsWithRequestId => Context { span: Some(new(ids, Format::Traceparent)), request_id: request_id(ids) },
            Self::Restarts => Context { span: Some(new(ids, Format::Traceparent)), request_id: None },
            Self::Spans(format) | Self::SpansAndRequestId(format) => {
                let taken = sent.span.as_ref().map(|span| Span { id: ids.next(), parent: Some(span.id), format, ..span.clone() });
                let request_id = if let Self::SpansAndRequestId(_) = self { request_id(ids) } else { None };
                Context { span: Some(taken.unwrap_or_else(|| new(ids, format))), request_id }
            }
            Self::Unsampled => {
                let span = sent.span.clone().unwrap_or_else(|| new(ids, Format::Traceparent));
                Context { span: Some(Span { sampled: false, ..span }), request_id: None }
            }
        }
    }

    /// What one call carries that it makes meanwhile.
    pub fn sends(self, works_with: &Context, ids: &mut Ids) -> Context {
        let mut sent = works_with.clone();
        if let (Some(span), false) = (&mut sent.span, matches!(self, Self::Copies | Self::Passes)) {
            span.parent = Some(std::mem::replace(&mut span.id, ids.next()));
        }
        sent
    }
}

impl Context {
    /// As headers.
    pub fn headers(&self) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        let mut add = |name: &str, value: String| headers.push((name.to_owned(), value));
        if let Some(Span { trace, id, parent, sampled, format }) = &self.span {
            let flag = u8::from(*sampled);
            match format {
                Format::Traceparent => add("traceparent", format!("00-{trace:032x}-{id:016x}-{flag:02x}")),
                Format::B3 => add("b3", format!("{trace:032x}-{id:016x}-{flag}")),
                Format::Sentry => add("sentry-trace", format!("{trace:032x}-{id:016x}-{flag}")),
                Format::Datadog => {
                    // the lower half in decimal digits, the upper one as a tag
                    add("x-datadog-trace-id", (trace & u128::from(u64::MAX)).to_string());
                    add("x-datadog-parent-id", id.to_string());
                    add("x-datadog-sampling-priority", flag.to_string());
                    add("x-datadog-tags", format!("_dd.p.tid={:016x}", trace >> 64));
                }
                Format::B3Multi => {
                    add("x-b3-traceid", format!("{trace:032x}"));
                    add("x-b3-spanid", format!("{id:016x}"));
                    if let Some(parent) = parent {
                        add("x-b3-parentspanid", format!("{parent:016x}"));
                    }
                    add("x-b3-sampled", flag.to_string());
                }
            }
        }
        if let Some(id) = &self.request_id {
            add("x-request-id", id.clone());
        }
        headers
    }
}
