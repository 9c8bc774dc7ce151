mod beside;
mod carried;
mod given_up;
mod hidden;
mod once;

use crate::engine::Record;
use crate::engine::mesh::run;
use crate::model::TraceRecord;

/// The trees as text: flows in their order, each behind a point for each level and the first letter of what ties it.
fn check(lines: &[&str], wanted: &[&str]) {
    let tree = |trace: &TraceRecord| {
        let node = |node: &crate::model::Node| {
            let link = node.link.map_or("", |link| &link.word()[..1]);
            format!("{}{link}{}", ".".repeat(node.depth), node.flow.0)
        };
        trace.tree.iter().map(node).collect::<Vec<_>>().join(" ")
    };
    let records = run(lines);
    let traces = records.iter().filter_map(|record| if let Record::Trace(trace) = record { Some(tree(trace)) } else { None });
    assert_eq!(traces.collect::<Vec<_>>(), wanted, "{lines:#?}");
}

#[test]
fn a_flow_without_an_id_belongs_to_the_only_request_that_its_sender_was_at_work_on() {
    check(&["web>gate 1-90 id=t", "gate>orders 10-80 id=t", "orders>?db 20-30", "orders>?db 40-50"], &["1 .t2 ..s3 ..s4"]);
    // a call that lost its header takes with it what it caused
    check(&["web>gate 1-90 id=t", "gate>orders 10-80", "orders>store 20-30"], &["1 .s2 ..s3"]);
    // a trace that began anew
    check(&["web>gate 1-90 id=t", "gate>orders 10-80 id=u", "orders>store 20-30 id=u"], &["1 .s2 ..t3"]);
}

#[test]
fn of_several_requests_none_is_claimed_without_a_word_of_it() {
    let two = ["web>gate 1-90 id=t", "web>gate 2-80 id=u", "gate>?db 20-30"];
    check(&two, &["1", "2"]);
    let by_value = ["web>gate 1-90 id=t body=order-4711", "web>gate 2-80 id=u body=order-4712", "gate>?db 20-30 body=order-4712"];
    check(&by_value, &["1", "2 .p3"]);
    let by_request = ["web>gate 1-90 id=t req=request-1", "web>gate 2-80 id=u req=request-2", "gate>store 20-30 req=request-2"];
    check(&by_request, &["1", "2 .r3"]);
    // a value of both tells neither from the other
    check(
        &["web>gate 1-90 id=t body=order-4711", "web>gate 2-80 id=u body=order-4711", "gate>?db 20-30 body=order-4711"],
        &["1", "2"],
    );
}

#[test]
fn a_message_is_found_again_behind_its_broker() {
    let one = ["web>gate 1-90 id=t", "gate>+mq 10-11 mid=m", "mq>-mail 20-40 mid=m", "mail>smtp 25-30"];
    check(&one, &["1 .s2 ..m3 ...s4"]);
    // two alike leave a queue in the order in which they came
    let two =
        ["web>gate 1-30 id=t", "gate>+mq 10-11", "web>gate 31-60 id=u", "gate>+mq 40-41", "mq>-mail 70-71", "mq>-mail 80-81"];
    check(&two, &["1 .s2 ..m5", "3 .s4 ..m6"]);
    // each queue's copy
    check(&["web>gate 1-90 id=t", "gate>+mq 10-11 mid=m", "mq>-mail 20-40 mid=m", "mq>-log 21-40 mid=m"], &["1 .s2 ..m3 ..m4"]);
}

#[test]
fn a_message_that_was_over_when_it_was_found_again_leaves_its_trace_open_no_longer() {
    let rest = ["mq>-mail 20-40 mid=m", "mail>smtp 25-30 id=t"];
    // settled before another flow, behind one that settled earlier, and behind the delivery
    for first in [&["gate>+mq 10-11 mid=m"][..], &["gate>+mq 10-15 mid=m", "web>other 11-12"], &["gate>+mq 10-45 mid=m"]] {
        let records = run(&[first, &rest].concat());
        let traces = records.iter().filter_map(|record| if let Record::Trace(trace) = record { Some(trace) } else { None });
        let told: Vec<_> = traces.map(|trace| (trace.tree.len(), trace.complete)).collect();
        assert_eq!(told, [(3, true)], "{first:?}");
    }
}

