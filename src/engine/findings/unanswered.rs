//! Questions whose answer was due and did not come. Not those that a capture ends in, whose answer could not be seen, or may take for ever,
//! nor those given up as the same was answered that was asked beside.

use super::ledger::label;
use super::{Book, Detector, Look, Words};
use crate::engine::traces::whoever;
use crate::engine::traces::{Hop, name, settled};
use crate::model::{ConnRecord, Dir, End, FindingKind, FlowId, FlowRef, Link, PENDING, Pattern, Severity};
use crate::time::{Span, Time};
use compact_str::CompactString;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// After how long a question that a capture ends in has no answer.
const WAITED: Span = Span::from_secs(5);
/// How long who asks has to wait for it to be the other's fault that it gives up.
const PATIENT: Span = Span::from_secs(1);
/// How many such questions, and how many ended connections, are remembered until the other is known.
const MAX_HELD: usize = 1 << 12;

/// Questions of connections that are not known to have ended, and connections that have.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    asked: Vec<(u64, Question)>,
    /// Those of traces, until these tell who asked them, and whether it was answered all the same.
    held: Vec<(Question, Ending)>,
    ended: HashMap<u64, Ending>,
    order: VecDeque<u64>,
}

#[derive(Debug)]
struct Question {
    flow: FlowId,
    time: Time,
    key: String,
    from: Arc<str>,
    to: Arc<str>,
    operation: CompactString,
    /// Whether it is one whose connection may well be closed without an answer.
    patient: bool,
    /// Whether its trace has to be looked at first.
    traced: bool,
    /// When the same was answered that was asked beside it.
    twin: Option<Time>,
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
        let (from, to) = (label(flow.client), label(flow.server));
        let key = format!("{} > {to}: {}", whoever(flow.client), hop.shape());
        let operation = flow.row.operation.clone();
        let traced = flow.row.trace_id.is_some() && !amqp;
        let question =
            Question { flow: flow.row.id, time: flow.row.time, key, from, to, operation, patient: amqp, traced, twin: None };
        match self.ended.get(&flow.connection).copied() {
            Some(ending) => self.settle(question, ending, book),
            None => self.asked.push((flow.connection, question)),
        }
    }

    fn trace(&mut self, look: &Look<'_>, book: &mut Book) {
        if self.held.is_empty() && self.asked.is_empty() {
            return;
        }
        let flows: Vec<_> = look.flows().collect();
        for (hop, up) in flows.iter().filter(|(hop, _)| hop.pending && !hop.judged) {
            let open = self.asked.iter_mut().map(|(_, question)| question).filter(|question| question.traced);
            let of = |question: &&mut Question| question.flow == hop.flow;
            let Some(question) = self.held.iter_mut().map(|(question, _)| question).chain(open).find(of) else { continue };
            question.traced = false;
            let cause = up.and_then(|(up, link)| flows.get(up).filter(|(above, _)| !hop.by_time_alone(above, link)));
            // who has no name is called as he was asked
            if let Some((above, _)) = cause.filter(|_| name(&hop.from).is_none()) {
                question.from = label(&above.to);
            }
            let twin = |(other, of): &&(&Hop, Option<(usize, Link)>)| {
                let same = other.operation == hop.operation && other.pattern == hop.pattern && label(&other.to) == label(&hop.to);
                same && !other.pending && other.ok && up.is_some() && of.map(|(up, _)| up) == up.map(|(up, _)| up)
            };
            let beside = flows.iter().filter(twin).map(|(other, _)| *other).filter(|other| other.last > hop.time);
            question.twin = beside.map(|other| other.last).min();
        }
        for (question, ending) in self.held.extract_if(.., |(question, _)| !question.traced) {
            judge(&question, ending, book);
        }
    }

    fn end(&mut self, book: &mut Book) {
        self.held.drain(..).for_each(|(question, ending)| judge(&question, ending, book));
    }

    fn connection(&mut self, conn: &ConnRecord, book: &mut Book) {
        let seen = conn.gaps == 0 && conn.packets.to_client > 0 && conn.packets.to_server > 0;
        let ending = Ending { how: conn.end, last: conn.time.after(conn.duration), hung_up: conn.hung_up, seen };
        let over: Vec<_> = self.asked.extract_if(.., |(of, _)| *of == conn.id).collect();
        over.into_iter().for_each(|(_, question)| self.settle(question, ending, book));
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
            self.held.push((question, ending));
        } else {
            judge(&question, ending, book);
        }
    }
}

