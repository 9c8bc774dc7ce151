//! One failing call that made its callers fail, up the tree. Not what failed and was got over.

use super::ledger::label;
use super::{Book, Detector, Look, Words};
use crate::engine::traces::{Hop, chains, failed, outcome, passes_on};
use crate::model::FindingKind;

/// It holds nothing: each trace shows it by itself.
#[derive(Debug, Default)]
pub(super) struct Cascade;

impl Detector for Cascade {
    fn seeks(&self) -> &'static str {
        "failures that made others fail"
    }

    fn trace(&mut self, look: &Look<'_>, book: &mut Book) {
        let flows: Vec<_> = look.flows().collect();
        for chain in chains(&flows) {
            let chain = chain.into_iter().filter_map(|at| flows.get(at).map(|(hop, _)| *hop));
            // what has no answer yet may get one after the capture
            let chain: Vec<_> = chain.skip_while(|hop| hop.pending).collect();
            tell(&chain, book);
        }
    }
}

fn tell(chain: &[&Hop], book: &mut Book) {
    // what was asked wrongly is the fault of who asked it
    let fault = chain.split_last().map(|(last, above)| if failed(last) || last.pending { chain } else { above });
    let Some(last) = fault.and_then(<[_]>::last).filter(|last| !last.judged) else { return };
    let steps: Vec<_> = fault.unwrap_or_default().windows(2).filter(|pair| !passes_on(pair[0], pair[1])).collect();
    let service = label(&last.to);
    let mut callers: Vec<_> = steps.iter().rev().map(|pair| label(&pair[0].to)).filter(|caller| *caller != service).collect();
    callers.dedup();
    // the one nearest to who asked that did more than pass it on
    let Some(able) = callers.last() else { return };
    let step = |hop: &&Hop| format!("{} {}{}", label(&hop.to), hop.shape(), if hop.pending { " pending" } else { "" });
    let key: Vec<_> = chain.iter().map(step).collect();
    let how: Vec<_> = chain.iter().rev().map(|hop| format!("{} {}", label(&hop.to), outcome(hop))).collect();
    let words = Words {
        title: match callers.join(", then ") {
            those if !last.pending => format!("{service} fails, and with it {those}"),
            those => {
                format!("{service} gives no answer, and without it {those} {}", if callers.len() > 1 { "fail" } else { "fails" })
            }
        },
        service: Some(service.clone()),
        evidence: how.join("; so "),
        advice: format!(
            "begin with {service}: {}; {} may answer without it, or say what is missing rather than fail",
            outcome(last),
            able
        ),
    };
    book.raise(FindingKind::ErrorCascade, &key.join(" > "), chain.iter().map(|hop| hop.flow).collect(), words);
}

#[cfg(test)]
mod tests {
    use super::super::rig::{call, deliver, flow, judged, publish};
    use super::*;
    use crate::model::{Flow, Pattern};

    fn check(tree: &[(usize, Flow)], wanted: Option<(&str, &[u64])>) {
        let found = judged(&mut Cascade, tree);
        assert!(found.len() < 2, "{found:#?}");
        let told = found.first().map(|f| (f.title.clone(), f.flows[0].iter().map(|flow| flow.0).collect::<Vec<_>>()));
        assert_eq!(told, wanted.map(|(title, flows)| (title.to_owned(), flows.to_vec())));
    }

    #[test]
    fn the_deepest_failure_is_at_fault_and_the_chain_shows_it() {
        let tree = [
            (0, call(1, "c:1>gateway 0-90 POST /checkout 502")),
            (1, call(2, "gateway>orders 10-80 POST /orders 500")),
            (2, call(3, "orders>stock 20-30 GET /stock 200")),
            (2, call(4, "orders>payments 40-70 POST /charges 503")),
        ];
        check(&tree, Some(("payments fails, and with it orders, then gateway", &[1, 2, 4])));
    }

    #[test]
    fn what_is_asked_for_by_other_ids_fails_alike() {
        let tree = |n: u64| {
            let product = call(n + 1, &format!("gateway>catalog 10-80 GET /products/{n} 500"));
            let rate = call(n + 2, "catalog>tax 20-70 GET /rate 503");
            [(0, call(n, "c:1>gateway 0-90 GET /list 200")), (1, product), (2, rate)]
        };
        let mut book = Book::default();
        [10, 20].iter().for_each(|n| super::super::rig::judge(&mut Cascade, &tree(*n), &mut book));
        let told: Vec<_> = book.all().map(|(finding, _)| (finding.title.as_str(), finding.count)).collect();
        assert_eq!(told, [("tax fails, and with it catalog", 2)]);
    }

