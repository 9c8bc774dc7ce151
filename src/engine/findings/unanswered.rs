//! Questions whose answer was due and did not come. Not those that a capture ends in, whose answer could not be seen, or may take for ever,
//! nor those given up as the same was answered that was asked beside, be it by another. Who gave up soon may have been too impatient,
//! unless it waited many times as long as such an answer takes, or failed without it: then that is missing, however long it was waited for.

use super::ledger::label;
use super::{Book, Detector, Look, Words};
use crate::engine::traces::{Hop, UNREAD, chains, everybodys, name, settled, whoever};
use crate::model::{ConnRecord, Dir, End, FindingKind, FlowId, FlowRef, Link, PENDING, Party, Pattern, Severity};
use crate::time::{Span, Time};
use compact_str::CompactString;
use hashbrown::{HashMap, HashSet};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use usual::Usual;

mod usual;

/// After how long a question that a capture ends in has no answer.
const WAITED: Span = Span::from_secs(5);
/// How long who asks has to wait for it to be the other's fault that it gives up.
const PATIENT: Span = Span::from_secs(1);
/// How many such questions, and how many ended connections, are remembered until the other is known.
const MAX_HELD: usize = 1 << 12;

/// Questions of connections that are not known to have ended, and connections that have.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    asked: BTreeMap<FlowId, Question>,
    /// The same by their connections.
    of: BTreeSet<(u64, FlowId)>,
    /// Those of traces, until these tell who asked them, and whether it was answered all the same.
    held: BTreeMap<FlowId, (Question, Ending)>,
    ended: HashMap<u64, Ending>,
    usual: Usual,
    order: VecDeque<u64>,
}

#[derive(Debug)]
struct Question {
    flow: FlowId,
    time: Time,
    /// Who asked, where anything tells.
    from: Option<Arc<str>>,
    to: Arc<str>,
    operation: CompactString,
    /// Stands for whom is asked for what.
    kind: u64,
    /// What is asked apart from its literals, and how that reads.
    shape: String,
    asked: CompactString,
    /// Whether it is one whose connection may well be closed without an answer.
    patient: bool,
    /// Whether its trace has to be looked at first.
    traced: bool,
    /// Whether somebody failed without its answer.
    missed: bool,
    /// When the same was answered that the same asked beside it: first by the same after it was sent, first by anybody, and last before.
    twins: [Option<Time>; 3],
}

/// How a connection ended.
#[derive(Clone, Copy, Debug)]
struct Ending {
    how: End,
    last: Time,
    /// Who hung up first, by the direction in which that was said, and when.
    hung_up: Option<(Dir, Time)>,
    /// Whether everything of it was seen that the server sent.
    seen: bool,
}

impl Detector for Unanswered {
    fn seeks(&self) -> &'static str {
        "questions without an answer"
    }

    fn flow(&mut self, flow: FlowRef<'_>, book: &mut Book) {
        let Some(detail) = flow.detail.filter(|_| flow.row.status.as_deref() == Some(PENDING)) else { return };
        let due = match flow.row.pattern {
            Pattern::RequestResponse | Pattern::Unary | Pattern::Query | Pattern::Publish => true,
            Pattern::ClientStream | Pattern::ServerStream | Pattern::BidiStream => false,
            Pattern::Deliver | Pattern::Message | Pattern::Session => false,
        };
        let amqp = flow.row.protocol == "amqp";
        let closes = amqp && flow.row.operation.contains(".close");
        let unseen = detail.notes.iter().any(|note| note.severity != Severity::Remark);
        let hop = settled(flow, true);
        if !due || closes || unseen || (hop.held && !amqp) || self.asked.len() >= MAX_HELD {
            return;
        }
        let question = Question {
            flow: flow.row.id,
            time: flow.row.time,
            from: called(flow.client),
            to: label(flow.server),
            operation: flow.row.operation.clone(),
            kind: hop.kind(),
            shape: hop.shape().into_owned(),
            asked: if flow.row.pattern == Pattern::Query { flow.row.operation.clone() } else { hop.shape().into() },
            patient: amqp,
            traced: flow.row.trace_id.is_some() && !amqp,
            missed: false,
            twins: [None; 3],
        };
        match self.ended.get(&flow.connection).copied() {
            Some(ending) => self.settle(question, ending, book),
            None => {
                self.of.insert((flow.connection, question.flow));
                self.asked.insert(question.flow, question);
            }
        }
    }

    fn alone(&mut self, hop: &Hop, _: &mut Book) {
        self.usual.learn(hop);
    }

    fn trace(&mut self, look: &Look<'_>, book: &mut Book) {
        look.flows().filter(|(hop, _)| !hop.judged).for_each(|(hop, _)| self.usual.learn(hop));
        if self.held.is_empty() && self.asked.is_empty() {
            return;
        }
        let flows: Vec<_> = look.flows().collect();
        if !flows.iter().any(|(hop, _)| hop.pending && !hop.judged) {
            return;
        }
        let (answered, missed) = (Answered::of(&flows), missed(&flows));
        for (hop, up) in flows.iter().filter(|(hop, _)| hop.pending && !hop.judged) {
            let above = sure(up).and_then(|up| flows.get(up)).map(|(above, _)| *above);
            if let Some((mut question, ending)) = self.held.remove(&hop.flow) {
                question.learn(hop, above, answered.beside(hop, sure(up)));
                question.missed = missed.contains(&hop.flow);
                judge(&question, ending, &self.usual, book);
            } else if let Some(question) = self.asked.get_mut(&hop.flow).filter(|question| question.traced) {
                question.learn(hop, above, answered.beside(hop, sure(up)));
                question.missed = missed.contains(&hop.flow);
            }
        }
    }

    fn end(&mut self, book: &mut Book) {
        let held = std::mem::take(&mut self.held);
        held.values().for_each(|(question, ending)| judge(question, *ending, &self.usual, book));
    }

    fn connection(&mut self, conn: &ConnRecord, book: &mut Book) {
        let seen = conn.gaps == 0 && conn.packets.to_client > 0 && conn.packets.to_server > 0;
        let ending = Ending { how: conn.end, last: conn.time.after(conn.duration), hung_up: conn.hung_up, seen };
        while let Some(&of) = self.of.range((conn.id, FlowId(0))..).next().filter(|(id, _)| *id == conn.id) {
            self.of.remove(&of);
            if let Some(question) = self.asked.remove(&of.1) {
                self.settle(question, ending, book);
            }
        }
        if self.ended.insert(conn.id, ending).is_none() {
            self.order.push_back(conn.id);
            if self.order.len() > MAX_HELD
                && let Some(oldest) = self.order.pop_front()
            {
                self.ended.remove(&oldest);
            }
        }
    }
}

