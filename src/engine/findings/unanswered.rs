//! Questions whose answer was due and did not come. Not those that a capture ends in, whose answer could not be seen, or may take for ever.

use super::ledger::label;
use super::message::who;
use super::{Book, Detector, Words};
use crate::engine::traces::settled;
use crate::model::{ConnRecord, Dir, End, FindingKind, FlowId, FlowRef, PENDING, Pattern, Severity};
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
        let key = format!("{} > {to}: {}", who(flow.client), hop.shape());
        let operation = flow.row.operation.clone();
        let question = Question { flow: flow.row.id, time: flow.row.time, key, from, to, operation, patient: amqp };
        match self.ended.get(&flow.connection) {
            Some(ending) => judge(&question, *ending, book),
            None => self.asked.push((flow.connection, question)),
        }
    }

    fn connection(&mut self, conn: &ConnRecord, book: &mut Book) {
        let seen = conn.gaps == 0 && conn.packets.to_client > 0 && conn.packets.to_server > 0;
        let ending = Ending { how: conn.end, last: conn.time.after(conn.duration), hung_up: conn.hung_up, seen };
        for (_, question) in self.asked.extract_if(.., |(of, _)| *of == conn.id) {
            judge(&question, ending, book);
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

fn judge(question: &Question, ending: Ending, book: &mut Book) {
    let Question { flow, time, key, from, to, operation, patient } = question;
    // what ends with the capture may have been given up all the same
    let closed = matches!(ending.how, End::Fin | End::Rst) || ending.hung_up.is_some();
    let until = if closed { ending.hung_up.map_or(ending.last, |(_, at)| at) } else { book.now() };
    let waited = until.since(*time);
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
