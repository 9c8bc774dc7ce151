//! What becomes of messages: delivered again, twice, in another order, without end, or not at all.

use super::mesh::Mesh;
use super::mesh::amqp::{self, Outcome};
use super::mesh::call::{Answer, Call, Delivery, MS};
use super::mesh::tracer::Sends;
use super::shop::{Shop, Who, order};
use super::{Expected, Scenario, finding};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "redelivery", play: redelivery },
    Scenario { name: "redelivery, quorum queue", play: quorum },
    Scenario { name: "redelivery, consumer died", play: died },
    Scenario { name: "redelivery, two consumers", play: two },
    Scenario { name: "poison message", play: poison },
    Scenario { name: "poison message, dead letters", play: dead_letters },
    Scenario { name: "duplicate message", play: duplicate },
    Scenario { name: "out of order", play: || out_of_order(Shop::new(Who::Nobody, Sends::Nothing)) },
    Scenario { name: "fan-out", play: fan_out },
    Scenario { name: "fan-out, one gives back", play: one_of_two },
    Scenario { name: "not acknowledged by design", play: auto },
    Scenario { name: "a reply without context", play: reply },
    Scenario { name: "unroutable", play: unroutable },
    Scenario { name: "never delivered", play: never_delivered },
];

const CALLS: u64 = 4;
/// How often a message comes that nobody can take.
const TRIES: u64 = 8;

/// A message about an order.
pub fn message(shop: &Shop, id: &str) -> Call {
    Call::publish(shop.broker, "shop", "order.placed").id(id).message_id(format!("placed-{id}"))
}

/// A request in which `orders` sends messages.
pub fn run(shop: &mut Shop, n: u64, messages: impl IntoIterator<Item = Call>) {
    let place = Call::http(shop.orders, "POST", "/orders").id(order(n)).calls(messages);
    let call = Call::http(shop.gateway, "POST", "/checkout").id(order(n)).calls([place]);
    shop.mesh.run(MS + n * 200 * MS, shop.browser, &call);
}

/// Shipping gives each message back once, and takes it the second time.
fn redelivery() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let deliver = || Delivery::new(shop.shipping, "shipping");
        let parcel = Call::http(shop.courier, "POST", "/parcels").id(order(n));
        let both = [deliver().outcome(Outcome::Requeue), deliver().redelivered().after(12 * MS).calls([parcel])];
        let message = message(&shop, &order(n)).delivers(both);
        run(&mut shop, n, [message]);
    }
    (shop.mesh, vec![finding("redelivery", shop.shipping, CALLS)])
}

/// The same from a quorum queue, which counts deliveries in a header; messages have no ID and no context.
fn quorum() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let deliver = || Delivery::new(shop.shipping, "shipping");
        let again = deliver().redelivered().added(amqp::delivery_count(1)).after(12 * MS);
        let both = [deliver().outcome(Outcome::Requeue), again];
        let message = Call::publish(shop.broker, "shop", "order.placed").bare().id(order(n)).delivers(both);
        let place = shop.place(&order(n)).bare().calls([message]);
        shop.mesh.run(MS + n * 200 * MS, shop.browser, &shop.ask(&order(n)).bare().calls([place]));
    }
    (shop.mesh, vec![finding("redelivery", shop.shipping, CALLS)])
}

/// Shipping goes away without a word, and gets the messages again when it is back.
fn died() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let deliver = || Delivery::new(shop.shipping, "shipping");
        let both = [deliver().unacknowledged(), deliver().redelivered().after(50 * MS)];
        let message = message(&shop, &order(n)).delivers(both);
        run(&mut shop, n, [message]);
    }
    (shop.mesh, vec![finding("redelivery", shop.shipping, CALLS)])
}

/// Shipping and billing take from one queue, and each gives some messages back, of which it gets some again itself, and the other one the
/// rest.
fn two() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    let (shipping, billing) = (shop.shipping, shop.billing);
    for (n, (had, gets)) in (0..).zip([(shipping, billing), (shipping, shipping), (billing, shipping), (shipping, billing)]) {
        let deliver = |svc| Delivery::new(svc, "parcels");
        let both = [deliver(had).outcome(Outcome::Requeue), deliver(gets).redelivered().after(12 * MS)];
        let message = message(&shop, &order(n)).delivers(both);
        run(&mut shop, n, [message]);
    }
    (shop.mesh, vec![finding("redelivery", shipping, 3), finding("redelivery", billing, 1)])
}

/// One message is rejected, and goes to a queue for such, from which somebody else takes it.
fn dead_letters() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    let morgue = shop.mesh.service("morgue", super::shop::GOOD);
    for n in 0..CALLS {
        let deliver = || Delivery::new(shop.shipping, "shipping");
        let mut deliveries = vec![deliver()];
        if n == 2 {
            let dead = Delivery::new(morgue, "dead").after(20 * MS).routed("dead", "shipping");
            let tell = Call::http(shop.courier, "POST", "/letters");
            let dead = dead.added(amqp::death("shipping", "shop", "order.placed")).calls([tell]);
            deliveries =
                vec![deliver().outcome(Outcome::Requeue), deliver().redelivered().after(9 * MS).outcome(Outcome::Reject), dead];
        }
        let message = message(&shop, &order(n)).delivers(deliveries);
        run(&mut shop, n, [message]);
    }
    (shop.mesh, vec![finding("redelivery", shop.shipping, 1)])
}

