//! Calls that go wrong: retries, cascades, slow and silent services, and a question that is asked too often.

use super::mesh::Mesh;
use super::mesh::call::{Answer, Call, MS};
use super::mesh::tracer::Sends;
use super::shop::{Shop, Who, order};
use super::{Expected, Scenario, finding};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "retry", play: retry },
    Scenario { name: "retry storm", play: storm },
    Scenario { name: "retries that wait longer each time", play: backs_off },
    Scenario { name: "error cascade", play: cascade },
    Scenario { name: "error cascade, shown by the first attempt", play: first_attempt },
    Scenario { name: "unanswered", play: unanswered },
    Scenario { name: "unanswered, now and then", play: now_and_then },
    Scenario { name: "slow database", play: slow },
    Scenario { name: "slow database, below a second", play: slower },
    Scenario { name: "slow database, whose is not known", play: nobodys },
    Scenario { name: "n plus one", play: n_plus_one },
];

const CALLS: u64 = 3;
/// Attempts that nobody would call a retry any more.
const ATTEMPTS: u64 = 12;
/// Like statements that nobody would write one by one.
const ROWS: u64 = 40;

/// The gateway asks once more where orders fails, and that is that: nothing to find.
fn retry() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let place = Call::http(shop.orders, "POST", "/orders").id(order(n));
        let attempts = [place.clone().answers(Answer::Bad(503)), place.after(20 * MS)];
        let call = Call::http(shop.gateway, "POST", "/checkout").id(order(n)).calls(attempts);
        shop.mesh.run(MS + n * 100 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![])
}

/// The gateway asks again and again without waiting, and gives something else in the end: a storm each time.
fn storm() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let place = Call::http(shop.orders, "POST", "/orders").id(order(n)).answers(Answer::Bad(503));
        let call = Call::http(shop.gateway, "POST", "/checkout").id(order(n)).calls((0..ATTEMPTS).map(|_| place.clone()));
        shop.mesh.run(MS + n * 200 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![finding("retry_storm", shop.gateway, CALLS)])
}

/// Checkouts as always, and some in which orders fails three times, before each of which the gateway waits twice as long: nothing to find.
fn backs_off() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..20 + CALLS {
        let place = Call::http(shop.orders, "POST", "/orders").id(order(n));
        let bad = || place.clone().answers(Answer::Bad(503));
        let attempts = [bad(), bad().after(100 * MS), bad().after(200 * MS), place.clone().after(400 * MS)];
        let call = Call::http(shop.gateway, "POST", "/checkout").id(order(n));
        let call = if n < 20 { call.calls([place.clone()]) } else { call.calls(attempts) };
        shop.mesh.run(MS + n * 1000 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![])
}

/// Billing fails, and so orders fails, and so the gateway: one cause, not three.
fn cascade() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let charge = Call::grpc(shop.billing, "/shop.v1.Billing/Charge").id(order(n)).answers(Answer::Bad(14));
        let place = Call::http(shop.orders, "POST", "/orders").id(order(n)).answers(Answer::Bad(500)).calls([charge]);
        let call = Call::http(shop.gateway, "POST", "/checkout").id(order(n)).answers(Answer::Bad(500)).calls([place]);
        shop.mesh.run(MS + n * 100 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![finding("error_cascade", shop.billing, CALLS)])
}

/// The gateway asks orders twice, which fails at once the second time, as billing failed the first time: that is where it begins.
fn first_attempt() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let charge = Call::grpc(shop.billing, "/shop.v1.Billing/Charge").id(order(n)).answers(Answer::Bad(14));
        let again = Call::http(shop.orders, "POST", "/orders").id(order(n)).answers(Answer::Bad(500));
        let attempts = [again.clone().calls([charge]), again.after(20 * MS)];
        let call = Call::http(shop.gateway, "POST", "/checkout").id(order(n)).answers(Answer::Bad(500)).calls(attempts);
        shop.mesh.run(MS + n * 200 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![finding("error_cascade", shop.billing, CALLS)])
}

/// Billing takes one call of eight and never answers; orders gives up after 700 ms, where it has the others' answers at once.
fn now_and_then() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..8 * CALLS {
        let charge = Call::http(shop.billing, "POST", "/charges").id(order(n));
        let charge = if n % 8 == 7 { charge.works(350 * MS).answers(Answer::Never) } else { charge };
        let place = Call::http(shop.orders, "POST", "/orders").id(order(n)).calls([charge]);
        let call = Call::http(shop.gateway, "POST", "/checkout").id(order(n)).calls([place]);
        shop.mesh.run(MS + n * 1000 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![finding("unanswered", shop.billing, CALLS)])
}

/// Billing takes a call and never answers; orders gives up after five seconds and goes on without.
fn unanswered() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let charge = Call::http(shop.billing, "POST", "/charges").id(order(n)).works(2500 * MS).answers(Answer::Never);
        let place = Call::http(shop.orders, "POST", "/orders").id(order(n)).calls([charge]);
        let call = Call::http(shop.gateway, "POST", "/checkout").id(order(n)).calls([place]);
        shop.mesh.run(MS + n * 8000 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![finding("unanswered", shop.billing, CALLS)])
}

/// Twenty checkouts as always, then some in which one statement takes most of the time.
fn slow() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..20 + CALLS {
        let row = shop.row(&order(n)).works(if n < 20 { MS } else { 900 * MS });
        let charge = Call::grpc(shop.billing, "/shop.v1.Billing/Charge").id(order(n)).calls([row]);
        let call = Call::http(shop.gateway, "POST", "/checkout").id(order(n)).calls([charge]);
        shop.mesh.run(MS + n * 3000 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![finding("slow_hop", shop.database, CALLS)])
}

/// Some checkouts as always, and one in which a statement takes 400 ms.
fn slower() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..2 * CALLS {
        let row = shop.row(&order(n)).works(if n == 4 { 200 * MS } else { 2 * MS });
        let charge = Call::grpc(shop.billing, "/shop.v1.Billing/Charge").id(order(n)).calls([row]);
        let call = Call::http(shop.gateway, "POST", "/checkout").id(order(n)).calls([charge]);
        shop.mesh.run(MS + n * 600 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![finding("slow_hop", shop.database, 1)])
}

/// Of two requests at once billing asks the database for something that says nothing of which: it waits, and is not slow itself.
fn nobodys() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..2 * CALLS {
        let rows = Call::sql(shop.database, "SELECT id FROM prices", &[]).works(900 * MS);
        let charge = Call::grpc(shop.billing, "/shop.v1.Billing/Charge").calls([rows]);
        let call = Call::http(shop.gateway, "POST", "/checkout").calls([charge]);
        shop.mesh.run(MS + n / 2 * 3000 * MS + n % 2 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![])
}

/// Orders asks for the rows of one request one by one, by statements that differ in their values alone.
fn n_plus_one() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let all = Call::sql(shop.database, format!("SELECT id FROM items WHERE cart = {n}"), &[]);
        let row = |row| Call::sql(shop.database, format!("SELECT price FROM items WHERE id = {row}"), &[]).works(MS / 4);
        let rows = std::iter::once(all).chain((0..ROWS).map(|at| row(n * ROWS + at)));
        let list = Call::http(shop.orders, "GET", format!("/orders/{n}")).calls(rows);
        let call = Call::http(shop.gateway, "GET", format!("/orders/{n}")).calls([list]);
        shop.mesh.run(MS + n * 500 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![finding("n_plus_one", shop.orders, CALLS)])
}
