//! What it costs a flow to be stitched: an engine alone is fed events, of flows that carry an ID or have to be
//! placed, and with as many that are neither. The difference is stitching's; with findings and traces told, it is that of all who look at
//! what was tied, too.

#[path = "log.rs"]
mod log;

use log::{Log, turn};
use meshtop::engine::{Engine, EngineOptions, Wants};
use meshtop::model::{Pattern, Scope};
use rustix::time::{ClockId, clock_gettime};
use std::ops::Range;
use std::time::Duration;

/// How many requests there are, and how often all are taken in: the fastest time counts.
const REQUESTS: u64 = 20_000;
const ROUNDS: usize = 5;
/// How many flows a request causes.
const CAUSED: u64 = 3;
/// Of how many events a turn is at least.
const TURN: usize = 512;

/// What the flows are that a request causes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caused {
    /// Calls that carry its ID.
    Calls,
    /// Statements, which carry none.
    Statements,
    /// What is nobody's cause and has none.
    Messages,
}

/// What the request is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    WithId,
    Message,
}

pub fn print() {
    let flows = REQUESTS * (1 + CAUSED);
    println!("cost of a flow, of {flows}, in ns          stitched   and findings looked for, traces told");
    let cost =
        |asked, caused, at_once| [false, true].map(|told| time(asked, caused, at_once, told).as_nanos() / u128::from(REQUESTS));
    let nothing = cost(Asked::Message, Caused::Messages, 1).map(|all| all / u128::from(1 + CAUSED));
    let line = |what: &str, [stitched, told]: [u128; 2]| println!("{what:<42} {stitched:>8} {told:>14}");
    line("one that is not stitched", nothing);
    let with_ids = cost(Asked::WithId, Caused::Calls, 1);
    let more = |at: usize| (with_ids[at] / u128::from(1 + CAUSED)).saturating_sub(nothing[at]);
    line("more for one that carries an ID", [more(0), more(1)]);
    for (at_once, what) in [(1, "one request at a time"), (100, "a hundred at once")] {
        let [placed, not] = [Caused::Statements, Caused::Messages].map(|caused| cost(Asked::WithId, caused, at_once));
        let more = |at: usize| placed[at].saturating_sub(not[at]) / u128::from(CAUSED);
        line(&format!("more for one to be placed, {what}"), [more(0), more(1)]);
    }
    println!();
}

/// How long an engine takes for all of it; `told` is whether findings and traces are read. Each turn is made right before it is taken in,
/// as decoders do, which is not counted.
fn time(asked: Asked, caused: Caused, at_once: u64, told: bool) -> Duration {
    let rounds = (0..ROUNDS).map(|_| {
        let names = [(1, "gateway"), (2, "orders"), (3, "database")];
        let names = names.map(|(host, name)| (Scope::Ip([10, 0, 0, host].into()), name.into())).to_vec();
        let wants = Wants { flows: true, connections: false, traces: told, findings: told };
        let mut engine = Engine::new(EngineOptions { keep: false, wants, names, ..EngineOptions::default() });
        let (mut log, mut records, mut all) = (Log::default(), 0, Duration::ZERO);
        began(&mut log, at_once);
        for first in (0..REQUESTS).step_by(at_once as usize) {
            requests(&mut log, first..first + at_once, asked, caused);
            if log.events.len() >= TURN || first + at_once >= REQUESTS {
                let turn = turn(std::mem::take(&mut log.events));
                let start = ran();
                engine.take(turn, &mut |_| records += 1);
                all += ran() - start;
            }
        }
        assert!(records > 0);
        all
    });
    rounds.min().unwrap_or_default()
}

/// For how long this thread has run, so that a busy machine tells little less.
fn ran() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

/// The connections of so many requests at once: those on which the gateway is asked, and those on which it asks.
fn began(log: &mut Log, at_once: u64) {
    for c in 0..at_once {
        log.began(2 * c, [9, 1]);
        log.began(2 * c + 1, [1, 2]);
    }
}

/// These overlap: the gateway is asked, and asks meanwhile, one after the other.
fn requests(log: &mut Log, all: Range<u64>, asked: Asked, caused: Caused) {
    let id = (asked == Asked::WithId).then_some(0);
    let requests: Vec<_> = all.clone().map(|n| log.open(2 * (n - all.start), n, id, asked_as(asked))).collect();
    for step in 0..CAUSED {
        let id = (caused == Caused::Calls).then_some(step + 1);
        let calls: Vec<_> = all.clone().map(|n| log.open(2 * (n - all.start) + 1, n, id, caused_as(caused))).collect();
        calls.into_iter().for_each(|flow| log.close(flow, "200"));
    }
    requests.into_iter().for_each(|flow| log.close(flow, "200"));
}

fn asked_as(asked: Asked) -> (&'static str, Pattern) {
    match asked {
        Asked::WithId => ("http", Pattern::RequestResponse),
        Asked::Message => ("websocket", Pattern::Message),
    }
}

fn caused_as(caused: Caused) -> (&'static str, Pattern) {
    match caused {
        Caused::Calls => ("http", Pattern::RequestResponse),
        Caused::Statements => ("postgresql", Pattern::Query),
        Caused::Messages => ("websocket", Pattern::Message),
    }
}
