//! What a capture holds, as it truly was: its flows in the order of their first bytes, which caused which, and what of it can be known.

use super::capture::{Nanos, Packet};
use super::tracer::Context;
use super::{Mesh, Naming, Svc};
use std::collections::BTreeMap;
use std::net::SocketAddrV4;

/// A flow of a mesh.
#[derive(Clone, Debug)]
pub struct Flow {
    pub protocol: &'static str,
    pub operation: String,
    /// The contract's word; none: not compared.
    pub status: Option<String>,
    pub client: Svc,
    pub server: Svc,
    /// Who took what it carries.
    pub receiver: Svc,
    pub parent: Option<usize>,
    pub context: Context,
    pub ids: Vec<String>,
    pub begins: Nanos,
    pub ends: Nanos,
    /// The ends of its connection.
    pub ports: Option<[SocketAddrV4; 2]>,
    pub leg: Leg,
    /// Whether nobody has seen whose process its client is, where others' are known.
    pub nameless: bool,
}

/// Whether a flow is captured on both sides of an address translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    Only,
    /// Nearer to its sender: nobody takes it there.
    First,
    /// The flow before it, once more.
    Second,
}

impl Flow {
    /// One of a connection alone, as which it is told of: a broker's, of no message, or one that makes it a WebSocket.
    pub fn housekeeping(
        (protocol, operation, status): (&'static str, String, &str),
        client: Svc,
        server: Svc,
        at: Nanos,
        ends: [SocketAddrV4; 2],
    ) -> Self {
        Self {
            protocol,
            operation,
            status: Some(status.into()),
            client,
            server,
            receiver: server,
            parent: None,
            context: Context::default(),
            ids: Vec::new(),
            begins: at,
            ends: at,
            ports: Some(ends),
            leg: Leg::Only,
            nameless: false,
        }
    }
}

/// What ties a flow to its parent, the strongest first; in the contract's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    TraceId,
    RequestId,
    MessageId,
    PayloadId,
    SoleInFlight,
    Time,
}

impl Tier {
    pub const ALL: [Self; 6] = [Self::TraceId, Self::RequestId, Self::MessageId, Self::PayloadId, Self::SoleInFlight, Self::Time];

    /// The contract's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::TraceId => "trace_id",
            Self::RequestId => "request_id",
            Self::MessageId => "message_id",
            Self::PayloadId => "payload_id",
            Self::SoleInFlight => "sole_in_flight",
            Self::Time => "time",
        }
    }
}

/// A flow as it is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub protocol: &'static str,
    /// None: its request was not captured.
    pub operation: Option<String>,
    pub status: Option<String>,
    pub ends: [String; 2],
    pub parent: Option<Edge>,
}

/// What truly caused a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The number of the flow that did.
    pub parent: u64,
    /// The strongest evidence for it that the wire holds: nothing stronger may be claimed.
    pub tier: Tier,
    /// Whether it has to be found.
    pub due: bool,
    /// Whether the two are legs of one on both sides of an address translation.
    pub leg: bool,
}

/// All flows of a capture: the first is number 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    pub flows: Vec<Told>,
    /// Who called from which port.
    pub callers: BTreeMap<u16, Svc>,
}

