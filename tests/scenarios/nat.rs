//! Connections whose addresses a kernel changes, captured on both sides: published ports, containers that call out, both at once. Each
//! request and each message is there twice, and is one.

use super::mesh::amqp::Outcome;
use super::mesh::call::{Answer, Call, Delivery, MS};
use super::mesh::tracer::Sends;
use super::mesh::{Mesh, Nat};
use super::messages::{message, out_of_order, run};
use super::shop::{GOOD, Shop, Who, order};
use super::{Expected, Scenario, finding};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "published ports", play: || checkouts(PUBLISHED) },
    Scenario { name: "published ports, no context", play: || bare(PUBLISHED) },
    Scenario { name: "published ports, no context, no values", play: || plain(PUBLISHED) },
    Scenario { name: "masquerade", play: || checkouts(MASQUERADED) },
    Scenario { name: "masquerade, no context", play: || bare(MASQUERADED) },
    Scenario { name: "masquerade, no context, no values", play: || plain(MASQUERADED) },
    Scenario { name: "hairpin", play: || checkouts(HAIRPIN) },
    Scenario { name: "hairpin, no context", play: || bare(HAIRPIN) },
    Scenario { name: "hairpin, no context, no values", play: || plain(HAIRPIN) },
    Scenario { name: "hairpin: gRPC", play: grpc },
    Scenario { name: "hairpin: at once", play: at_once },
    Scenario { name: "masquerade: redelivery", play: || redelivery(MASQUERADED) },
    Scenario { name: "hairpin: redelivery", play: || redelivery(HAIRPIN) },
    Scenario { name: "hairpin: duplicate message", play: duplicate },
    Scenario { name: "masquerade of the publisher alone: duplicate message", play: of_publisher },
    Scenario { name: "hairpin: not acknowledged by design", play: auto },
    Scenario { name: "hairpin: out of order", play: || out_of_order(shop(HAIRPIN)) },
    Scenario { name: "hairpin: never delivered", play: never_delivered },
    Scenario { name: "hairpin: n plus one", play: n_plus_one },
    Scenario { name: "hairpin: retry storm", play: storm },
    Scenario { name: "hairpin: error cascade", play: cascade },
    Scenario { name: "hairpin: slow database", play: slow },
    Scenario { name: "hairpin: unanswered", play: unanswered },
];

const PUBLISHED: Nat = Nat { published: true, masqueraded: false };
const MASQUERADED: Nat = Nat { published: false, masqueraded: true };
const HAIRPIN: Nat = Nat { published: true, masqueraded: true };

const CALLS: u64 = 5;

/// All do it right.
fn shop(nat: Nat) -> Shop {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    shop.mesh.behind(nat);
    shop
}

/// Nobody but the browser passes any context on.
fn silent(nat: Nat) -> Shop {
    let mut shop = shop(nat);
    for service in shop.mesh.services.iter_mut().filter(|service| service.sends == GOOD && service.name != "browser") {
        service.sends = Sends::Nothing;
    }
    shop
}

fn checkouts(nat: Nat) -> (Mesh, Vec<Expected>) {
    let mut shop = shop(nat);
    shop.checkouts(CALLS, 100 * MS);
    (shop.mesh, vec![])
}

/// The order's ID ties them.
fn bare(nat: Nat) -> (Mesh, Vec<Expected>) {
    let mut shop = silent(nat);
    shop.checkouts(CALLS, 100 * MS);
    (shop.mesh, vec![finding("trace_lost", shop.gateway, CALLS)])
}

/// Nothing ties them but that there is one at a time.
fn plain(nat: Nat) -> (Mesh, Vec<Expected>) {
    let mut shop = silent(nat);
    for n in 0..CALLS {
        let parcel = Call::http(shop.courier, "POST", "/parcels");
        let placed = Call::publish(shop.broker, "shop", "order.placed");
        let placed = placed.delivers([Delivery::new(shop.shipping, "shipping").calls([parcel])]);
        let row = Call::sql(shop.database, "SELECT id FROM charges WHERE kind = 7", &[]);
        let charge = Call::grpc(shop.billing, "/shop.v1.Billing/Charge").calls([row, Call::redis(shop.cache, &["GET", "rate"])]);
        let place = Call::http(shop.orders, "POST", "/orders").calls([charge, placed]);
        let call = Call::http(shop.gateway, "POST", "/checkout").calls([place]);
        shop.mesh.run(MS + n * 100 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![finding("trace_lost", shop.gateway, CALLS)])
}

fn grpc() -> (Mesh, Vec<Expected>) {
    let mut shop = shop(HAIRPIN).by_grpc();
    shop.checkouts(CALLS, 100 * MS);
    (shop.mesh, vec![])
}

/// A hundred requests at once, and nobody passes their context on: the order's ID ties them.
fn at_once() -> (Mesh, Vec<Expected>) {
    let mut shop = silent(HAIRPIN);
    shop.checkouts(100, 127_500);
    (shop.mesh, vec![finding("trace_lost", shop.gateway, 100)])
}

/// Shipping gives each message back once.
fn redelivery(nat: Nat) -> (Mesh, Vec<Expected>) {
    let mut shop = shop(nat);
    for n in 0..CALLS {
        let deliver = || Delivery::new(shop.shipping, "shipping");
        let both = [deliver().outcome(Outcome::Requeue), deliver().redelivered().after(12 * MS)];
        let message = message(&shop, &order(n)).delivers(both);
        run(&mut shop, n, [message]);
    }
    (shop.mesh, vec![finding("redelivery", shop.shipping, CALLS)])
}

fn duplicate() -> (Mesh, Vec<Expected>) {
    twice(shop(HAIRPIN))
}

fn of_publisher() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    shop.mesh.services[shop.orders.0].nat = MASQUERADED;
    twice(shop)
}

