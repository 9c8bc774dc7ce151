//! Many like statements, commands or calls one after the other because of one request, where one might do. Not polling, not retries.

use super::ledger::{excerpt, label};
use super::{Book, Detector, Look, Words};
use crate::engine::control::is_control;
use crate::engine::traces::{Hop, failed, passes_on};
use crate::model::unknown::is_unknown;
use crate::model::{FindingKind, Pattern};
use crate::time::Span;
use hashbrown::{HashMap, HashSet};
use std::collections::BTreeMap;

/// From how many on they are many.
const MANY: usize = 8;
/// How long a service may think between two of them: whoever waits for longer polls, or works on something between.
const BETWEEN: Span = Span::from_millis(100);
/// The same of one and the same request: it is asked again until its answer changes.
const POLLED: Span = Span::from_millis(20);

/// It holds nothing: each trace shows it by itself.
#[derive(Debug, Default)]
pub(super) struct NPlusOne;

impl Detector for NPlusOne {
    fn seeks(&self) -> &'static str {
        "many like queries for one request"
    }

    fn trace(&mut self, look: &Look<'_>, book: &mut Book) {
        let flows: Vec<_> = look.flows().collect();
        if flows.len() <= MANY {
            return;
        }
        let mut alike: BTreeMap<_, Vec<&Hop>> = BTreeMap::new();
        for (hop, up) in &flows {
            let Some((up, link)) = *up else { continue };
            let Some((parent, _)) = flows.get(up).filter(|(parent, _)| works(parent) && !passes_on(parent, hop)) else {
                continue;
            };
            let shape = hop.shape();
            if !hop.by_time_alone(parent, link) && question(hop, &shape) && !failed(hop) {
                alike.entry((parent.flow, up, label(&hop.to), shape)).or_default().push(hop);
            }
        }
        for ((parent, up, to, shape), mut like) in alike {
            let lists = paged(&like);
            like.retain(|hop| hop.extra().page.is_none_or(|page| !lists.contains(&page.list)));
            like.sort_by_key(|hop| (hop.time, hop.flow));
            let run = longest(&like);
            let Some((first, last)) = run.first().zip(run.last()).filter(|(_, last)| run.len() >= MANY && !last.judged) else {
                continue;
            };
            let Some((parent_hop, _)) = flows.get(up) else { continue };
            let service = label(&parent_hop.to);
            let (what, one) = match first.pattern {
                Pattern::Query => ("queries", "one query with a list or a join"),
                _ => ("calls", "one call that takes a list"),
            };
            let words = Words {
                title: format!("{service} sends {to} many like {what} one after the other for one request"),
                service: Some(service.clone()),
                evidence: format!(
                    "{} times `{}` within {} because of {}",
                    run.len(),
                    excerpt(&shape),
                    crate::units::duration(last.last.since(first.time)),
                    parent_hop.operation
                ),
                advice: format!("let {service} ask {to} once: {one}, or ask at the same time what it has to ask apart"),
            };
            let flows = std::iter::once(parent).chain(run.iter().map(|hop| hop.flow)).collect();
            book.raise(FindingKind::NPlusOne, &format!("{service} > {to} {shape}"), flows, words);
        }
    }
}

/// Whether a flow is one request that its receiver works on: not a connection on which it does so for ever.
fn works(parent: &Hop) -> bool {
    parent.pattern == Pattern::Deliver || !parent.held
}

fn question(hop: &Hop, shape: &str) -> bool {
    let asks = match hop.pattern {
        Pattern::RequestResponse => hop.protocol != "amqp",
        Pattern::Unary => true,
        Pattern::Query => hop.protocol != "dns",
        _ => false,
    };
    let apart = hop.held || is_unknown(&hop.operation) || (hop.pattern == Pattern::Query && is_control(shape));
    asks && !apart
}

/// The lists that are fetched page by page: from another place each time. Where that is the same all else may tell the calls apart.
fn paged(like: &[&Hop]) -> HashSet<u64> {
    let mut first = HashMap::new();
    let pages = like.iter().filter_map(|hop| hop.extra().page);
    let other = pages.filter(|page| page.place.is_none() || *first.entry(page.list).or_insert(page.place) != page.place);
    other.map(|page| page.list).collect()
}