    #[test]
    fn of_attempts_the_last_counts_and_what_was_got_over_does_not() {
        let first = (1, call(2, "gateway>payments 10-20 POST /charges 503"));
        let root = |status| (0, call(1, &format!("c:1>gateway 0-90 POST /checkout {status}")));
        let again = |status| (1, call(3, &format!("gateway>payments 30-40 POST /charges {status}")));
        check(&[root("502"), first.clone(), again("503")], Some(("payments fails, and with it gateway", &[1, 3])));
        check(&[root("502"), first.clone(), again("201")], None);
        check(&[root("201"), first], None);
    }

    #[test]
    fn a_message_that_went_well_when_it_was_delivered_again_was_got_over() {
        let (sent, bad) = ((0, publish(1, "by=gate")), (1, deliver(2, "queue=todo status=nack")));
        let call = (2, call(3, "billing>carrier 2-3 POST /parcels 503"));
        let again = |text: &str| [sent.clone(), bad.clone(), call.clone(), (1, deliver(4, text))];
        let told = Some(("carrier fails, and with it billing", &[2, 3][..]));
        check(&again("queue=todo status=ack"), None);
        check(&again("queue=todo status=nack"), told);
        // another queue's copy
        let mut other = deliver(4, "queue=log status=ack");
        other.row.operation = "deliver log".into();
        check(&[sent.clone(), bad.clone(), call.clone(), (1, other)], told);
    }

    #[test]
    fn who_only_passes_an_answer_on_is_not_told_to_answer_without() {
        let tree = [
            (0, call(1, "c:1>nginx 0-90 POST /checkout 502")),
            (1, call(2, "nginx>web 5-85 POST /checkout 502")),
            (2, call(3, "web>payments 40-70 POST /charges 503")),
        ];
        let found = judged(&mut Cascade, &tree);
        assert!(found[0].advice.contains("; web may answer without it"), "{found:#?}");
    }

    #[test]
    fn who_asks_wrongly_fails_and_not_who_says_so() {
        let (root, orders) = ((0, call(1, "c:1>gateway 0-90 GET /o 502")), (1, call(2, "gateway>orders 10-80 GET /o/x 500")));
        let mut query = flow(3, Pattern::Query, "postgresql", "orders>db 20-30 SELECT 42P01");
        query.row.ok = false;
        let tree = [root.clone(), orders, (2, query.clone())];
        let found = judged(&mut Cascade, &tree);
        assert_eq!(found[0].title, "orders fails, and with it gateway");
        assert!(found[0].evidence.starts_with("db SELECT answered 42P01; so orders GET /o/x answered 500; so"), "{found:#?}");
        // nobody else fails with who asked it
        check(&[(0, call(2, "c:1>orders 10-80 GET /o/x 500")), (1, query)], None);
        check(&[root, (1, call(2, "gateway>users 10-20 GET /users/x 404"))], None);
    }

    #[test]
    fn a_clients_mistake_and_a_proxys_words_are_none() {
        let not_found = [(0, call(1, "c:1>gateway 0-90 GET /x 404")), (1, call(2, "gateway>orders 10-20 GET /orders/x 404"))];
        check(&not_found, None);
        let proxy = [(0, call(1, "c:1>nginx 0-90 GET /x 500")), (1, call(2, "nginx>orders 10-20 GET /x 500"))];
        check(&proxy, None);
        // a capture that ends in the middle
        let open = [(0, call(1, "c:1>gateway 0- GET /x pending")), (1, call(2, "gateway>orders 5- GET /orders pending"))];
        check(&open, None);
        let late = [(0, call(1, "c:1>gateway 0-90 GET /x 504")), (1, call(2, "gateway>orders 5- GET /orders pending"))];
        check(&late, Some(("orders gives no answer, and without it gateway fails", &[1, 2])));
        // it failed after its caller had
        let late = [(0, call(1, "c:1>gateway 0-10 GET /x 504")), (1, call(2, "gateway>orders 5-20 GET /orders 500"))];
        check(&late, None);
    }
}