impl Unanswered {
    /// How its connection ended is known.
    fn settle(&mut self, question: Question, ending: Ending, book: &mut Book) {
        let gave_up = matches!(ending.hung_up, Some((Dir::ToServer, _)));
        if gave_up && question.traced && self.held.len() < MAX_HELD {
            self.held.insert(question.flow, (question, ending));
        } else {
            judge(&question, ending, &self.usual, book);
        }
    }
}

impl Question {
    /// Its trace tells who asked it, perhaps because of `above`, and when the same was answered that was asked beside it.
    fn learn(&mut self, hop: &Hop, above: Option<&Hop>, twins: [Option<Time>; 3]) {
        let above = above.filter(|_| name(&hop.from).is_none()).map(|above| label(&above.to));
        // who has no name is called as he was asked
        self.from = above.or_else(|| called(&hop.from));
        self.to = label(&hop.to);
        (self.twins, self.traced) = (twins, false);
    }
}

/// What a client is called that may come from any port: by its name, else by its host, where others do not share that.
fn called(client: &Party) -> Option<Arc<str>> {
    let anybody = name(client).is_none() && everybodys(client.host());
    (!anybody).then(|| whoever(client).into())
}

/// What caused a flow, where that is more than the likeliest.
fn sure(up: &Option<(usize, Link)>) -> Option<usize> {
    up.filter(|(_, link)| !matches!(link, Link::Time | Link::SoleInFlight)).map(|(up, _)| up)
}

/// Those for want of whose answers somebody failed: a cascade says whose fault that is.
fn missed(flows: &[(&Hop, Option<(usize, Link)>)]) -> HashSet<FlowId> {
    let hops = |chain: Vec<usize>| chain.into_iter().filter_map(|at| flows.get(at).map(|(hop, _)| *hop));
    let below = chains(flows).into_iter().flat_map(|chain| hops(chain).skip_while(|hop| hop.pending));
    below.filter(|hop| hop.pending).map(|hop| hop.flow).collect()
}

/// What of a trace was answered, each kind in the order of the answers.
struct Answered<'t>(HashMap<(&'t str, Pattern), Vec<Answer<'t>>>);

struct Answer<'t> {
    time: Time,
    hop: &'t Hop,
    up: Option<usize>,
}