/// The longest run in which each begins soon after the one before is over: what goes out at once is batched already.
fn longest<'h>(like: &[&'h Hop]) -> Vec<&'h Hop> {
    let (mut best, mut run): (Vec<&Hop>, Vec<&Hop>) = (Vec::new(), Vec::new());
    for &hop in like {
        let goes_on = run.last().is_some_and(|before| {
            let same = hop.pattern != Pattern::Query && hop.operation == before.operation;
            before.last <= hop.time && hop.time.since(before.last) <= if same { POLLED } else { BETWEEN }
        });
        if !goes_on {
            run.clear();
        }
        run.push(hop);
        if run.len() > best.len() {
            best.clone_from(&run);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::super::rig::{call, flow, judged};
    use super::*;
    use crate::model::{Detail, Fields};
    use std::sync::Arc;

    /// In how many calls of 5 it is found; what the nth is, `step` after the one before.
    fn check(n: u64, step: u64, of: impl Fn(u64) -> String, wanted: Option<usize>) {
        let root = (0, call(1, "c:1>orders 0-9000 GET /orders 200"));
        let tree: Vec<_> = std::iter::once(root)
            .chain((0..n).map(|n| (1, call(n + 2, &format!("orders>stock {}-{} {} 200", n * step, n * step + 5, of(n))))))
            .collect();
        let found = judged(&mut NPlusOne, &tree);
        assert_eq!(found.first().map(|f| f.flows[0].len() - 1), wanted, "{found:#?}");
    }

    #[test]
    fn like_calls_one_after_the_other_are_found_and_told_by_their_shape() {
        check(8, 6, |n| format!("GET /stock/{n}"), Some(8));
        check(30, 20, |_| "GET /stock".to_owned(), Some(30));
    }

    #[test]
    fn few_calls_calls_at_once_polling_and_others_are_none() {
        check(7, 6, |n| format!("GET /stock/{n}"), None);
        check(20, 1, |n| format!("GET /stock/{n}"), None);
        check(20, 200, |_| "GET /jobs/1".to_owned(), None);
        check(20, 55, |_| "GET /jobs/1".to_owned(), None);
        check(20, 55, |n| format!("GET /jobs/{n}"), Some(20));
        check(20, 6, |n| format!("GET /{}", ["a", "b", "c"][n as usize % 3]), None);
        check(20, 6, |_| "unknown request".to_owned(), None);
    }

    #[test]
    fn what_is_fetched_page_by_page_can_not_be_asked_for_at_once() {
        let found = |protocol, pattern, field: &'static str, text: &dyn Fn(u64) -> String| {
            let one = |n: u64| {
                let mut one = flow(n + 2, pattern, protocol, &format!("orders>stock {}-{} GET 200", n * 3, n * 3 + 1));
                let fields = Fields::default().with(field, &*text(n));
                one.detail = Some(Arc::new(Detail { fields, ..(*one.detail.unwrap()).clone() }));
                one
            };
            let root = (0, call(1, "c:1>orders 0-9000 GET /orders 200"));
            let tree: Vec<_> = std::iter::once(root).chain((0..20).map(|n| (1, one(n)))).collect();
            judged(&mut NPlusOne, &tree).len()
        };
        let calls = |query: &str| found("http", Pattern::RequestResponse, "http.target", &|n| format!("/stock?{query}{n}"));
        let statements = |sql: &str| found("postgresql", Pattern::Query, "sql", &|n| format!("select * from stock {sql}{n}"));
        assert_eq!(["size=100&page=", "cursor=c", "pageToken=", "sku="].map(calls), [0, 0, 0, 1]);
        let behind = ["order by id limit 100 offset ", "where id >= 7 order by id limit ", "where sku = "];
        assert_eq!(behind.map(statements), [0, 0, 1]);
        let from_cursor = |sql: &'static str| found("postgresql", Pattern::Query, "sql", &|n| format!("{sql}{}", n / 40));
        let cursor = ["FETCH FORWARD 100 FROM c", "fetch next from c", "MOVE 9 FROM c", "declare c cursor for select "];
        assert_eq!(cursor.map(from_cursor), [0, 0, 0, 1]);
        // the first page of each of many lists is another matter
        assert_eq!(["page=1&sku=", "offset=0&sku="].map(calls), [1, 1]);
        // so is what is the same of all, or goes with something else
        let constant = ["before=2026-11-28&sku=", "start=2026-11-01&end=2026-11-02&sku=", "after=7&sku=", "page=2&sku="];
        assert_eq!(constant.map(calls), [1; 4]);
        let days = found("http", Pattern::RequestResponse, "http.target", &|n| {
            format!("/stock?start=2026-11-{}&end=2026-11-{n}", n + 2)
        });
        let lists = found("http", Pattern::RequestResponse, "http.target", &|n| format!("/stock?sku={}&page={}", n % 2, n / 2));
        assert_eq!((days, lists), (1, 0));
        assert_eq!(statements("where day > 1 and sku = 'a' order by id limit 1 offset "), 1);
    }

    #[test]
    fn statements_count_and_what_frames_them_does_not() {
        let statements = |operation: &str| {
            let root = (0, call(1, "c:1>orders 0-9000 GET /orders 200"));
            let one =
                |n: u64| flow(n + 2, Pattern::Query, "postgresql", &format!("orders>db {}-{} {operation} -", n * 3, n * 3 + 1));
            let tree: Vec<_> = std::iter::once(root).chain((0..9).map(|n| (1, one(n)))).collect();
            judged(&mut NPlusOne, &tree).first().map(|found| found.title.clone())
        };
        assert_eq!(statements("SELECT stock").unwrap(), "orders sends db many like queries one after the other for one request");
        assert_eq!(statements("COMMIT"), None);
    }
}
