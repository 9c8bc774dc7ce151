//! What the screen looks like: each test one or some files under `tests/snapshots/tui`.

use super::rig::{Rig, golden};
use super::sample::{party, row};
use crate::engine::view::{SourceStatus, Status};
use crate::model::{Dir, Pattern, State, TraceNo};
use crate::schema::Offer;
use crate::tui::effect::Effect;
use crate::tui::keymap::Keymap;
use crate::tui::port::Command;
use crate::tui::theme::Palette;

#[test]
fn the_list_follows() {
    for (width, height) in [(80, 24), (100, 20), (200, 50)] {
        let mut rig = Rig::new(width, height);
        rig.arrive(60);
        rig.golden(&format!("list-{width}x{height}.txt"));
    }
}

#[test]
fn palettes() {
    for (palette, name) in [(Palette::Dark, "dark"), (Palette::Light, "light"), (Palette::Mono, "mono")] {
        let mut rig = Rig::with(80, 24, |o| o.palette = palette);
        rig.engine.status.kernel_drops = 12;
        rig.arrive(12);
        rig.press("up enter tab tab");
        golden(&format!("palette-{name}.txt"), &rig.styled());
    }
}

#[test]
fn before_the_first_word_of_the_engine() {
    Rig::new(80, 24).golden("opening.txt");
}

#[test]
fn every_tab_of_an_open_flow() {
    for (width, height) in [(80, 24), (120, 30), (200, 50)] {
        let mut rig = Rig::new(width, height);
        rig.arrive(60);
        rig.press("enter");
        for tab in ["overview", "headers", "body", "hex"] {
            rig.golden(&format!("detail-{tab}-{width}x{height}.txt"));
            rig.press("tab");
        }
    }
}

#[test]
fn an_open_flow_on_the_whole_screen_scrolls() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(9);
    rig.press("enter tab tab tab \\ pagedown j");
    rig.golden("detail-whole.txt");
}

#[test]
fn the_filter_line() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(24);
    rig.engine.matches = Some(|flow| !flow.row.ok);
    rig.press("/");
    rig.golden("filter-empty.txt");
    rig.write("proto == ");
    rig.golden("filter-invalid.txt");
    rig.write("http and not ok");
    rig.golden("filter-valid.txt");
    rig.press("enter");
    rig.golden("filter-applied.txt");
    rig.press("/");
    rig.write(&" or status == 500".repeat(6));
    rig.golden("filter-long.txt");
}

#[test]
fn what_could_not_be_searched_is_counted_where_there_is_room() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(24_000);
    rig.engine.matches = Some(|flow| !flow.row.ok);
    rig.engine.unseen = 7_637;
    let mut line = |text: &str| {
        rig.press("/ ctrl-u");
        rig.write(text);
        rig.press("enter");
        rig.screen().lines().nth(1).unwrap().to_owned()
    };
    assert!(line("body contains hi").ends_with("8,000 of 24,000 match, 7,637 not searched: evicted"));
    assert!(line("body contains hi or not ok").ends_with(" 8,000 of 24,000 match, 7,637 not searched"));
    assert!(line(&"body contains hi or ".repeat(4)).ends_with(" 8,000 of 24,000 match"));
}

#[test]
fn a_filter_that_is_wrong_shows_where() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(1);
    rig.press("/");
    rig.write("status >=");
    golden("filter-wrong-styled.txt", &rig.styled());
}

#[test]
fn help_is_whole_at_every_size() {
    let mut rig = Rig::new(80, 24);
    rig.press("?");
    rig.golden("help-80x24.txt");
    rig.press("G");
    rig.golden("help-80x24-end.txt");
    let mut rig = Rig::new(200, 50);
    rig.press("?");
    rig.golden("help-200x50.txt");
}

#[test]
fn the_readme_has_the_keys() {
    golden("keys.md", &Keymap::default().markdown());
}

#[test]
fn counters() {
    let mut rig = Rig::new(80, 24);
    rig.engine.status.kernel_drops = 17;
    rig.engine.status.evicted = 1_234;
    rig.engine.status.capture_filter = Some("tcp port 8080".into());
    rig.engine.status.sources[1].closed = Some("went away".into());
    rig.arrive(3);
    rig.press("6");
    rig.golden("stats-80x24.txt");
    rig.press("G");
    rig.golden("stats-80x24-end.txt");
}