#[test]
fn what_a_service_sends_by_itself_is_nobodys() {
    let polls: Vec<String> = (0..9).map(|n| format!("gate>feed {}-{} op=poll", n * 100, n * 100 + 5)).collect();
    let mut lines: Vec<&str> = polls.iter().map(String::as_str).collect();
    lines.extend(["web>gate 790-890 id=t", "gate>?db 795-796"]);
    check(&lines, &["9 .s10"]);
    // also where each is of something else
    let polls: Vec<String> = (0..9).map(|n| format!("gate>feed {}-{} op=poll_/of/cust-0004{n}", n * 100, n * 100 + 5)).collect();
    let mut lines: Vec<&str> = polls.iter().map(String::as_str).collect();
    lines.extend(["web>gate 790-890 id=t", "gate>?db 795-796"]);
    check(&lines, &["9 .s10"]);
}

#[test]
fn nameless_services_are_tied_by_time_and_told_so() {
    let local = |tail: &str| format!("127.0.0.1:{tail}");
    let (a, b, c) =
        (local("5001>127.0.0.1:80 1-90 id=t"), local("5002>127.0.0.1:81 10-80 id=t"), local("5003>?127.0.0.1:82 20-30"));
    // once is no proof of whose it is
    check(&[&a, &b, &c], &["1 .t2"]);
    let thrice = |apart: u64| -> Vec<String> {
        let one = |n: u64| {
            let at = n * apart;
            let id = format!("id=t{n}");
            [
                local(&format!("5001>127.0.0.1:80 {}-{} {id}", at + 1, at + 90)),
                local(&format!("5002>127.0.0.1:81 {}-{} {id}", at + 10, at + 80)),
                local(&format!("5003>?127.0.0.1:82 {}-{}", at + 20, at + 30)),
            ]
        };
        (0..3).flat_map(one).collect()
    };
    let mesh = thrice(2000);
    check(&mesh.iter().map(String::as_str).collect::<Vec<_>>(), &["1 .t2", "4 .t5", "7 .t8 ..t9"]);
    // who is sent news acts on them as well as who sends them
    let news: Vec<_> = thrice(2000).iter().map(|line| line.replace(":81 ", ":81 media=text/event-stream ")).collect();
    let news: Vec<_> = news
        .iter()
        .map(|line| match line.split_once(" media=text/event-stream ") {
            Some((ends, rest)) => format!("{ends} {rest} media=text/event-stream"),
            None => line.clone(),
        })
        .collect();
    check(&news.iter().map(String::as_str).collect::<Vec<_>>(), &["1 .t2", "4 .t5", "7 .t8"]);
    // of services that are at work all the time anything is sent meanwhile
    let mesh = thrice(100);
    check(&mesh.iter().map(String::as_str).collect::<Vec<_>>(), &["1 .t2", "4 .t5", "7 .t8"]);
    // two requests at once: no one can tell
    let d = local("5004>127.0.0.1:80 2-95 id=u");
    check(&[&a, &d, &b, &c], &["1 .t3", "2"]);
    // what carries a trace of its own is tied by a value, unless the like of it is sent because of nothing, too
    let own = |begin: u64, id: &str| local(&format!("5003>127.0.0.1:82 {begin}-{} {id} body=tea-11111", begin + 10));
    let asked = local("5001>127.0.0.1:80 101-190 id=t body=tea-11111");
    check(&[&asked, &own(120, "id=v")], &["1 .p2"]);
    check(&[&own(20, "id=u"), &asked, &own(120, "id=v")], &["1", "2", "3"]);
    check(&[&own(20, "id=u"), &asked, &own(120, "op=GET_/other id=v")], &["1", "2 .p3"]);
    // a service a host is one without a name
    check(&["10.0.0.9:5>10.0.0.1:80 1-90 id=t", "10.0.0.1:6>?10.0.0.2:82 20-30"], &["1 .s2"]);
}