fn judge(question: &Question, ending: Ending, book: &mut Book) {
    let Question { flow, time, key, from, to, operation, patient, twin, .. } = question;
    // what ends with the capture may have been given up all the same
    let closed = matches!(ending.how, End::Fin | End::Rst) || ending.hung_up.is_some();
    let until = if closed { ending.hung_up.map_or(ending.last, |(_, at)| at) } else { book.now() };
    let waited = until.since(*time);
    // of several that were asked at once the first answer is enough
    if twin.is_some_and(|twin| twin <= until) && matches!(ending.hung_up, Some((Dir::ToServer, _))) {
        return;
    }
    if !ending.seen || ending.how == End::Evicted || (waited < WAITED && (*patient || !closed)) {
        return;
    }
    // where the clock was set, or the capture halted, the answer may come behind it, to a connection that was given up for idle by then
    let leapt = if closed { Span::default() } else { book.leapt_since(*time) };
    if ending.how == End::Idle && waited.nanos().saturating_sub(leapt.nanos()) < WAITED.nanos() {
        return;
    }
    let impatient = waited < PATIENT;
    let waited = crate::units::duration(waited);
    let words = match ending.hung_up {
        Some((Dir::ToServer, _)) if impatient => Words {
            title: format!("{from} hangs up on {to} before it could answer: {operation}"),
            service: Some(from.clone()),
            evidence: format!("{operation} was sent by {from}, which closed the connection {waited} after it, before any answer"),
            advice: format!(
                "see whether {from} ended, was itself given up by who asked it, or has a timeout that is too short: {to} had {waited}"
            ),
        },
        hung_up => {
            let cut = if ending.how == End::Rst { "cut off" } else { "closed" };
            let (end, advice) = match hung_up {
                Some((Dir::ToServer, _)) => (
                    format!("{from} gave up and closed the connection {waited} after it"),
                    format!("see what {to} waits for; {from} had waited {waited}"),
                ),
                Some((Dir::ToClient, _)) => (
                    format!("{to} closed the connection {waited} after it"),
                    format!("see whether {to} ended or failed at it: it hung up without an answer"),
                ),
                None if closed => (
                    format!("the connection was {cut} {waited} after it"),
                    format!("see whether {to} ended or gave up at it, or {from} was not patient enough"),
                ),
                None => (format!("none came within {waited}"), format!("see what {to} waits for; give {from} a timeout")),
            };
            Words {
                title: format!("{to} does not answer {from}: {operation}"),
                service: Some(to.clone()),
                evidence: format!("{operation} was sent by {from} without an answer: {end}"),
                advice,
            }
        }
    };
    // by whoever is at fault
    let key = if words.service.as_ref() == Some(from) { format!("{key}, hung up on") } else { key.clone() };
    book.raise(FindingKind::Unanswered, &key, vec![*flow], words);
}

#[cfg(test)]
mod tests {
    use super::super::rig::{at, call, flow};
    use super::*;
    use crate::model::{Counts, Detail, Flow, Issue};

    fn conn(end: End, last: u64) -> ConnRecord {
        let packets = Counts { to_server: 3, to_client: 3 };
        ConnRecord {
            id: 1,
            time: at(0),
            duration: Span::from_millis(last),
            client: asked("GET /").client,
            server: asked("GET /").server,
            protocol: Some("http"),
            bytes: packets,
            packets,
            retransmissions: 0,
            gaps: 0,
            end,
            hung_up: None,
            head: Vec::new(),
        }
    }

