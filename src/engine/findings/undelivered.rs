//! Messages that reached nobody: those that came back, those that the broker refused, and those that stayed behind while others of the
//! same route went through. The last is told at the end alone, and only where everything about the queue could be seen.

use super::message::Letter;
use super::redelivery::times;
use super::{Book, Detector, Words};
use crate::model::{FindingKind, FlowId, FlowRef, Pattern, Totals};
use crate::time::{Span, Time};
use compact_str::CompactString;
use hashbrown::{HashMap, HashSet};

/// How many routes are told apart, and how many messages of each are remembered: of a route with more nothing is claimed.
const MAX_ROUTES: usize = 1 << 10;
const MAX_OF_ROUTE: usize = 1 << 12;
/// How many messages of all routes are: then nothing is claimed of the routes of further ones.
const MAX_OF_ALL: usize = 1 << 13;
/// How many messages that were published later have to have been delivered.
const OVERTAKEN: usize = 4;
/// How much longer than any other a message has to have waited, and at least how long.
const LONGER: u64 = 4;
const LONG: Span = Span::from_secs(1);
/// Of how many messages at most one may be missing: more are missing where another consumer was not seen.
const ONE_IN: usize = 5;

/// The messages by route.
#[derive(Debug, Default)]
pub(super) struct Undelivered {
    routes: HashMap<u64, Route>,
    /// How many messages they remember.
    remembered: usize,
    /// Brokers of which some connections stay closed to us: a consumer may be among them.
    hidden: HashSet<CompactString>,
    /// Whether anything was lost, so that a delivery may be, too.
    lossy: bool,
}

#[derive(Debug, Default)]
struct Route {
    sent: Vec<Sent>,
    delivered: HashMap<u64, Time>,
    full: bool,
}

#[derive(Debug)]
struct Sent {
    flow: FlowId,
    time: Time,
    letter: Letter,
    host: CompactString,
}

impl Detector for Undelivered {
    fn seeks(&self) -> &'static str {
        "messages that reached nobody"
    }

    fn flow(&mut self, flow: FlowRef<'_>, _: &mut Book) {
        if flow.row.pattern == Pattern::Session && self.hidden.len() < MAX_ROUTES {
            self.hidden.insert(flow.server.host().into());
        }
    }

    fn letter(&mut self, letter: &Letter, flow: FlowRef<'_>, book: &mut Book) {
        match (flow.row.pattern, flow.row.status.as_deref()) {
            (Pattern::Publish, Some(status @ ("returned" | "nack"))) => refused(letter, flow, status, book),
            // it was taken back before anybody could get it
            (Pattern::Publish, Some("rollback")) => {}
            _ => self.note(letter, flow),
        }
    }

    fn totals(&mut self, totals: &Totals, kernel_drops: u64, _: &mut Book) {
        self.lossy = totals.gaps + totals.own_drops + totals.decode_errors + totals.evicted_connections + kernel_drops > 0;
    }

    fn end(&mut self, book: &mut Book) {
        if self.lossy {
            return;
        }
        let mut routes: Vec<_> = self.routes.values_mut().filter(|route| !route.full && !route.sent.is_empty()).collect();
        routes.sort_by_key(|route| route.sent.first().map(|sent| sent.flow));
        for route in routes {
            route.sent.sort_by_key(|sent| sent.flow);
            if route.sent.iter().any(|sent| self.hidden.contains(&sent.host)) {
                continue;
            }
            for (sent, later, longest) in route.left_behind(book.now()) {
                left(sent, later, longest, book);
            }
        }
    }
}

impl Undelivered {
    fn note(&mut self, letter: &Letter, flow: FlowRef<'_>) {
        if self.routes.len() >= MAX_ROUTES && !self.routes.contains_key(&letter.route) {
            return;
        }
        let route = self.routes.entry(letter.route).or_default();
        let before = route.len();
        route.full |= route.sent.len().max(route.delivered.len()) >= MAX_OF_ROUTE || self.remembered >= MAX_OF_ALL;
        if route.full {
            (route.sent, route.delivered) = Default::default();
        } else if flow.row.pattern == Pattern::Deliver {
            let first = route.delivered.entry(letter.id).or_insert(flow.row.time);
            *first = (*first).min(flow.row.time);
        } else {
            let host = flow.server.host().into();
            route.sent.push(Sent { flow: flow.row.id, time: flow.row.time, letter: letter.clone(), host });
        }
        self.remembered = self.remembered - before + route.len();
    }
}

impl Route {
    fn len(&self) -> usize {
        self.sent.len() + self.delivered.len()
    }