#[test]
fn a_value_of_both_copies_of_a_message_is_of_neither_consumer() {
    let local = |tail: &str| format!("127.0.0.1:{tail} body=order-4711");
    let deliver = |queue: &str, port: u16, at: u64| local(&format!("80>-127.0.0.1:{port} {at}-{} id=t queue={queue}", at + 40));
    let publish = local("5001>+127.0.0.1:80 10-11 id=t");
    let (ship, bill, query) = (deliver("ship", 6001, 20), deliver("bill", 6002, 21), local("7001>?127.0.0.1:82 30-35"));
    check(&[&publish, &bill, &query], &["1 .t2 ..p3"]);
    check(&[&publish, &ship, &bill, &query], &["1 .t2 .t3"]);
    // nor of whom one of them asked
    let asked = local("7002>127.0.0.1:83 25-50");
    check(&[&publish, &ship, &bill, &asked, &query], &["1 .t2 .t3"]);
    check(&[&publish, &bill, &asked, &query], &["1 .t2 ..p3 ...t4"]);
    // unless all that came by the connection before is of one of them
    let alone = |n: u64| {
        let (at, body) = (n * 1000, format!("id=t{n} body=order-470{n}"));
        [
            format!("127.0.0.1:5001>+127.0.0.1:80 {}-{} {body}", at + 1, at + 2),
            format!("127.0.0.1:80>-127.0.0.1:6002 {}-{} queue=bill {body}", at + 3, at + 40),
            format!("127.0.0.1:7001>?127.0.0.1:82 {}-{} {body} conn=7", at + 10, at + 20).replace(&format!("id=t{n} "), ""),
        ]
    };
    let later = |line: &str| {
        let [ends, times, rest] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let (from, to) = times.split_once('-').unwrap();
        format!("{ends} 90{from}-90{to} {rest}")
    };
    let all: Vec<_> = (1..4).flat_map(alone).chain([publish, ship, bill, query + " conn=7"].map(|line| later(&line))).collect();
    check(&all.iter().map(String::as_str).collect::<Vec<_>>(), &["1 .t2 ..p3", "4 .t5 ..p6", "7 .t8 ..p9", "10 .t11 .t12 ..t13"]);
}

#[test]
fn a_process_that_is_not_known_may_be_the_one_that_sent_it() {
    let two = |first: &str, second: &str| {
        let [one, other] = ["id=t body=order-4711", "id=u body=order-4712"];
        let asked = [format!("web>gate 1-90 {one}{first}"), format!("web>gate 2-80 {other}{second}")];
        asked.into_iter().chain(["gate>store 20-30 body=order-4711 by=7".into()]).collect::<Vec<_>>()
    };
    let told = |lines: &[String], wanted: &[&str]| check(&lines.iter().map(String::as_str).collect::<Vec<_>>(), wanted);
    told(&two("", " to=7"), &["1 .p3", "2"]);
    told(&two(" to=7", ""), &["1 .p3", "2"]);
    // another one is not
    told(&two(" to=8", " to=7"), &["1", "2 .s3"]);
}

#[test]
fn messages_alike_of_one_trace_are_told_apart_by_their_order() {
    let told = |first: &str, second: &str, wanted: &str| {
        let publish = ["gate>+mq 10-11 id=t span=1", "gate>+mq 13-14 id=t span=1"];
        check(&["web>gate 1-90 id=t", publish[0], publish[1], first, second], &[wanted]);
    };
    told("mq>-mail 20-60 id=t span=1", "mq>-mail 22-61 id=t span=1", "1 .t2 ..m4 .t3 ..m5");
    // also where the second is done with first
    told("mq>-mail 20-60 id=t span=1", "mq>-mail 22-40 id=t span=1", "1 .t2 ..m4 .t3 ..m5");
    // and where an ID tells of the first
    told("mq>-mail 12-60 id=t span=1", "mq>-mail 22-40 id=t span=1", "1 .t2 ..t3 .t4 ..m5");
}

