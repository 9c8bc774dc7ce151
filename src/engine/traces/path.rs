//! Why a trace failed, and where its time went: a pure function of its hops and its tree. It reads no clock and no headers.
//!
//! The critical path goes from the end of a trace back to its beginning: at each moment it lies with the call that was waited for last.
//! A call is waited for until it is answered, whatever its receiver still does because of it then.
//! What a service did while it waited for nobody is its own; between publish and delivery it is the queue's, save for what a consumer had
//! the message for that gave it back; while the same request is passed on, in a leg of its own, it is the proxy's. While its answer was still
//! being sent it stands apart, as it may be who reads it that took the time, unless that is too short to wait for anybody. While a request was still being sent it is nobody's, nor while
//! something was under way that cannot be read, or of which it is not known whether it or another service waited for it.

use super::doubts::{Doubt, doubts};
use super::failure::cause;
use super::hop::Hop;
use super::parties::name;
use super::queue::{Copies, Since};
use crate::model::{Above, FlowId, Link, Node, Pattern, Step, StepKind, Why};
use crate::time::Time;
use std::sync::Arc;

/// Why a trace is as it is. `hops` is in the order of flows.
pub(super) fn why(hops: &[Hop], tree: &[Node]) -> Why {
    let walk = Walk::new(hops, tree);
    Why { cause: walk.cause(), path: walk.path() }
}

/// The hops in causal order.
struct Walk<'h> {
    hops: Vec<&'h Hop>,
    parents: Vec<Option<(usize, Link)>>,
    /// Also those that their service caused, whichever of its flows it was because of.
    children: Vec<Vec<usize>>,
    /// What each may have caused, or another service.
    unsure: Vec<Vec<usize>>,
    /// Whether it is its parent's request, passed on.
    legs: Vec<bool>,
    /// When the last of what each caused was over.
    ends: Vec<Time>,
}

/// Time that was spent, from when on.
type Spent = (Time, usize, StepKind, Time);

impl<'h> Walk<'h> {
    fn new(all: &'h [Hop], tree: &[Node]) -> Self {
        let (mut hops, mut parents, mut legs) = (Vec::<&Hop>::new(), Vec::new(), Vec::new());
        let mut above = Above::default();
        for node in tree {
            let Ok(at) = all.binary_search_by_key(&node.flow, |hop| hop.flow) else { continue };
            parents.push(above.enter(node.depth, hops.len()).zip(node.link));
            hops.push(&all[at]);
            legs.push(node.leg);
        }
        let mut children = vec![Vec::new(); hops.len()];
        let mut ends: Vec<_> = hops.iter().map(|hop| hop.last).collect();
        for at in (0..hops.len()).rev() {
            if let Some((up, _)) = parents[at] {
                children[up].push(at);
                ends[up] = ends[up].max(ends[at]);
            }
        }
        let flows: Vec<_> = hops.iter().copied().zip(parents.iter().copied()).collect();
        let mut unsure = vec![Vec::new(); hops.len()];
        for Doubt { at, maybe, one, .. } in doubts(&flows) {
            // whichever it was, who waited is known
            let below = if one { &mut children } else { &mut unsure };
            maybe.into_iter().for_each(|up| below[up].push(at));
        }
        Self { hops, parents, children, unsure, legs, ends }
    }

    /// The call that failed first.
    fn cause(&self) -> Option<FlowId> {
        let flows: Vec<_> = self.hops.iter().zip(&self.parents).map(|(hop, up)| (*hop, *up)).collect();
        cause(&flows).and_then(|at| Some(self.hops.get(at)?.flow))
    }

    fn path(&self) -> Vec<Step> {
        let mut spent = Vec::new();
        let mut roots: Vec<_> = (0..self.hops.len()).filter(|&at| self.parents[at].is_none()).collect();
        roots.sort_by_key(|&at| std::cmp::Reverse((self.ends[at], at)));
        let mut until = roots.first().map(|&at| self.ends[at]).unwrap_or_default();
        for root in roots {
            if self.hops[root].time < until {
                self.walk(root, until.min(self.ends[root]), &mut spent);
                until = self.hops[root].time;
            }
        }
        spent.sort_by_key(|&(from, at, ..)| (from, at));
        let mut steps: Vec<Step> = Vec::new();
        for (from, at, kind, to) in spent {
            let (flow, own) = (self.hops[at].flow, to.since(from));
            match steps.iter_mut().find(|step| step.flow == flow && step.kind == kind) {
                Some(step) => step.own = step.own.and(own),
                None => steps.push(Step { flow, service: self.service(at, kind), kind, own }),
            }
        }
        steps
    }

