//! Two runs that are made by hand.

use super::*;
use crate::engine::Record;
use crate::model::{Node, Pattern};
use crate::report::{Ink, Paper};
use crate::time::Time;

/// From, to, operation, status, milliseconds, whether it carries the trace's context.
type Hop = (&'static str, &'static str, &'static str, &'static str, u64, bool);

const GOOD: &[Hop] = &[
    ("web", "orders", "POST /checkout", "201", 50, true),
    ("orders", "payments", "POST /charges/17", "201", 20, true),
    ("orders", "mail", "POST /send", "202", 5, true),
    ("payments", "fraud", "POST /score", "200", 3, true),
];

/// A run of traces, each with what lies outside of it.
fn run(traces: &[(&[Hop], &[Hop])]) -> Run {
    let mut run = Run::default();
    let mut next = 0;
    for (n, (inside, outside)) in traces.iter().enumerate() {
        let time = Time::from_nanos(n as i64 * 1_000_000_000);
        let mut add = |&(from, to, operation, status, ms, carries): &Hop| {
            next += 1;
            let (id, duration) = (FlowId(next), Some(Span::from_millis(ms)));
            let (protocol, pattern) =
                if to == "db" { ("postgresql", Pattern::Query) } else { ("http", Pattern::RequestResponse) };
            let ok = to == "db" || status < "400";
            let (from, to, operation, status) = (from.into(), to.into(), operation.into(), Some(status.into()));
            let (carries, traced, link) = (Some(carries), true, None);
            let brief = Brief { id, time, duration, from, to, protocol, pattern, operation, status, ok, carries, traced, link };
            run.story.remember(brief);
            id
        };
        let tree = inside.iter().map(&mut add).enumerate();
        let tree: Vec<_> = tree.map(|(at, flow)| Node { flow, depth: at.min(1), link: None, leg: false }).collect();
        outside.iter().for_each(|hop| _ = add(hop));
        let id = |n: usize| format!("t{n}").into();
        let (services, duration) = (Vec::new(), Span::from_millis(60));
        let record = TraceRecord {
            trace_id: id(n),
            trace_ids: vec![id(n)],
            tree,
            services,
            time,
            duration,
            errors: 0,
            why: Default::default(),
            complete: true,
        };
        run.story.take(&Record::Trace(record), true);
    }
    run
}

