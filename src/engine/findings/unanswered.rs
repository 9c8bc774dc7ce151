//! Questions whose answer was due and did not come. Not those that a capture ends in, whose answer could not be seen, or may take for ever.

use super::ledger::label;
use super::message::who;
use super::{Book, Detector, Words};
use crate::engine::traces::settled;
use crate::model::{ConnRecord, End, FindingKind, FlowId, FlowRef, PENDING, Pattern, Severity};
use crate::time::{Span, Time};
use compact_str::CompactString;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// After how long a question that a capture ends in has no answer.
const WAITED: Span = Span::from_secs(5);
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
        let ending = Ending { how: conn.end, last: conn.time.after(conn.duration), seen };
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
    let closed = matches!(ending.how, End::Fin | End::Rst);
    let until = if closed { ending.last } else { book.now() };
    let waited = until.since(*time);
    if !ending.seen || ending.how == End::Evicted || (waited < WAITED && (*patient || !closed)) {
        return;
    }
    let waited = crate::units::duration(waited);
    let end = match ending.how {
        End::Fin => format!("the connection was closed {waited} after it"),
        End::Rst => format!("the connection was cut off {waited} after it"),
        _ => format!("none came within {waited}"),
    };
    let words = Words {
        title: format!("{to} does not answer {from}: {operation}"),
        service: Some(to.clone()),
        evidence: format!("{operation} was sent by {from} without an answer: {end}"),
        advice: if closed {
            format!("see whether {to} ended or gave up at it, or {from} was not patient enough")
        } else {
            format!("see what {to} waits for; give {from} a timeout")
        },
    };
    book.raise(FindingKind::Unanswered, key, vec![*flow], words);
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