#[test]
fn who_sends_by_a_connection_is_learned_of_all_that_is_sent_by_it() {
    let asked = |at: u64, port: u16, id: &str| format!("127.0.0.1:5001>127.0.0.1:{port} {}-{} {id}", at + 1, at + 90);
    let query = |at: u64, conn: u16| format!("127.0.0.1:60{conn}>?127.0.0.1:82 {}-{} conn={conn}", at + 20, at + 30);
    let mut mesh: Vec<_> = (0..6).map(|n| (n * 2000, [81, 83][n as usize % 2])).collect();
    let lines = |mesh: &[(u64, u16)]| -> Vec<String> {
        mesh.iter().flat_map(|&(at, port)| [asked(at, port, &format!("id=t{at}")), query(at, port)]).collect()
    };
    let told = |lines: &[String], wanted: &[&str]| check(&lines.iter().map(String::as_str).collect::<Vec<_>>(), wanted);
    told(&lines(&mesh), &["1", "3", "5", "7", "9 .t10", "11 .t12"]);
    // beside another one's request
    let (one, other) = (asked(12_000, 81, "id=x"), asked(12_005, 83, "id=y"));
    let all = ["1", "3", "5", "7", "9 .t10", "11 .t12", "13 .t15", "14"];
    told(&[&lines(&mesh)[..], &[one, other, query(12_000, 81)]].concat(), &all);
    // one connection of both is of neither
    mesh.iter_mut().for_each(|(_, port)| *port = 81);
    let both = lines(&mesh).into_iter().enumerate().map(|(n, line)| if n % 4 == 0 { line.replace(":81", ":83") } else { line });
    told(&both.collect::<Vec<_>>(), &["1", "3", "5", "7", "9", "11"]);
}

#[test]
fn a_request_id_beside_a_tracers_makes_one_trace_of_both() {
    check(&["web>gate 1-90 id=t req=request-1", "gate>store 20-30 req=request-1"], &["1 .r2"]);
    // one that two traces carry tells nothing
    let two = ["web>gate 1-9 id=t req=constant", "web>gate 20-30 id=u req=constant", "web>gate 40-50 req=constant"];
    check(&two, &["1", "2", "3"]);
}

#[test]
fn a_statement_that_is_passed_on_to_the_letter_is_because_of_that_very_one() {
    let through = |inner: &str, outer: &str| {
        let ask = format!("gate>?relay {outer} body=order-4711");
        [String::from("web>gate 1-90 id=t"), ask, inner.to_owned(), "gate>?cache 40-41 body=order-4711".into()]
    };
    let told = |inner: &str, outer: &str, wanted: &str| {
        check(&through(inner, outer).iter().map(String::as_str).collect::<Vec<_>>(), &[wanted]);
    };
    told("relay>?db 11-29 body=order-4711", "10-30", "1 .s2 ..p3 .s4");
    told("relay>?db 11-29 body=select", "10-30", "1 .s2 .s4");
    told("relay>?db 11-31 body=order-4711", "10-30", "1 .s2 .s4");
    told("relay>?db 17-29 body=order-4711", "10-30", "1 .s2 .s4");
    told("other>?db 11-29 body=order-4711", "10-30", "1 .s2 .s4");
    let lines = through("relay>?db 11-29 body=order-4711", "10-30");
    let records = run(&lines.each_ref().map(String::as_str));
    let tree = records.iter().find_map(|record| if let Record::Trace(trace) = record { Some(&trace.tree) } else { None });
    let legs: Vec<_> = tree.unwrap().iter().filter(|node| node.leg).map(|node| node.flow.0).collect();
    assert_eq!(legs, [3], "one statement, and its way");
    // a value that looks like no ID is as good where the relay is known
    check(&["web>gate 1-90 id=t", "gate>?relay 10-30 body=all", "relay>?db 11-29 body=all"], &["1 .s2 ..s3"]);
    // two alike at once
    let two = ["gate>?relay 10-30 body=all", "gate>?relay 10-30 body=all", "relay>?db 11-29 body=all"];
    check(&[&["web>gate 1-90 id=t"][..], &two].concat(), &["1 .s2 .s3"]);
    // nobody knows who sends
    let local = ["127.0.0.1:5001>?127.0.0.1:81 10-30 body=all", "127.0.0.1:5002>?127.0.0.1:82 11-29 body=all"];
    check(&[&["web>gate 1-90 id=t"][..], &local].concat(), &["1"]);
}