fn told(pairs: &[Pair<'_>]) -> Vec<String> {
    let line = |d: &Difference| format!("{} {} → {} {} {:?}", d.kind.word(), d.key.from, d.key.to, d.key.operation, d.occurrence);
    pairs.iter().flat_map(|pair| pair.differences.iter().map(line)).collect()
}

fn text(pairs: &[Pair<'_>]) -> String {
    let mut paper = Paper::new(120, Ink::Black);
    text::all(&mut paper, pairs);
    paper.text().to_owned()
}

#[test]
fn the_same_is_no_difference_whatever_its_ids_and_small_times() {
    let mut other = GOOD.to_vec();
    (other[1].2, other[1].4, other[3].4) = ("POST /charges/99", 29, 9);
    let (a, b) = (run(&[(GOOD, &[])]), run(&[(&other, &[])]));
    let pairs = compare(&a, &b);
    assert_eq!(told(&pairs), [""; 0]);
    assert_eq!(text(&pairs), "no difference\n");
}

#[test]
fn how_many_rows_a_statement_found_is_no_difference() {
    let of = |status| run(&[(&[("web", "orders", "GET /", "200", 5, true), ("orders", "db", "q", status, 3, false)], &[])]);
    let told = |a, b| told(&compare(&of(a), &of(b)));
    assert_eq!(told("SELECT 2", "SELECT 61"), [""; 0]);
    assert_eq!(told("INSERT 0 1", "INSERT 0 12"), [""; 0]);
    assert_eq!(told("UPDATE 1", "DELETE 1"), ["status orders → db q Some(1)"]);
}

#[test]
fn names_that_are_made_up_do_not_tell_operations_apart() {
    for (operation, wanted) in [
        ("deliver amq.gen-1XSD30iKXv2wsSkxXe7Haw", "deliver amq.gen-*"),
        ("publish (default) amq.gen-_PEyLzj1_PmtNg4C85rN-Q", "publish (default) amq.gen-*"),
        ("deliver 0f8fad5b-d9cb-469f-a165-70867728950E", "deliver *"),
        ("publish (default) replies-0f8fad5b-d9cb-469f-a165-70867728950e.pay", "publish (default) replies-*.pay"),
        ("publish _INBOX.Jx1.7", "publish _INBOX.*"),
        ("GET /items/0f8fad5b-d9cb-469f-a165-70867728950e", "GET /items/*"),
        ("deliver amq.gen-", "deliver amq.gen-"),
        ("deliver stock.rpc", "deliver stock.rpc"),
        ("deliver zf8fad5b-d9cb-469f-a165-70867728950", "deliver zf8fad5b-d9cb-469f-a165-70867728950"),
        ("deliver é0f8fad5b-d9cb-469f-a165-70867728950e", "deliver é*"),
    ] {
        assert_eq!(shape(operation), wanted);
    }
    let to = |queue| [("stock", "rabbitmq", queue, "", 1, true)];
    let (a, b) = (to("publish (default) amq.gen-FnQ3wL6ugBZALJif7jwZwA"), to("publish (default) amq.gen-8-EeOcEVMqlHkMUZwSecag"));
    let (a, b) = (run(&[(&a, &[])]), run(&[(&b, &[])]));
    assert_eq!(told(&compare(&a, &b)), [""; 0]);
}

#[test]
fn who_has_a_name_in_one_run_alone_is_the_same() {
    let named: &[Hop] = &[
        ("web", "nginx", "GET /orders/17", "200", 50, true),
        ("nginx", "shop", "GET /orders/17", "200", 40, true),
        ("shop", "stock", "GET /stock", "200", 5, true),
        ("shop", "stock", "GET /stock", "200", 5, true),
    ];
    let mut bare = named.to_vec();
    (bare[0].0, bare[1].0, bare[2].0, bare[3].1) = ("127.0.0.1", "uid 0, closed", "127.0.0.1", "127.0.0.1:8081");
    let probes: &[Hop] =
        &[("prober", "shop", "GET /healthz", "200", 1, false), ("nginx", "shop", "GET /healthz", "200", 1, false)];
    let probe: &[Hop] = &[("127.0.0.1", "shop", "GET /healthz", "200", 1, false)];
    let (a, b) = (run(&[(named, probes)]), run(&[(&bare, probe)]));
    assert_eq!(told(&compare(&a, &b)), [""; 0]);
    assert_eq!(told(&compare(&b, &a)), [""; 0]);
    // what is not there is missing all the same, and what fails fails
    let fewer = [bare[0], bare[1], (bare[3].0, bare[3].1, bare[3].2, "503", 5, true)];
    let failing: &[Hop] = &[("127.0.0.1", "shop", "GET /healthz", "500", 1, false)];
    let wanted = [
        "failed shop → stock GET /stock Some(1)",
        "missing shop → stock GET /stock Some(2)",
        "failed nginx → shop GET /healthz None",
        "failed prober → shop GET /healthz None",
    ];
    assert_eq!(told(&compare(&a, &run(&[(&fewer, failing)]))), wanted);
    // of two addresses each is another one, and so of two names
    let [other, another] = ["10.0.0.2:80", "10.0.0.3:80"].map(|to| run(&[(&[("web", to, "GET /", "200", 5, true)], &[])]));
    assert_eq!(
        told(&compare(&other, &another)),
        ["missing web → 10.0.0.2:80 GET / Some(1)", "new web → 10.0.0.3:80 GET / Some(1)"]
    );
}

#[test]
fn each_kind_of_difference_is_found_at_its_hop() {
    let bad: &[Hop] = &[
        ("web", "orders", "POST /checkout", "200", 150, true),
        ("orders", "payments", "POST /charges/4", "503", 1, true),
        ("orders", "payments", "POST /charges/4", "201", 20, true),
        ("payments", "fraud", "POST /score", "200", 3, false),
    ];
    let (a, b) = (run(&[(GOOD, &[])]), run(&[(bad, &[])]));
    let wanted = [
        "status web → orders POST /checkout Some(1)",
        "slower web → orders POST /checkout Some(1)",
        "failed orders → payments POST /charges/* Some(1)",
        "missing orders → mail POST /send Some(1)",
        "trace_lost payments → fraud POST /score Some(1)",
        "new orders → payments POST /charges/* Some(2)",
    ];
    let pairs = compare(&a, &b);
    assert_eq!(told(&pairs), wanted);
    let text = text(&pairs);
    for part in ["POST /checkout · 1 trace in A, 1 in B\n", "50 ms → 150 ms (3.0 times)", "201 → 503 ✗", "6 differences\n"]
    {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn a_hop_that_left_its_trace_has_lost_it_and_is_not_told_twice() {
    let fraud: Hop = ("payments", "fraud", "POST /score", "200", 3, false);
    let (a, b) = (run(&[(GOOD, &[])]), run(&[(&GOOD[..3], &[fraud])]));
    assert_eq!(told(&compare(&a, &b)), ["trace_lost payments → fraud POST /score Some(1)"]);
    // what carries none in either was only harder to tell in the other
    let bare: Hop = ("payments", "fraud", "POST /score", "200", 3, false);
    let (tied, loose) = (run(&[(&[&GOOD[..3], &[bare]].concat(), &[])]), run(&[(&GOOD[..3], &[bare])]));
    assert_eq!(told(&compare(&tied, &loose)), [""; 0]);
    // and what was loose in the first run is not new
    assert_eq!(told(&compare(&b, &a)), [""; 0]);
    let (failing, loose) = (("payments", "fraud", "POST /score", "500", 3, true), run(&[(&GOOD[..3], &[fraud, fraud])]));
    let failing = run(&[(&[&GOOD[..3], &[failing]].concat(), &[])]);
    assert_eq!(
        told(&compare(&loose, &failing)),
        ["failed payments → fraud POST /score Some(1)", "missing payments → fraud POST /score None"]
    );
    let two = compare_two(&a, &b, &["t0".into(), "T0".into()]).unwrap();
    let mut paper = Paper::new(100, Ink::Black);
    text::two(&mut paper, [&a, &b], &two);
    assert!(paper.text().contains("outside of the trace: payments → fraud  POST /score  ✗ trace lost\n"), "{}", paper.text());
    assert_eq!(compare_two(&a, &b, &["t0".into(), "t9".into()]).unwrap_err(), 1);
}

#[test]
fn traces_are_paired_in_order_and_what_several_share_is_one_line() {
    let mut slow = GOOD.to_vec();
    slow[1].4 = 400;
    let login: &[Hop] = &[("web", "users", "POST /login", "200", 5, true)];
    let a = run(&[(GOOD, &[]), (GOOD, &[]), (GOOD, &[]), (login, &[])]);
    let b = run(&[(GOOD, &[]), (&slow, &[]), (&slow, &[]), (GOOD, &[])]);
    let text = text(&compare(&a, &b));
    let wanted = "\
POST /checkout · 3 traces in A, 4 in B
slower        orders → payments             POST /charges/*  20 ms → 400 ms (20.0 times)  in 2 of 3
new trace     web → orders                  POST /checkout  201 50 ms  1 trace

POST /login · 1 trace in A, 0 in B
missing trace web → users                   POST /login  200 5.0 ms  1 trace

3 differences
";
    assert_eq!(text, wanted);
}

#[test]
fn what_is_outside_of_traces_is_compared_all_at_once() {
    let poll: Hop = ("web", "users", "GET /health", "200", 5, false);
    let failed: Hop = ("web", "users", "GET /health", "500", 5, false);
    let new: Hop = ("web", "ads", "GET /banner", "200", 5, false);
    let (a, b) = (run(&[(GOOD, &[poll, poll])]), run(&[(GOOD, &[poll, failed, poll, new])]));
    let wanted = ["new web → ads GET /banner None", "failed web → users GET /health None"];
    assert_eq!(told(&compare(&a, &b)), wanted);
}

#[test]
fn ids_in_paths_are_left_out() {
    for (operation, wanted) in [
        ("GET /orders/17/items", "GET /orders/*/items"),
        ("GET /u/4bf92f3577b34da6", "GET /u/*"),
        ("GET /u/550e8400-e29b-41d4-a716-446655440000", "GET /u/*"),
        ("GET /products/tea-07", "GET /products/*"),
        ("GET /api/v1/users", "GET /api/v1/users"),
        ("/shop.v1.Inventory/Reserve", "/shop.v1.Inventory/Reserve"),
        ("publish shop order.placed", "publish shop order.placed"),
    ] {
        assert_eq!(shape(operation), wanted);
    }
}

#[test]
fn what_was_not_seen_in_one_run_is_no_difference() {
    let with = |change: fn(&mut Brief)| {
        let mut run = run(&[(GOOD, &[])]);
        let mut hop = run.story.flow(FlowId(2)).unwrap().clone();
        change(&mut hop);
        run.story.remember(hop);
        run
    };
    let seen = with(|_| {});
    let unseen = with(|hop| (hop.status, hop.duration) = (None, None));
    assert_eq!(told(&compare(&unseen, &seen)), [""; 0]);
    assert_eq!(told(&compare(&seen, &unseen)), [""; 0]);
    let failed = with(|hop| (hop.status, hop.ok) = (Some("503".into()), false));
    assert_eq!(told(&compare(&unseen, &failed)), [""; 0]);
    assert_eq!(told(&compare(&failed, &unseen)), [""; 0]);
    // one that went well without a word was seen
    let wordless = with(|hop| hop.status = None);
    assert_eq!(told(&compare(&wordless, &failed)), ["failed orders → payments POST /charges/* Some(1)"]);
    // and one that got no answer has failed
    let pending = with(|hop| (hop.status, hop.duration, hop.ok) = (Some("pending".into()), None, false));
    assert_eq!(told(&compare(&seen, &pending)), ["failed orders → payments POST /charges/* Some(1)"]);
}

#[test]
fn one_hop_again_and_again_under_one_parent_is_one_difference() {
    let query: Hop = ("orders", "postgres", "SELECT items", "200", 1, false);
    let once = [GOOD, &[query]].concat();
    let (many, some) = ([GOOD, &[query; 25]].concat(), [GOOD, &[query; 4]].concat());
    let (a, b) = (run(&[(&once, &[]), (&once, &[])]), run(&[(&many, &[]), (&some, &[])]));
    let pairs = compare(&a, &b);
    assert_eq!(told(&pairs), ["new orders → postgres SELECT items Some(2)"; 2]);
    assert_eq!(pairs.iter().flat_map(|pair| &pair.differences).map(Difference::count).collect::<Vec<_>>(), [24, 3]);
    assert!(text(&pairs).contains("SELECT items  200 1.0 ms  3 to 24 times in 2 of 2"), "{}", text(&pairs));
    let mut json = Vec::new();
    crate::output::ndjson::write_differences(&pairs[0], &mut json);
    assert!(String::from_utf8(json).unwrap().contains("\"occurrence\":2,\"count\":24,"));
    // a tree marks each of them
    let two = compare_two(&a, &b, &["t0".into(), "t0".into()]).unwrap();
    let mut paper = Paper::new(100, Ink::Black);
    text::two(&mut paper, [&a, &b], &two);
    assert_eq!(paper.text().matches("✗ new").count(), 24, "{}", paper.text());
}

#[test]
fn what_a_client_says_of_itself_on_a_new_connection_is_no_difference() {
    let said: Hop = ("orders", "redis", "CLIENT SETINFO", "ERR", 1, false);
    let (a, mut b) = (run(&[(GOOD, &[])]), run(&[(&[GOOD, &[said]].concat(), &[said])]));
    assert_eq!(told(&compare(&a, &b)).len(), 2, "of a protocol that has no such word");
    let flows: Vec<_> = b.story.flows().filter(|flow| flow.operation == said.2).cloned().collect();
    flows.into_iter().for_each(|flow| b.story.remember(Brief { protocol: "redis", ..flow }));
    assert_eq!(told(&compare(&a, &b)), [""; 0]);
}

#[test]
fn who_began_a_trace_may_be_called_otherwise_in_the_other_run() {
    let page = |who, ms| {
        let hops = [(who, "gateway", "GET /page", "200", ms, true), ("gateway", "shop", "GET /items", "200", 5, true)];
        run(&[(&hops, &[]), (&hops, &[])])
    };
    assert_eq!(told(&compare(&page("fan", 28), &page("fan2", 28))), [""; 0]);
    assert_eq!(told(&compare(&page("fan", 28), &page("fan2", 70))), ["slower fan → gateway GET /page Some(1)"; 2]);
}