/// The truth about what was captured.
pub fn truth(mesh: &Mesh, packets: &[Packet], names: Naming) -> Truth {
    // by flow: the packet in which it begins, which is its request's, or its answer's where that came first to be seen
    let mut seen: Vec<(usize, Nanos)> = Vec::new();
    let mut numbers = vec![None; mesh.flows.len()];
    for packet in packets {
        for &flow in &packet.begins {
            if numbers[flow].is_none() {
                seen.push((flow, packet.at));
                numbers[flow] = Some(seen.len() as u64);
            }
        }
    }
    let late = |flow: usize| mesh.flows[flow].begins < mesh.window.0;
    let told = |&(at, _): &(usize, Nanos)| {
        let flow = &mesh.flows[at];
        let cut = flow.ends != Nanos::MAX && flow.ends >= mesh.window.1;
        let parent = flow.parent.and_then(|up| Some((up, numbers[up]?)));
        Told {
            protocol: flow.protocol,
            operation: (!late(at)).then(|| flow.operation.clone()),
            status: match &flow.status {
                // which publish a confirmation is of is counted from the beginning of its channel, and whether an acknowledgement is due
                // is said there
                Some(_) if flow.protocol == "amqp" && mesh.window.0 > 0 && (cut || flow.receiver == flow.server) => None,
                Some(_) if cut => Some("pending".into()),
                status => status.clone(),
            },
            ends: flow.ports.map(|end| end.map(|end| end.to_string())).unwrap_or_default(),
            parent: parent.map(|(up, parent)| {
                let tier = tier(mesh, up, at, late(up) || late(at));
                let own_trace = flow.context.span.is_some() && tier > Tier::TraceId;
                let nameless = flow.nameless && names == Naming::Processes;
                let known = names.tells_callers() && !nameless && !late(up) && !late(at);
                let told = if names.tells_callers() { in_trace(mesh, up, &numbers) } else { flow.context != Context::default() };
                let leg = flow.leg == Leg::Second;
                let due = leg && told || known && tier < Tier::Time && !own_trace && in_trace(mesh, up, &numbers);
                Edge { parent, tier, due, leg }
            }),
        }
    };
    let caller = |flow: &Flow| Some((flow.ports?[0].port(), flow.client));
    Truth { flows: seen.iter().map(told).collect(), callers: mesh.flows.iter().filter_map(caller).collect() }
}

/// Whether a flow or one that led to it, as far as that was captured, carries an ID: others are of no trace.
fn in_trace(mesh: &Mesh, flow: usize, numbers: &[Option<u64>]) -> bool {
    let mut chain = std::iter::successors(Some(flow), |&at| mesh.flows[at].parent.filter(|up| numbers[*up].is_some()));
    chain.any(|at| mesh.flows[at].context != Context::default())
}

/// The strongest evidence that the wire holds for an edge.
fn tier(mesh: &Mesh, up: usize, at: usize, late: bool) -> Tier {
    let (parent, child) = (&mesh.flows[up], &mesh.flows[at]);
    let trace = |flow: &Flow| flow.context.span.as_ref().map(|span| span.trace);
    let same = |a: Option<u128>, b| a.is_some() && a == b;
    let delivery = child.receiver == child.client;
    // a broker is at work on all messages at once
    let sole = || {
        let open = |flow: &&Flow| {
            flow.leg != Leg::First && flow.receiver == child.client && flow.begins < child.begins && child.begins <= flow.ends
        };
        !delivery && child.begins <= parent.ends && mesh.flows.iter().filter(open).count() == 1
    };
    // a message that goes on as it came
    let relayed = child.protocol == "amqp" && child.operation == parent.operation;
    match () {
        () if !late && same(trace(parent), trace(child)) => Tier::TraceId,
        () if !late && parent.context.request_id.is_some() && parent.context.request_id == child.context.request_id => {
            Tier::RequestId
        }
        () if delivery || relayed => Tier::MessageId,
        () if child.leg == Leg::Second => Tier::PayloadId,
        () if !late && parent.ids.iter().any(|id| child.ids.contains(id)) => Tier::PayloadId,
        () if sole() => Tier::SoleInFlight,
        () => Tier::Time,
    }
}

impl Truth {
    /// Without the flows of protocols that are not read, which then have no numbers.
    pub fn of(&self, reads: impl Fn(&str) -> bool) -> Self {
        let mut numbers = vec![None; self.flows.len() + 1];
        let kept: Vec<_> = (1..).zip(&self.flows).filter(|(_, flow)| reads(flow.protocol)).collect();
        for (new, (old, _)) in (1_u64..).zip(&kept) {
            numbers[*old] = Some(new);
        }
        let edge = |edge: Edge| numbers[edge.parent as usize].map(|parent| Edge { parent, ..edge });
        let flows = kept.into_iter().map(|(_, flow)| Told { parent: flow.parent.and_then(edge), ..flow.clone() });
        Self { flows: flows.collect(), callers: self.callers.clone() }
    }
}