/// Orders sends each message twice.
fn twice(mut shop: Shop) -> (Mesh, Vec<Expected>) {
    for n in 0..CALLS {
        let one = message(&shop, &order(n)).delivers([Delivery::new(shop.shipping, "shipping")]);
        run(&mut shop, n, [one.clone(), one.after(5 * MS)]);
    }
    (shop.mesh, vec![finding("duplicate_message", shop.orders, CALLS)])
}

/// Shipping needs not acknowledge, and loses the context: the order's ID ties what it sends.
fn auto() -> (Mesh, Vec<Expected>) {
    let mut shop = shop(HAIRPIN);
    shop.mesh.services[shop.shipping.0].sends = Sends::Nothing;
    for n in 0..CALLS {
        let parcel = Call::http(shop.courier, "POST", "/parcels").id(order(n));
        let deliver = Delivery::new(shop.shipping, "auto").unacknowledged().calls([parcel]);
        let message = message(&shop, &order(n)).delivers([deliver]);
        run(&mut shop, n, [message]);
    }
    (shop.mesh, vec![finding("trace_lost", shop.shipping, CALLS)])
}

/// One message never comes out.
fn never_delivered() -> (Mesh, Vec<Expected>) {
    let mut shop = shop(HAIRPIN);
    for n in 0..8 * CALLS {
        let deliveries = if n == 5 { vec![] } else { vec![Delivery::new(shop.shipping, "shipping")] };
        let message = message(&shop, &order(n)).delivers(deliveries);
        run(&mut shop, n, [message]);
    }
    (shop.mesh, vec![finding("undelivered", shop.orders, 1)])
}

/// Orders asks for rows one by one: as often as it does, and not twice that.
fn n_plus_one() -> (Mesh, Vec<Expected>) {
    let mut shop = shop(HAIRPIN);
    for n in 0..CALLS {
        let row = |row| Call::sql(shop.database, format!("SELECT price FROM items WHERE id = {row}"), &[]).works(MS / 4);
        // five statements and five commands are few
        let few = |at: u64| Call::redis(shop.cache, &["HGET", &format!("item:{at}"), "price"]).works(MS / 4);
        let list = shop.place(&order(n)).calls((0..20).map(|at| row(n * 20 + at)));
        let call = shop.ask(&order(n)).calls((0..5).map(few)).calls([list]);
        shop.mesh.run(MS + n * 300 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![finding("n_plus_one", shop.orders, CALLS)])
}

/// Three attempts are no storm, eight are one.
fn storm() -> (Mesh, Vec<Expected>) {
    let mut shop = shop(HAIRPIN);
    for n in 0..CALLS {
        let fails = || shop.place(&order(n)).answers(Answer::Bad(503));
        let call = shop.ask(&order(n)).calls((0..if n == 0 { 3 } else { 8 }).map(|_| fails()));
        shop.mesh.run(MS + n * 200 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![finding("retry_storm", shop.gateway, CALLS - 1)])
}

/// Billing fails, and so orders and the gateway.
fn cascade() -> (Mesh, Vec<Expected>) {
    let mut shop = shop(HAIRPIN);
    for n in 0..CALLS {
        let charge = Call::grpc(shop.billing, "/shop.v1.Billing/Charge").id(order(n)).answers(Answer::Bad(14));
        let place = shop.place(&order(n)).answers(Answer::Bad(500)).calls([charge]);
        let call = shop.ask(&order(n)).answers(Answer::Bad(500)).calls([place]);
        shop.mesh.run(MS + n * 100 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![finding("error_cascade", shop.billing, CALLS)])
}

/// One statement takes most of the time, where it never did.
fn slow() -> (Mesh, Vec<Expected>) {
    let mut shop = shop(HAIRPIN);
    for n in 0..20 + CALLS {
        let row = shop.row(&order(n)).works(if n < 20 { MS } else { 900 * MS });
        let call = shop.ask(&order(n)).calls([shop.place(&order(n)).calls([row])]);
        shop.mesh.run(MS + n * 3000 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![finding("slow_hop", shop.database, CALLS)])
}

/// Billing never answers.
fn unanswered() -> (Mesh, Vec<Expected>) {
    let mut shop = shop(HAIRPIN);
    for n in 0..CALLS {
        let charge = Call::http(shop.billing, "POST", "/charges").id(order(n)).works(2500 * MS).answers(Answer::Never);
        let call = shop.ask(&order(n)).calls([shop.place(&order(n)).calls([charge])]);
        shop.mesh.run(MS + n * 8000 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![finding("unanswered", shop.billing, CALLS)])
}