#[test]
fn a_long_status_takes_its_room_from_the_operation_of_its_row() {
    for (width, height) in [(80, 24), (100, 20)] {
        let mut rig = Rig::new(width, height);
        rig.push(9);
        let names = ["NOT_FOUND", "UNAVAILABLE", "DEADLINE_EXCEEDED", "FAILED_PRECONDITION", "OK"];
        for (row, status) in rig.engine.flows.iter_mut().zip(names) {
            let flow = &mut row.flow.row;
            (flow.pattern, flow.protocol) = (Pattern::Unary, "grpc");
            flow.operation = "/shop.inventory.v1.Inventory/Reserve".into();
            (flow.status, flow.ok) = (Some(status.into()), status == "OK");
        }
        rig.show();
        for status in ["NOT_FOUND ✗", "UNAVAILABLE ✗", "DEADLINE_EXCEEDED ✗", "FAILED_PRECONDITION ✗"] {
            assert!(rig.screen().contains(status), "{status}: {}", rig.screen());
        }
        rig.golden(&format!("list-statuses-{width}x{height}.txt"));
    }
}

#[test]
fn losses_and_warnings_are_told() {
    let mut rig = Rig::new(80, 24);
    let status = &mut rig.engine.status;
    (status.kernel_drops, status.own_drops, status.gaps, status.decode_errors) = (12, 3, 4, 1);
    (status.undecoded_bytes, status.evicted) = (9_000, 12_345);
    status.warning = Some("docker0 went away".into());
    rig.arrive(3);
    rig.golden("losses-80x24.txt");
    rig.app.size = (200, 12);
    rig.golden("losses-200x12.txt");
}

#[test]
fn what_is_wrong_with_descriptors_is_told() {
    let mut rig = Rig::new(80, 24);
    let problem =
        |file: &str| format!("protos/{file}.proto:3:3: type 'strin' was not found; what was read before stays in force");
    rig.engine.status.problems = [problem("shop"), problem("stock")].into();
    rig.engine.status.warning = Some("docker0 went away".into());
    rig.arrive(3);
    assert!(rig.screen().contains("'strin' was not found (and 1 more: 6)"), "{}", rig.screen());
    rig.golden("problems.txt");
    rig.press("6 G");
    rig.golden("problems-counters.txt");
}

#[test]
fn descriptors_that_were_found_are_offered_where_they_would_be_used() {
    let offer = |path: &str, files| Offer { path: path.into(), files };
    let mut rig = Rig::new(80, 24);
    rig.engine.status.offers = [offer("api", 11), offer("shop.protoset", 1)].into();
    rig.engine.status.capture_filter = None;
    rig.show();
    rig.golden("offer-empty.txt");
    rig.arrive(1);
    assert!(!rig.screen().contains("api"), "nobody needs them");
    rig.engine.flows[0].flow.row.pattern = Pattern::Unary;
    rig.show();
    rig.golden("offer.txt");
    let last = rig.screen().lines().last().unwrap().to_owned();
    assert!(["D reads 12 protos", "? help", "/ filter"].iter().all(|words| last.contains(words)), "{last}");
    rig.engine.unknown = true;
    rig.press("enter G");
    assert!(rig.screen().contains("hint             D reads its messages by api (11 files) and 1 more"), "{}", rig.screen());
    rig.press("D");
    assert!(matches!(rig.effects[..], [Effect::Send(Command::Accept)]), "{:?}", rig.effects);
    assert!(rig.screen().contains("reading api (11 files) and 1 more …"));
    rig.engine.status.offers = [].into();
    rig.show();
    rig.press("D");
    assert!(rig.effects.len() == 1 && rig.screen().contains("no descriptors to read"), "{}", rig.screen());
}

