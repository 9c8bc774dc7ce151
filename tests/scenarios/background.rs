//! Work that goes on after the answer: what a service sends then with the trace's ID is because of the request, and nothing to find.

use super::mesh::Mesh;
use super::mesh::call::{Answer, Call, Delivery, MS};
use super::mesh::tracer::Sends;
use super::shop::{Shop, Who, order};
use super::{Expected, Scenario, finding};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "background", play: || background(Who::Nobody, 300) },
    Scenario { name: "background, overlapping", play: || background(Who::Nobody, 30) },
    Scenario { name: "background, dropped", play: || background(Who::Orders, 300) },
    Scenario { name: "background, bare", play: bare },
    Scenario { name: "background, or read meanwhile", play: read_meanwhile },
];

/// Those where nothing but who sent it tells that it was not who had a request open.
pub const CALLERS_KNOWN: &[Scenario] = &[
    Scenario { name: "background, while the outer request is open", play: || outer(Who::Nobody) },
    Scenario { name: "background, dropped while the outer request is open", play: || outer(Who::Orders) },
];

const CALLS: u64 = 12;

/// Orders takes it, and does the work when it has said so: a charge, a row, a message and what comes of that.
fn accepted(shop: &Shop, n: u64) -> Call {
    let id = order(n);
    let parcel = Call::http(shop.courier, "POST", "/parcels").id(&id);
    let placed = Call::publish(shop.broker, "shop", "order.placed").id(&id).message_id(format!("placed-{id}"));
    let placed = placed.delivers([Delivery::new(shop.shipping, "shipping").calls([parcel])]);
    let charge = Call::grpc(shop.billing, "/shop.v1.Billing/Charge").id(&id).calls([shop.row(&id)]).works(20 * MS);
    let work = [charge.after(40 * MS), shop.row(&id).after(9 * MS), placed.after(15 * MS)];
    shop.place(&id).answers(Answer::Bad(202)).later(work)
}

fn background(who: Who, apart: u64) -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(who, Sends::Nothing);
    for n in 0..CALLS {
        let call = shop.ask(&order(n)).answers(Answer::Bad(202)).calls([accepted(&shop, n)]);
        shop.mesh.run(MS + n * apart * MS, shop.browser, &call);
    }
    // the order's ID ties them all the same
    let lost = (who == Who::Orders).then(|| finding("trace_lost", shop.orders, 2 * CALLS));
    (shop.mesh, lost.into_iter().collect())
}

/// The gateway is asked for something that takes it longer than all of the work that orders does after its answer.
fn outer(who: Who) -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(who, Sends::Nothing);
    for n in 0..CALLS {
        let call = shop.ask(&order(n)).works(100 * MS).calls([accepted(&shop, n)]);
        shop.mesh.run(MS + n * 600 * MS, shop.browser, &call);
    }
    let lost = (who == Who::Orders).then(|| finding("trace_lost", shop.orders, 2 * CALLS));
    (shop.mesh, lost.into_iter().collect())
}

/// What is sent then carries nothing at all: when it is sent says nothing of why.
fn bare() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let charge = Call::grpc(shop.billing, "/shop.v1.Billing/Charge").bare().after(40 * MS);
        let place = Call::http(shop.orders, "POST", "/orders").answers(Answer::Bad(202)).later([charge]);
        let call = Call::http(shop.gateway, "POST", "/checkout").works(if n % 2 == 0 { 2 } else { 90 } * MS).calls([place]);
        shop.mesh.run(MS + n * 300 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![])
}

/// What was taken is read while something else is asked by a session: nothing tells that from the work on it.
fn read_meanwhile() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let place = shop.place(&order(n)).bare().answers(Answer::Bad(202));
        let account =
            Call::http(shop.orders, "GET", "/account").bare().header("cookie", "session=abc").calls([shop.row(&order(n))]);
        shop.mesh.run(MS + n * 300 * MS, shop.browser, &place);
        shop.mesh.run(MS + n * 300 * MS + 50 * MS, shop.browser, &account);
    }
    (shop.mesh, vec![])
}