impl<'t> Answered<'t> {
    fn of(flows: &[(&'t Hop, Option<(usize, Link)>)]) -> Self {
        let mut kinds = HashMap::<_, Vec<_>>::new();
        for &(hop, up) in flows.iter().filter(|(hop, _)| !hop.pending && hop.ok) {
            let answer = Answer { time: hop.answering(), hop, up: sure(&up) };
            kinds.entry((&*hop.operation, hop.pattern)).or_default().push(answer);
        }
        kinds.values_mut().for_each(|kind| kind.sort_by_key(|answer| (answer.time, answer.hop.flow)));
        Self(kinds)
    }

    /// When the same was answered that was asked by the same, as far as that is known: first by who was asked it here after it was sent,
    /// first by anybody, and last before, over a connection on which it was not sent itself, as whoever does that has read the answer.
    fn beside(&self, hop: &Hop, up: Option<usize>) -> [Option<Time>; 3] {
        let Some(kind) = self.0.get(&(&*hop.operation, hop.pattern)) else { return [None; 3] };
        let (before, after) = kind.split_at(kind.partition_point(|answer| answer.time <= hop.time));
        let same = |answer: &&Answer<'_>| {
            let other = &answer.hop.from;
            let who = match (name(&hop.from), name(other)) {
                (Some(one), Some(other)) => one == other,
                _ => hop.from.host() == other.host(),
            };
            who && (up.is_none() || answer.up.is_none() || up == answer.up)
        };
        let late = before.iter().rev().take_while(|answer| hop.time.since(answer.time) <= UNREAD);
        let late = late.filter(same).find(|answer| answer.hop.from.addr != hop.from.addr);
        let to = label(&hop.to);
        let (first, here) = (after.iter().find(same), after.iter().filter(same).find(|answer| label(&answer.hop.to) == to));
        [here, first, late].map(|answer| answer.map(|answer| answer.time))
    }
}

fn judge(question: &Question, ending: Ending, usual: &Usual, book: &mut Book) {
    let Question { flow, time, to, operation, shape, asked, patient, missed, twins: [here, first, last], .. } = question;
    // what ends with the capture may have been given up all the same
    let closed = matches!(ending.how, End::Fin | End::Rst) || ending.hung_up.is_some();
    let until = if closed { ending.hung_up.map_or(ending.last, |(_, at)| at) } else { book.now() };
    let waited = until.since(*time);
    // of several that were asked at once the first answer is enough; that of another is where the rest are let go of then
    let just = |at: Time| at <= until && until.since(at) <= UNREAD;
    let enough = here.is_some_and(|here| here <= until) || [first, last].into_iter().flatten().any(|at| just(*at));
    if enough && matches!(ending.hung_up, Some((Dir::ToServer, _))) {
        return;
    }
    if !ending.seen || ending.how == End::Evicted || (waited < WAITED && (*patient || !closed)) {
        return;
    }
    // who has said all may still be answered, had the capture gone on (RFC 9293 §3.6)
    if ending.how == End::Open && matches!(ending.hung_up, Some((Dir::ToServer, at)) if book.now().since(at) < WAITED) {
        return;
    }
    // where the clock was set, or the capture halted, the answer may come behind it, to a connection that was given up for idle by then
    let leapt = if closed { Span::default() } else { book.leapt_since(*time) };
    if ending.how == End::Idle && waited.nanos().saturating_sub(leapt.nanos()) < WAITED.nanos() {
        return;
    }
    let usual = usual.far_beyond(question.kind, waited);
    let soon = waited < PATIENT && usual.is_none();
    let usual = usual.map_or(String::new(), |usual| {
        format!(", where three of four such calls are answered within {}", crate::units::duration(usual))
    });
    let [from, it] = ["a client", "the client"].map(|nobody| question.from.as_deref().unwrap_or(nobody));
    let waited = crate::units::duration(waited);
    let words = match ending.hung_up {
        Some((Dir::ToServer, _)) if soon && !missed => Words {
            title: format!("{from} hangs up on {to} before it could answer: {asked}"),
            service: question.from.clone(),
            evidence: format!("{operation} was sent by {from}, which closed the connection {waited} after it, before any answer"),
            advice: format!(
                "see whether {it} ended, was itself given up by who asked it, or has a timeout that is too short: {to} had {waited}"
            ),
        },
        hung_up => {
            let cut = if ending.how == End::Rst { "cut off" } else { "closed" };
            let (end, advice) = match hung_up {
                Some((Dir::ToServer, _)) => (
                    format!("{from} gave up and closed the connection {waited} after it"),
                    if soon {
                        format!("see what {to} waits for, or let {it} wait longer: it failed after {waited} without an answer")
                    } else {
                        format!("see what {to} waits for; {it} had waited {waited}")
                    },
                ),
                Some((Dir::ToClient, _)) => (
                    format!("{to} closed the connection {waited} after it"),
                    format!("see whether {to} ended or failed at it: it hung up without an answer"),
                ),
                None if closed => (
                    format!("the connection was {cut} {waited} after it"),
                    format!("see whether {to} ended or gave up at it, or {it} was not patient enough"),
                ),
                None => (format!("none came within {waited}"), format!("see what {to} waits for; give {it} a timeout")),
            };
            Words {
                title: format!("{to} does not answer {from}: {asked}"),
                service: Some(to.clone()),
                evidence: format!("{operation} was sent by {from} without an answer: {end}{usual}"),
                advice,
            }
        }
    };
    // by whoever is at fault
    let side = if words.service == question.from { ", hung up on" } else { "" };
    let key = format!("{} > {to}: {shape}{side}", question.from.as_deref().unwrap_or_default());
    book.raise(FindingKind::Unanswered, &key, vec![*flow], words);
}

#[cfg(test)]
mod tests;