    /// What was waited for until a moment, from the last on. A tree is no deeper than it is safe to call.
    fn walk(&self, at: usize, mut until: Time, spent: &mut Vec<Spent>) {
        let hop = self.hops[at];
        let proxy = self.children[at].iter().any(|&down| self.legs[down]);
        let kind = if proxy { StepKind::Proxy } else { StepKind::Work };
        let unsure = self.unsure[at].iter().map(|&may| (self.hops[may].time, self.ends[may]));
        let mut unsure: Vec<_> = hop.extra().unread.iter().copied().chain(unsure).collect();
        unsure.sort_unstable();
        let done = hop.extra().let_go.unwrap_or_else(|| hop.answering());
        let own = |from: Time, to: Time, spent: &mut Vec<Spent>| {
            let sending = from.max(hop.answering());
            if sends_at_last(hop) && sending < to.min(hop.last) {
                spent.push((sending, at, StepKind::Sending, to.min(hop.last)));
            }
            let (mut from, to) = (from.max(hop.arrived()), to.min(done));
            for &(begin, end) in unsure.iter().filter(|(begin, _)| *begin < to) {
                if from < begin {
                    spent.push((from, at, kind, begin));
                }
                from = from.max(end);
            }
            if from < to {
                spent.push((from, at, kind, to));
            }
        };
        // what is sent after the own answer leads up to the end of the trace, and nobody waits for it before
        let waited_for = |down: usize| match answers(self.hops[down]) && until <= hop.last {
            true => self.hops[down].last,
            false => self.ends[down],
        };
        let mut children: Vec<_> = self.children[at].iter().map(|&down| (waited_for(down), down)).collect();
        children.sort_by_key(|&child| std::cmp::Reverse(child));
        for (end, down) in children {
            let (begin, end) = (self.hops[down].time, end.min(until));
            if begin >= end || begin < hop.time {
                continue;
            }
            own(end, until, spent);
            self.walk(down, end, spent);
            until = begin;
            if self.hops[down].pattern == Pattern::Deliver && hop.pattern == Pattern::Publish {
                self.queued(at, down, spent);
                return;
            }
        }
        own(hop.time, until, spent);
    }

    /// From when a message was published until this delivery of it.
    fn queued(&self, published: usize, mut copy: usize, spent: &mut Vec<Spent>) {
        let copies = Copies::of(self.children[published].iter().map(|&at| (at, self.hops[at])));
        loop {
            let begin = self.hops[copy].time;
            match copies.since(self.hops[copy]) {
                Since::GivenBack(earlier, Some(back)) => {
                    spent.push((back, copy, StepKind::Queue, begin));
                    self.walk(earlier, back, spent);
                    copy = earlier;
                }
                Since::GivenBack(earlier, None) => {
                    spent.push((self.hops[earlier].time, earlier, StepKind::Work, begin));
                    copy = earlier;
                }
                Since::Published | Since::Unknown => {
                    return spent.push((self.hops[published].time, copy, StepKind::Queue, begin));
                }
            }
        }
    }

    fn service(&self, at: usize, kind: StepKind) -> Arc<str> {
        let hop = self.hops[at];
        match (&hop.extra().via, kind) {
            (Some(queue), StepKind::Queue) => Arc::from(&**queue),
            _ => match (name(&hop.to), &hop.to.service) {
                (Some(_), Some(service)) => Arc::clone(service),
                _ => Arc::clone(&hop.to.addr),
            },
        }
    }
}

/// Whether it is a call that its sender waits for, and it was answered.
fn answers(hop: &Hop) -> bool {
    !hop.pattern.one_way() && hop.settled && !hop.pending
}