/// A message goes to two queues, and one of the consumers gives it back once.
fn one_of_two() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let again = Delivery::new(shop.billing, "billing").redelivered().after(20 * MS);
        let three = [
            Delivery::new(shop.shipping, "shipping"),
            Delivery::new(shop.billing, "billing").outcome(Outcome::Requeue).after(4 * MS),
            again,
        ];
        let message = message(&shop, &order(n)).delivers(three);
        run(&mut shop, n, [message]);
    }
    (shop.mesh, vec![finding("redelivery", shop.billing, CALLS)])
}

/// One message comes back again and again until it is rejected; the others are taken.
fn poison() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let deliver = || Delivery::new(shop.shipping, "shipping");
        let mut deliveries = vec![deliver()];
        if n == 1 {
            let again = |at| {
                let outcome = if at == TRIES { Outcome::Reject } else { Outcome::Requeue };
                deliver().redelivered().after((3 + at * 10) * MS).outcome(outcome)
            };
            deliveries = std::iter::once(deliver().outcome(Outcome::Requeue)).chain((1..=TRIES).map(again)).collect();
        }
        let message = message(&shop, &order(n)).delivers(deliveries);
        run(&mut shop, n, [message]);
    }
    (shop.mesh, vec![finding("redelivery", shop.shipping, TRIES)])
}

/// `orders` sends each message twice, and shipping gets both.
fn duplicate() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let one = message(&shop, &order(n)).delivers([Delivery::new(shop.shipping, "shipping")]);
        run(&mut shop, n, [one.clone(), one.after(5 * MS)]);
    }
    (shop.mesh, vec![finding("duplicate_message", shop.orders, CALLS)])
}

/// Of three messages the first one is delivered last, to the same consumer from the same queue.
pub fn out_of_order(mut shop: Shop) -> (Mesh, Vec<Expected>) {
    for n in 0..CALLS {
        let three = [30, 3, 3].into_iter().enumerate().map(|(at, after)| {
            let deliver = Delivery::new(shop.shipping, "shipping").after(after * MS);
            message(&shop, &format!("{}-{at}", order(n))).delivers([deliver])
        });
        let three: Vec<_> = three.collect();
        run(&mut shop, n, three);
    }
    (shop.mesh, vec![finding("out_of_order", shop.broker, CALLS)])
}

/// A message goes to two queues, as it should: nothing to find.
fn fan_out() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let two = [Delivery::new(shop.shipping, "shipping"), Delivery::new(shop.billing, "billing").after(4 * MS)];
        let message = message(&shop, &order(n)).delivers(two);
        run(&mut shop, n, [message]);
    }
    (shop.mesh, vec![])
}

/// Shipping needs not acknowledge, so that nobody sees when it is done, and loses the context: the order's ID ties what it sends.
fn auto() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Shipping, Sends::Nothing);
    for n in 0..CALLS {
        let parcel = Call::http(shop.courier, "POST", "/parcels").id(order(n));
        let deliver = Delivery::new(shop.shipping, "auto").unacknowledged().calls([parcel]);
        let message = message(&shop, &order(n)).delivers([deliver]);
        run(&mut shop, n, [message]);
    }
    (shop.mesh, vec![finding("trace_lost", shop.shipping, CALLS)])
}

/// Orders asks billing by a queue, and the answer carries no context.
fn reply() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let reply = Call::publish(shop.broker, "", "replies").bare().id(order(n)).message_id(format!("reply-{}", order(n)));
        let reply = reply.delivers([Delivery::new(shop.orders, "replies")]);
        let ask = Delivery::new(shop.billing, "charges").calls([reply]);
        let message = Call::publish(shop.broker, "", "charges").id(order(n)).delivers([ask]);
        run(&mut shop, n, [message]);
    }
    (shop.mesh, vec![finding("trace_lost", shop.billing, CALLS)])
}

/// The broker gives messages back, because no queue is bound for them.
fn unroutable() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let lost = message(&shop, &order(n)).answers(Answer::Bad(312));
        run(&mut shop, n, [lost]);
    }
    (shop.mesh, vec![finding("undelivered", shop.orders, CALLS)])
}

/// The broker has taken all, and one of them never comes out, though those before and behind it do.
fn never_delivered() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..10 * CALLS {
        let mut message = message(&shop, &order(n));
        if n != 5 {
            message = message.delivers([Delivery::new(shop.shipping, "shipping")]);
        }
        run(&mut shop, n, [message]);
    }
    (shop.mesh, vec![finding("undelivered", shop.orders, 1)])
}