#[test]
fn a_message_that_is_passed_on_to_the_letter_is_one() {
    let through = |into: &str, out: &str| {
        let all = ["web>gate 1-90 id=t", "gate>+in 10-30 mid=m", into, "mq>-out 40-80 mid=m", out, "mail>smtp 50-60"];
        all.map(str::to_owned)
    };
    let told = |into: &str, out: &str, wanted: &str| {
        check(&through(into, out).iter().map(String::as_str).collect::<Vec<_>>(), &[wanted]);
    };
    told("in>+mq 11-29 mid=m", "out>-mail 41-79 mid=m", "1 .s2 ..m3 ...m4 ....m5 .....s6");
    // by nobody who was sent it, another one, too late, longer than that one lasted, or to the same broker
    for into in
        ["other>+mq 11-29 mid=m", "in>+mq 11-29 mid=n", "in>+mq 16-29 mid=m", "in>+mq 11-31 mid=m", "gate>+in 11-29 mid=m"]
    {
        let records = run(&through(into, "out>-mail 41-79 mid=m").each_ref().map(String::as_str));
        let traces = records.iter().filter_map(|record| if let Record::Trace(trace) = record { Some(trace) } else { None });
        let legs: Vec<_> = traces.flat_map(|trace| &trace.tree).filter(|node| node.leg).map(|node| node.flow.0).collect();
        assert_eq!(legs, [5], "{into}");
    }
    // nobody knows who sends: by a value alone
    let local = |body: &str| {
        let records = run(&[
            "web>gate 1-90 id=t",
            &format!("127.0.0.1:5001>+127.0.0.1:81 10-30 body={body} id=t"),
            &format!("127.0.0.1:5002>+127.0.0.1:82 11-29 body={body} id=t"),
        ]);
        let trees = records.iter().filter_map(|record| if let Record::Trace(trace) = record { Some(&trace.tree) } else { None });
        trees.flatten().filter(|node| node.leg).count()
    };
    assert_eq!((local("all"), local("order-4711")), (0, 1));
}

#[test]
fn nothing_is_because_of_a_reply() {
    let asked = |back: &str| {
        let question = format!("gate>+mq 10-11 id=t mid=q corr=c{back}");
        let all = [
            "web>gate 1-90 id=t",
            &question,
            "mq>-bank 12-20 id=t mid=q corr=c back=r status=ack",
            "bank>+mq 18-19 id=t mid=a corr=c",
            "mq>-gate 21-22 id=t mid=a corr=c status=auto",
            "gate>store 30-40 id=t",
            "gate>?db 50-60",
        ];
        let mut told = String::new();
        for record in run(&all) {
            if let Record::Trace(trace) = record {
                told = trace.tree.iter().map(|node| format!("{}{} ", node.depth, node.flow.0)).collect();
            }
        }
        told
    };
    assert_eq!(asked(" back=r"), "01 12 23 34 45 16 17 ");
    // a message that comes back is none
    assert_eq!(asked(""), "01 12 23 34 45 56 ");
}

#[test]
fn what_was_worked_on_is_found_whatever_ended_before_it() {
    // a message that nobody says anything of, taken in before what ended sooner
    check(
        &["web>gate 1-90 id=t", "mq>-gate 5-6 id=u mid=m status=auto", "web>gate 10-15", "gate>?db 200-210 body=order-4711"],
        &["1", "2 .s4"],
    );
}

#[test]
fn who_sends_news_for_long_does_not_hide_what_else_is_worked_on() {
    let stream = "web>gate 1-5000 id=t media=text/event-stream";
    check(&[stream, "web>gate 2000-2090 id=u", "gate>?db 2020-2030"], &["1", "2 .s3"]);
    // what is sent while only news are is sent by itself
    check(&[stream, "gate>?db 1500-1510", "web>gate 2000-2090 id=u", "gate>?db 2020-2030"], &["1", "3"]);
}

#[test]
fn of_a_consumer_that_never_says_when_it_is_done_the_last_messages_count() {
    let mut lines: Vec<String> = (0..40).map(|n| format!("mq>-mail {}- id=t{n} mid=m{n}", n * 2000 + 1)).collect();
    lines.push("mail>smtp 78500-78600".to_owned());
    let mut wanted: Vec<String> = (1..=40).map(|n| n.to_string()).collect();
    wanted[39] = "40 .s41".to_owned();
    let [lines, wanted] = [&lines, &wanted].map(|list| list.iter().map(String::as_str).collect::<Vec<_>>());
    check(&lines, &wanted);
}