/// Whether nothing but its answer goes over it once that has begun.
fn sends_at_last(hop: &Hop) -> bool {
    matches!(hop.pattern, Pattern::RequestResponse | Pattern::Unary | Pattern::Query | Pattern::ServerStream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::findings::rig::{call, flow, trace};
    use crate::model::{Detail, Fields, Flow, Half, Row, Stamp, Value};

    /// The flows of these tests that pass on what caused them.
    const LEGS: [u64; 1] = [7];

    fn told(tree: &[(usize, Flow)]) -> (Option<u64>, Vec<(u64, String, u64)>) {
        let (hops, mut nodes) = trace(tree);
        nodes.iter_mut().for_each(|node| node.leg = LEGS.contains(&node.flow.0));
        let Why { cause, path } = why(&hops, &nodes);
        let step = |step: &Step| (step.flow.0, format!("{} {}", step.kind.word(), step.service), step.own.nanos() / 1_000_000);
        (cause.map(|flow| flow.0), path.iter().map(step).collect())
    }

    fn path(tree: &[(usize, Flow)]) -> Vec<(u64, String, u64)> {
        let path = told(tree).1;
        // nothing is told twice
        let (first, last) = (
            tree.iter().map(|(_, f)| f.row.time).min().unwrap(),
            tree.iter().map(|(_, f)| f.row.time.after(f.row.duration.unwrap())).max().unwrap(),
        );
        assert_eq!(path.iter().map(|(.., own)| own).sum::<u64>(), last.since(first).nanos() / 1_000_000);
        path
    }

    fn step(flow: u64, what: &str, own: u64) -> (u64, String, u64) {
        (flow, what.to_owned(), own)
    }

    #[test]
    fn time_lies_with_what_was_waited_for_last() {
        let tree = [
            (0, call(1, "c:1>gateway 0-100 GET / 200")),
            (1, call(2, "gateway>orders 10-40 GET /o 200")),
            (1, call(3, "gateway>slow 15-90 GET /s 200")),
            (2, call(4, "slow>db 20-80 GET /d 200")),
        ];
        let wanted = [step(1, "work gateway", 20), step(2, "work orders", 5), step(3, "work slow", 15), step(4, "work db", 60)];
        assert_eq!(path(&tree), wanted);
    }

    #[test]
    fn the_wait_in_a_queue_and_what_a_proxy_adds_stand_apart() {
        let deliver = flow(3, Pattern::Deliver, "amqp", "rabbit>billing 50-100 deliver q ack");
        let tree = [
            (0, call(1, "c:1>orders 0-20 POST /o 201")),
            (1, flow(2, Pattern::Publish, "amqp", "orders>rabbit 10-12 publish x ack")),
            (2, deliver),
            (3, call(4, "billing>nginx 60-95 POST /c 201")),
            (4, call(7, "nginx>payments 65-90 POST /c 201")),
        ];
        let wanted = [
            step(1, "work orders", 10),
            step(3, "queue billing", 40),
            step(3, "work billing", 15),
            step(4, "proxy nginx", 10),
            step(7, "work payments", 25),
        ];
        assert_eq!(path(&tree), wanted);
    }

    #[test]
    fn what_one_service_asked_for_because_of_either_of_two_is_not_its_own_work() {
        let step_of = |third: &str| {
            let tree = [
                (0, call(1, "c:1>gate 0-100 GET / 200")),
                (1, call(2, "gate>cat 5-90 GET /p 200")),
                (1, call(3, third)),
                (0, call(4, "cat>tax 20-80 GET /rate 200")),
            ];
            let (mut hops, nodes) = trace(&tree);
            hops[3].extra_mut().maybe = vec![hops[1].flow, hops[2].flow];
            let path = why(&hops, &nodes).path;
            path.iter().map(|step| (step.flow.0, step.service.to_string(), step.own.nanos() / 1_000_000)).collect::<Vec<_>>()
        };
        let own = |flow: u64, who: &str, own: u64| (flow, who.to_owned(), own);
        let wanted = [own(1, "gate", 14), own(2, "cat", 1), own(3, "cat", 25), own(4, "tax", 60)];
        assert_eq!(step_of("gate>cat 6-91 GET /p 200"), wanted);
        // whose it was is not known, and so not what the others did meanwhile
        let wanted = [own(1, "gate", 14), own(2, "cat", 1), own(3, "ads", 25)];
        assert_eq!(step_of("gate>ads 6-91 GET /p 200"), wanted);
    }

    #[test]
    fn while_a_request_is_still_being_sent_it_is_nobodys() {
        let (mut upload, leg) = (call(1, "c:1>nginx 0-100 POST /u 200"), call(7, "nginx>a 92-99 POST /u 200"));
        let mut detail = upload.detail.as_deref().unwrap().clone();
        detail.request.as_mut().unwrap().whole = Some(crate::engine::findings::rig::at(90));
        upload.detail = Some(detail.into());
        assert_eq!(told(&[(0, upload), (1, leg)]).1, [step(1, "proxy nginx", 3), step(7, "work a", 7)]);
    }

    #[test]
    fn while_an_answer_is_still_coming_it_stands_apart() {
        let mut download = call(1, "c:1>gate 0-100 GET /d 200");
        let mut detail = download.detail.as_deref().unwrap().clone();
        let first = Stamp { time: crate::engine::findings::rig::at(30), ..Stamp::default() };
        detail.response = Some(Half { first, ..Half::default() });
        download.detail = Some(detail.into());
        download.row.bytes = 1 << 20;
        assert_eq!(
            told(&[(0, download), (1, call(2, "gate>a 10-25 GET /d 200"))]).1,
            [step(1, "work gate", 15), step(2, "work a", 15), step(1, "sending gate", 70)]
        );
        // whose answer is passed on as it comes is who sends it
        let streams = |flow: Flow| {
            let mut detail = flow.detail.as_deref().unwrap().clone();
            let first = Stamp { time: crate::engine::findings::rig::at(30), ..Stamp::default() };
            detail.response = Some(Half { first, ..Half::default() });
            Flow { detail: Some(detail.into()), row: Row { bytes: 1 << 20, ..flow.row.clone() }, ..flow }
        };
        let tree = [(0, streams(call(1, "c:1>gate 0-100 GET /d 200"))), (1, streams(call(2, "gate>a 10-95 GET /d 200")))];
        let wanted = [step(1, "work gate", 10), step(2, "work a", 20), step(2, "sending a", 65), step(1, "sending gate", 5)];
        assert_eq!(path(&tree), wanted);
    }

    #[test]
    fn nobody_waits_for_what_goes_on_after_an_answer() {
        let tree = |end: u64| {
            [
                (0, call(1, &format!("c:1>gate 0-{end} POST /o 200"))),
                (1, call(2, "gate>orders 5-10 POST /o 202")),
                (2, call(3, "orders>bank 50-80 POST /c 200")),
            ]
        };
        assert_eq!(path(&tree(200)), [step(1, "work gate", 195), step(2, "work orders", 5)]);
        // what is last of all led up to the end; what its service did before it sent that was not seen
        let wanted = [step(1, "work gate", 5), step(2, "work orders", 5), step(3, "work bank", 30)];
        assert_eq!(told(&tree(60)).1, wanted);
    }

    fn copy(number: u64, queue: &str, text: &str, was_in: &[&str]) -> (usize, Flow) {
        let mut flow = flow(number, Pattern::Deliver, "amqp", text);
        let death = |queue: &&str| Value::Map(vec![("queue".into(), (*queue).into())]);
        let headers = Value::Map(vec![("x-death".into(), Value::List(was_in.iter().map(death).collect()))]);
        let fields = Fields::default().with("amqp.queue", queue).with("amqp.redelivered", was_in.contains(&queue));
        let fields = fields.with("amqp.properties", Value::Map(vec![("headers".into(), headers)]));
        let detail = Detail { fields, ..flow.detail.as_deref().unwrap().clone() };
        flow.detail = Some(detail.into());
        (1, flow)
    }

    #[test]
    fn what_a_consumer_had_a_message_for_is_not_its_queues() {
        let publish = || (0, flow(1, Pattern::Publish, "amqp", "orders>rabbit 0-2 publish x ack"));
        let first = |end| copy(2, "q", &format!("rabbit>billing 10-{end} deliver q nack"), &[]);
        let again = copy(4, "q", "rabbit>billing 70-90 deliver q ack", &["q"]);
        let call = |depth| (depth, call(3, "billing>payments 20-40 POST /c 503"));
        let wanted = [
            step(2, "queue q", 10),
            step(2, "work billing", 30),
            step(3, "work payments", 20),
            step(4, "queue q", 10),
            step(4, "work billing", 20),
        ];
        assert_eq!(path(&[publish(), first(60), call(2), again.clone()]), wanted);
        // from the queue of dead letters; that of another consumer is none of them
        let other = copy(3, "other", "rabbit>shipping 11-65 deliver other ack", &[]);
        let dead = copy(4, "dead", "rabbit>morgue 70-90 deliver dead ack", &["retry", "q"]);
        let wanted = [step(2, "queue q", 10), step(2, "work billing", 50), step(4, "queue dead", 10), step(4, "work morgue", 20)];
        assert_eq!(path(&[publish(), first(60), other, dead]), wanted);
        // when it was given back was not seen: it is not the queue's
        let lost = copy(2, "q", "rabbit>billing 10- deliver q pending", &[]);
        let wanted = [step(2, "queue q", 10), step(2, "work billing", 60), step(4, "work billing", 20)];
        assert_eq!(told(&[publish(), lost, again]).1, wanted);
    }

    #[test]
    fn the_deepest_call_that_failed_by_itself_is_the_cause() {
        let root = |status| (0, call(1, &format!("c:1>gateway 0-100 GET / {status}")));
        let not_found = (1, call(2, "gateway>users 5-8 GET /u 404"));
        let (orders, payments) =
            ((1, call(3, "gateway>orders 10-90 GET /o 500")), (2, call(4, "orders>payments 20-80 POST /c 503")));
        assert_eq!(told(&[root("502"), not_found.clone(), orders, payments]).0, Some(4));
        assert_eq!(told(&[root("200"), not_found]).0, Some(2));
        assert_eq!(told(&[root("200")]).0, None);
    }
}