    fn check(flow: &Flow, conn: ConnRecord, wanted: usize) {
        // whichever is known first
        for first in [true, false] {
            let (mut detector, mut book) = (Unanswered::default(), Book::default());
            book.turn_to(at(conn.duration.nanos() / 1_000_000));
            if first {
                detector.connection(&conn, &mut book);
            }
            detector.flow(flow.as_ref(), &mut book);
            if !first {
                detector.connection(&conn, &mut book);
            }
            detector.end(&mut book);
            assert_eq!(book.all().count(), wanted, "{flow:?} {conn:?}");
        }
    }

    fn asked(operation: &str) -> Flow {
        call(1, &format!("gateway>orders 10- {operation} pending"))
    }

    #[test]
    fn a_question_without_its_answer_is_told_where_the_connection_ended_or_time_has_passed() {
        for end in [End::Fin, End::Rst] {
            check(&asked("GET /x"), conn(end, 300), 1);
        }
        check(&asked("GET /x"), conn(End::Open, 6000), 1);
        check(&asked("GET /x"), conn(End::Idle, 6000), 1);
    }

    #[test]
    fn a_clock_that_was_set_is_no_wait() {
        const HOUR: u64 = 3_600_000;
        let told = |end: End, steps: &[(u64, u64)]| {
            let (mut detector, mut book) = (Unanswered::default(), Book::default());
            book.moved(Time::from_nanos(i64::MIN), at(0));
            steps.iter().for_each(|(from, to)| book.moved(at(*from), at(*to)));
            book.turn_to(at(HOUR + 20));
            detector.flow(asked("GET /x").as_ref(), &mut book);
            detector.connection(&conn(end, HOUR + 20), &mut book);
            book.all().count()
        };
        assert_eq!(told(End::Idle, &[(20, HOUR + 20)]), 0);
        assert_eq!(told(End::Idle, &[(20, HOUR / 2), (HOUR / 2, HOUR + 20)]), 1, "something was seen while it waited");
        assert_eq!(told(End::Idle, &[(20, HOUR - 6000), (HOUR - 6000, HOUR + 20)]), 1, "it waited behind it, too");
        assert_eq!(told(End::Idle, &[]), 1);
        assert_eq!(told(End::Fin, &[(20, HOUR + 20)]), 1, "it was closed without an answer");
    }

    #[test]
    fn who_hung_up_is_told_and_who_had_no_time_to_answer_is_not_at_fault() {
        let told = |how, hung_up: Option<(Dir, u64)>, last| {
            let (mut detector, mut book) = (Unanswered::default(), Book::default());
            book.turn_to(at(last));
            detector.connection(&ConnRecord { hung_up: hung_up.map(|(dir, n)| (dir, at(n))), ..conn(how, last) }, &mut book);
            detector.flow(asked("GET /x").as_ref(), &mut book);
            let finding = book.all().next().unwrap().0.clone();
            (finding.service.unwrap().to_string(), finding.evidence)
        };
        let (sent, to) = ("GET /x was sent by gateway", |service: &str, evidence: String| (service.to_owned(), evidence));
        let early = to("gateway", format!("{sent}, which closed the connection 3.0 ms after it, before any answer"));
        for (how, last) in [(End::Fin, 13), (End::Rst, 900), (End::Open, 8000)] {
            assert_eq!(told(how, Some((Dir::ToServer, 13)), last), early);
        }
        let late = to("orders", format!("{sent} without an answer: gateway gave up and closed the connection 2.00 s after it"));
        assert_eq!(told(End::Fin, Some((Dir::ToServer, 2010)), 2011), late);
        let server = to("orders", format!("{sent} without an answer: orders closed the connection 3.0 ms after it"));
        assert_eq!(told(End::Rst, Some((Dir::ToClient, 13)), 13), server);
    }