    /// Those that stayed behind, how many later ones did not, and how long any of those took; in the order of `sent`.
    fn left_behind(&self, now: Time) -> Vec<(&Sent, usize, Span)> {
        let got = |sent: &&Sent| self.delivered.contains_key(&sent.letter.id);
        let waits = self.sent.iter().filter_map(|sent| Some(self.delivered.get(&sent.letter.id)?.since(sent.time)));
        let longest = waits.max().unwrap_or_default();
        let enough = Span::from_nanos(longest.nanos().saturating_mul(LONGER)).max(LONG);
        let left: Vec<_> = self.sent.iter().filter(|sent| !got(sent)).collect();
        if left.len() * ONE_IN > self.sent.len() {
            return Vec::new();
        }
        let later = |one: &Sent| self.sent.iter().filter(|sent| sent.flow > one.flow).filter(got).count();
        let told = left.into_iter().filter(|one| !one.letter.otherwise && now.since(one.time) > enough);
        told.map(|one| (one, later(one), longest)).filter(|(_, later, _)| *later >= OVERTAKEN).collect()
    }
}

fn refused(letter: &Letter, flow: FlowRef<'_>, status: &str, book: &mut Book) {
    let (client, way) = (&letter.client, &letter.way);
    let (title, evidence, advice) = if status == "returned" {
        (
            format!("messages of {client} to {way} reach nobody: the broker returns them"),
            format!("{} was returned: no queue is bound for {way}", letter.called()),
            format!("bind a queue for {way}, or mend the routing key that {client} uses"),
        )
    } else {
        (
            format!("the broker refuses messages of {client} to {way}"),
            format!("{} was answered with a negative confirm", letter.called()),
            format!("see whether its queue is full or its node is down, and whether {client} sends again what was refused"),
        )
    };
    let key = format!("{status} {client} {}", letter.route);
    book.raise(
        FindingKind::Undelivered,
        &key,
        vec![flow.row.id],
        Words { title, service: Some(client.clone()), evidence, advice },
    );
}

fn left(sent: &Sent, later: usize, longest: Span, book: &mut Book) {
    let Sent { flow, letter, time, .. } = sent;
    let waited = book.now().since(*time);
    let words = Words {
        title: format!("a message of {} to {} was never delivered, while later ones were", letter.client, letter.way),
        service: Some(letter.client.clone()),
        evidence: format!(
            "{} waited {} to the end, {} that came later reached a consumer, none after more than {}",
            letter.called(),
            crate::units::duration(waited),
            times(later as u64, "message", "messages"),
            crate::units::duration(longest)
        ),
        advice: "see whether the queue drops what is too old or too much, or a consumer that is not watched took it".to_owned(),
    };
    book.raise(FindingKind::Undelivered, &format!("left {} {}", letter.client, letter.route), vec![*flow], words);
}

#[cfg(test)]
mod tests {
    use super::super::rig::{deliver, found, publish, titles};
    use super::*;
    use crate::model::Flow;

    fn check(flows: &[Flow], wanted: &[(&str, u64)]) {
        assert_eq!(titles(&found(&mut Undelivered::default(), flows)), wanted);
    }

    /// So many messages a tenth of a second, of which all but some are delivered soon.
    fn queue(messages: u64, but: &[u64]) -> Vec<Flow> {
        let sent = |n: u64| publish(n * 100, &format!("id={n}"));
        let got = |n: u64| deliver(n * 100 + 5, &format!("id={n} queue=q"));
        let both = |n: u64| std::iter::once(sent(n)).chain((!but.contains(&n)).then(|| got(n)));
        (1..=messages).flat_map(both).collect()
    }

    const LEFT: &str = "a message of billing to exchange shop, key order was never delivered, while later ones were";

    #[test]
    fn what_comes_back_or_is_refused_is_told_at_once() {
        let returned = "messages of billing to exchange shop, key order reach nobody: the broker returns them";
        check(&[publish(1, "id=a status=returned"), publish(2, "id=b status=returned")], &[(returned, 2)]);
        check(&[publish(1, "status=nack")], &[("the broker refuses messages of billing to exchange shop, key order", 1)]);
        check(&[publish(1, "status=ack"), publish(2, "")], &[]);
    }

    #[test]
    fn what_stayed_behind_is_told_at_the_end() {
        check(&queue(20, &[5]), &[(LEFT, 1)]);
        check(&queue(20, &[5, 6]), &[(LEFT, 2)]);
        check(&queue(20, &[]), &[]);
    }

    #[test]
    fn what_may_still_be_delivered_or_was_elsewhere_is_not() {
        // nothing later went through; not long enough; too many are missing
        check(&queue(20, &[19, 20]), &[]);
        check(&queue(8, &[3]), &[]);
        check(&queue(20, &[1, 3, 5, 7, 9]), &[]);
        let nobody: Vec<_> = (1..20).map(|n| publish(n * 100, &format!("id={n}"))).collect();
        check(&nobody, &[]);
    }

    #[test]
    fn nothing_is_claimed_where_not_all_was_seen() {
        let hidden = super::super::rig::flow(1, Pattern::Session, "tls", "c>rabbit 1-2 session -");
        check(&[vec![hidden], queue(20, &[5])].concat(), &[]);
        let mut lossy = Undelivered::default();
        lossy.totals(&Totals { gaps: 1, ..Totals::default() }, 0, &mut Book::default());
        assert_eq!(found(&mut lossy, &queue(20, &[5])), []);
    }
}