#[test]
fn why_there_is_nothing_to_see() {
    let lo = |packets| vec![SourceStatus { name: "lo".into(), closed: None, packets, tap: None }];
    let seen = |packets: u64, connections| Status {
        packets,
        bytes: packets * 90,
        connections,
        sources: lo(packets),
        ..Status::default()
    };
    let cases: [(&str, Status); 8] = [
        ("no-packet", seen(0, 0)),
        ("no-packet-filtered", Status { capture_filter: Some("tcp port 9999".into()), ..seen(0, 0) }),
        ("no-connection", seen(41, 0)),
        ("unknown-protocol", Status { unknown_connections: 3, undecoded_bytes: 81_920, kernel_drops: 2, ..seen(2_310, 3) }),
        ("no-request-yet", seen(2_310, 3)),
        ("file-without-packets", Status { ended: true, ..seen(0, 0) }),
        ("file-without-request", Status { ended: true, ..seen(77, 4) }),
        (
            "source-gone",
            Status {
                sources: vec![SourceStatus {
                    name: "veth7".into(),
                    closed: Some("the interface went away".into()),
                    packets: 9,
                    tap: None,
                }],
                ..seen(9, 1)
            },
        ),
    ];
    for (name, status) in cases {
        let mut rig = Rig::new(80, 24);
        rig.engine.status = status;
        rig.show();
        rig.golden(&format!("empty-{name}.txt"));
    }
    let mut rig = Rig::new(80, 24);
    rig.arrive(24);
    rig.press("z y");
    rig.golden("empty-forgotten.txt");
    let mut rig = Rig::new(80, 24);
    rig.arrive(2_431);
    rig.engine.matches = Some(|_| false);
    rig.press("/");
    rig.write("ok");
    rig.press("enter");
    rig.golden("empty-none-matches.txt");
    rig.engine.unseen = 437;
    rig.show();
    rig.golden("empty-none-searched-matches.txt");
    rig.engine.unseen = 0;
    rig.engine.searched = Some(34);
    rig.show();
    rig.golden("empty-searching.txt");
}

#[test]
fn a_file_that_is_read() {
    let mut rig = Rig::with(80, 24, |o| o.follow = false);
    rig.engine.status.sources = vec![SourceStatus { name: "incident.pcapng.zst".into(), closed: None, packets: 900, tap: None }];
    rig.engine.status.progress = Some((42 << 20, 100 << 20));
    rig.arrive(400);
    rig.golden("loading.txt");
    rig.engine.status.progress = Some((100 << 20, 100 << 20));
    rig.engine.status.ended = true;
    rig.arrive(400);
    rig.golden("loaded.txt");
}

#[test]
fn a_question() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(2_000);
    rig.press("z");
    rig.golden("question.txt");
}

#[test]
fn too_small() {
    Rig::new(39, 24).golden("too-small.txt");
    Rig::new(12, 2).golden("too-small-12x2.txt");
    let mut rig = Rig::new(40, 8);
    rig.arrive(9);
    rig.golden("smallest.txt");
    rig.press("enter tab");
    rig.golden("smallest-detail.txt");
    for (width, height) in [(1, 1), (40, 1), (1, 40)] {
        Rig::new(width, height).screen();
    }
}

#[test]
fn strange_flows_keep_the_columns() {
    let mut rig = Rig::new(100, 20);
    rig.push(6);
    let flows = &mut rig.engine.flows;
    flows[0].flow.row.operation = "POST /注文/サービス/とても長い/名前/です".into();
    flows[0].flow.client = party("10.0.0.7:51234", Some("注文サービス")).into();
    flows[1].flow.row.operation = "GET /👨‍👩‍👧/\x1b[2J\u{9b}31m".into();
    flows[1].flow.row.status = Some("NOT_FOUND_AT_ALL_ANYWHERE".into());
    (flows[2].flow.row.state, flows[2].flow.row.status, flows[2].flow.row.duration) = (State::Open, None, None);
    flows[3].flow.client = party("10.200.100.127:51234", None).into();
    flows[3].flow.server = party("[fd00::1:2:3:4]:8080", None).into();
    flows[3].flow.row.bytes = u64::MAX;
    (flows[4].flow.row.pattern, flows[4].flow.row.dir) = (Pattern::Deliver, Dir::ToClient);
    flows[4].flow.row.protocol = "postgresql";
    flows[4].trace = Some((TraceNo(9), 123_456));
    flows[5].flow.row.status = None;
    rig.show();
    rig.golden("strange.txt");
}

#[test]
fn huge_numbers_keep_the_lines() {
    let mut rig = Rig::new(80, 24);
    rig.engine.status =
        Status { packets: u64::MAX, flows: u64::MAX, rate: u64::MAX, kernel_drops: u64::MAX / 2, ..rig.engine.status };
    rig.engine.flows = (1..=100_000).map(row).collect();
    rig.show();
    rig.press("up");
    rig.engine.flows.extend((100_001..=150_000).map(row));
    rig.show();
    rig.golden("huge.txt");
}