    /// What is found where `orders` is hung up on after 90 ms by somebody at work on a request, which asked the same of it in `beside` too.
    fn hung_up(from: &str, beside: Option<&str>) -> Vec<(String, Option<String>)> {
        let mut asked = call(2, &format!("{from}>orders=10.0.0.9:81 10- GET /x pending"));
        asked.row.trace_id = Some("t".into());
        let other = beside.map(|text| (1, call(3, text)));
        let root = (0, call(1, "c:1>gateway=10.0.0.1:80 0-200 GET /y 200"));
        let tree: Vec<_> = [root, (1, asked.clone())].into_iter().chain(other).collect();
        let (hops, nodes) = super::super::rig::trace(&tree);
        let (mut detector, mut book) = (Unanswered::default(), Book::default());
        book.turn_to(at(100));
        detector.flow(asked.as_ref(), &mut book);
        detector.connection(&ConnRecord { hung_up: Some((Dir::ToServer, at(100))), ..conn(End::Fin, 100) }, &mut book);
        assert_eq!(book.all().count(), 0, "its trace may tell more");
        detector.trace(&Look::new(&hops, &nodes), &mut book);
        detector.end(&mut book);
        book.all().map(|(finding, _)| (finding.title.clone(), finding.service.as_ref().map(ToString::to_string))).collect()
    }

    #[test]
    fn who_has_no_name_is_called_as_he_was_asked() {
        let told = |who: &str| vec![(format!("{who} hangs up on orders before it could answer: GET /x"), Some(who.to_owned()))];
        assert_eq!(hung_up("gateway=10.0.0.1:80", None), told("gateway"));
        // whatever it is called in the trace
        assert_eq!(hung_up("10.0.0.1:4711", None), told("gateway"));
    }

    #[test]
    fn of_several_asked_at_once_the_first_answer_is_enough() {
        let gateway = "gateway=10.0.0.1:80";
        let beside = |rest: &str| hung_up(gateway, Some(&format!("{gateway}>orders=10.0.0.9:81 {rest}"))).len();
        assert_eq!(beside("5-99 GET /x 200"), 0);
        // asked for after it was given up, of before, something else, and in vain
        assert_eq!(["100-150 GET /x 200", "1-9 GET /x 200", "5-99 GET /z 200", "5-99 GET /x 503"].map(beside), [1; 4]);
    }

    #[test]
    fn a_capture_that_ends_and_what_could_not_be_seen_are_none() {
        check(&asked("GET /x"), conn(End::Open, 3000), 0);
        check(&asked("GET /x"), conn(End::Evicted, 6000), 0);
        check(&asked("GET /x"), ConnRecord { gaps: 1, ..conn(End::Fin, 300) }, 0);
        let one_way = Counts { to_server: 3, to_client: 0 };
        check(&asked("GET /x"), ConnRecord { packets: one_way, ..conn(End::Fin, 300) }, 0);
        let mut late = asked("GET /x");
        let detail = late.detail.as_deref().unwrap().clone();
        late.detail = Some(Detail { notes: vec![Issue::JOINED], ..detail }.into());
        check(&late, conn(End::Fin, 300), 0);
    }

    #[test]
    fn what_may_take_for_ever_is_none() {
        check(&asked("GET /events"), conn(End::Fin, 9000), 0);
        check(&flow(1, Pattern::ServerStream, "grpc", "a>b 0- /x/y pending"), conn(End::Fin, 9000), 0);
        check(&flow(1, Pattern::Deliver, "amqp", "a>b 0- deliver pending"), conn(End::Fin, 9000), 0);
        check(&flow(1, Pattern::RequestResponse, "amqp", "a>b 0- connection.close pending"), conn(End::Fin, 9000), 0);
        check(&flow(1, Pattern::Publish, "amqp", "a>b 0- publish pending"), conn(End::Fin, 900), 0);
    }
}
