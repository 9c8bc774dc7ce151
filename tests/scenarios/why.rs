//! Why traces failed, and where their time went, of meshes whose scripts say so.

use super::check::{Who, list, of, traces};
use super::mesh::call::{Answer, Call, Delivery, MS};
use super::mesh::tracer::Sends;
use super::mesh::{Mesh, Svc};
use super::shop::{self, Shop, order};
use super::{Expected, Scenario, finding};
use serde_json::Value;

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "timeout", play: timeout },
    Scenario { name: "timeout, got over", play: got_over },
    Scenario { name: "hedged", play: hedged },
    Scenario { name: "failing behind a proxy", play: proxy },
    Scenario { name: "failing behind a queue", play: queue },
];

const CALLS: u64 = 3;
/// For how long orders waits for billing.
const PATIENCE: u64 = 300;

/// What is told of each trace of a scenario that failed or was slow.
struct Why {
    scenario: &'static str,
    /// Who failed first, and at what.
    cause: Option<(&'static str, &'static str)>,
    /// The steps of a millisecond or more: kind, service or queue, milliseconds.
    path: &'static [(&'static str, &'static str, u64)],
}

const WHYS: &[Why] = &[
    Why {
        scenario: "slow database",
        cause: None,
        path: &[("work", "gateway", 5), ("work", "billing", 5), ("work", "postgres", 1800)],
    },
    Why {
        scenario: "error cascade",
        cause: Some(("billing", "/shop.v1.Billing/Charge")),
        path: &[("work", "gateway", 5), ("work", "orders", 5), ("work", "billing", 4)],
    },
    Why {
        scenario: "timeout",
        cause: Some(("billing", "POST /charges")),
        path: &[("work", "gateway", 5), ("work", "orders", 5), ("work", "billing", PATIENCE)],
    },
    Why {
        scenario: "timeout, got over",
        cause: Some(("billing", "POST /charges")),
        path: &[("work", "gateway", 5), ("work", "orders", 6), ("work", "billing", PATIENCE), ("work", "redis", 4)],
    },
    Why {
        scenario: "hedged",
        cause: Some(("billing", "GET /quote")),
        path: &[("work", "gateway", 5), ("work", "orders", 7), ("work", "spare", 8)],
    },
    Why {
        scenario: "failing behind a proxy",
        cause: Some(("gateway", "POST /checkout")),
        path: &[("proxy", "nginx", 21), ("work", "gateway", 40)],
    },
    Why {
        scenario: "failing behind a queue",
        cause: Some(("courier", "POST /parcels")),
        path: &[
            ("work", "gateway", 3),
            ("work", "orders", 3),
            ("queue", "shipping", 50),
            ("work", "shipping", 5),
            ("work", "courier", 4),
        ],
    },
];

/// A question that gets no answer within that time.
fn charge(shop: &Shop, n: u64) -> Call {
    Call::http(shop.billing, "POST", "/charges").id(order(n)).works(PATIENCE / 2 * MS).answers(Answer::Never)
}

/// Billing is too slow for orders, which fails without its answer.
fn timeout() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(shop::Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let place = shop.place(&order(n)).answers(Answer::Bad(504)).calls([charge(&shop, n)]);
        let call = shop.ask(&order(n)).answers(Answer::Bad(502)).calls([place]);
        shop.mesh.run(MS + n * 1000 * MS, shop.browser, &call);
    }
    let billing = shop.billing;
    (shop.mesh, vec![finding("error_cascade", billing, CALLS), finding("unanswered", billing, CALLS)])
}

/// The same, and orders has something else in its place: whether it was too impatient, nobody can tell.
fn got_over() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(shop::Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let instead = Call::redis(shop.cache, &["GET", &format!("charge:{}", order(n))]).id(order(n));
        let place = shop.place(&order(n)).calls([charge(&shop, n), instead]);
        shop.mesh.run(MS + n * 1000 * MS, shop.browser, &shop.ask(&order(n)).calls([place]));
    }
    (shop.mesh, vec![finding("unanswered", shop.orders, CALLS)])
}

/// Orders asks two the same at once, takes the first answer, and lets go of the other.
fn hedged() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(shop::Who::Nobody, Sends::Nothing);
    let spare = shop.mesh.service("spare", shop::GOOD);
    for n in 0..CALLS {
        let ask = |svc: Svc| Call::http(svc, "GET", "/quote").id(order(n));
        let both = [ask(shop.billing).works(5 * MS).answers(Answer::Never), ask(spare).works(4 * MS)];
        let place = shop.place(&order(n)).calls(both).together();
        shop.mesh.run(MS + n * 100 * MS, shop.browser, &shop.ask(&order(n)).calls([place]));
    }
    (shop.mesh, vec![])
}

/// nginx passes on that the gateway fails, and takes its time.
fn proxy() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(shop::Who::Nobody, Sends::Nothing);
    let nginx = shop.mesh.service("nginx", Sends::Copies);
    for n in 0..CALLS {
        let inner = shop.ask(&order(n)).works(20 * MS).header("x-forwarded-for", "10.9.8.7").header("via", "1.1 nginx");
        let inner = inner.answers(Answer::Bad(503));
        let call = Call::http(nginx, "POST", "/checkout").id(order(n)).calls([inner]).works(10 * MS).answers(Answer::Bad(503));
        shop.mesh.run(MS + n * 100 * MS, shop.browser, &call);
    }
    (shop.mesh, vec![])
}

/// A message lies in its queue for a while, and what its consumer calls then fails, which it gets over.
fn queue() -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(shop::Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let parcel = Call::http(shop.courier, "POST", "/parcels").id(order(n)).answers(Answer::Bad(503));
        let deliver = Delivery::new(shop.shipping, "shipping").after(50 * MS).calls([parcel]);
        let message = super::messages::message(&shop, &order(n)).delivers([deliver]);
        super::messages::run(&mut shop, n, [message]);
    }
    (shop.mesh, vec![])
}

/// What is wrong with why the traces of a scenario are as they are.
pub fn wrong(scenario: &str, who: Who<'_>, records: &[Value]) -> Vec<String> {
    let Some(why) = WHYS.iter().find(|why| why.scenario == scenario) else { return Vec::new() };
    let told: Vec<_> = traces(records).into_iter().map(|(_, trace)| trace).filter(|t| t["critical_path"].is_array()).collect();
    let mut wrong: Vec<_> =
        told.iter().filter(|trace| !why.is(trace, who, records)).map(|trace| format!("why? {trace}")).collect();
    if told.len() as u64 != CALLS {
        wrong.push(format!("why? of {} traces", told.len()));
    }
    wrong
}

impl Why {
    fn is(&self, trace: &Value, who: Who<'_>, records: &[Value]) -> bool {
        let is = |told: &str, name: &str| {
            let svc = who.services.iter().position(|service| service.name == name);
            who.is(told, Svc(svc.expect("a service of the mesh")))
        };
        let caused = of(records, "flow").find(|flow| flow["id"] == trace["cause"]);
        let cause = match (self.cause, caused) {
            (Some((name, operation)), Some(flow)) => {
                let server = &flow["server"];
                let told = server["service"].as_str().or_else(|| server["addr"].as_str());
                told.is_some_and(|told| is(told, name)) && flow["operation"] == operation
            }
            (wanted, caused) => wanted.is_none() && caused.is_none(),
        };
        let own = |step: &Value| step["own_us"].as_u64().unwrap_or_default();
        let steps: Vec<_> = list(&trace["critical_path"]).filter(|step| own(step) >= 1000).collect();
        let same = |(step, (kind, name, millis)): (&&Value, &(&str, &str, u64))| {
            let told = step["service"].as_str().unwrap_or_default();
            let by = if *kind == "queue" { told == *name } else { is(told, name) };
            step["kind"] == *kind && by && own(step).abs_diff(millis * 1000) < 1000
        };
        cause && steps.len() == self.path.len() && steps.iter().zip(self.path).all(same)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_known_is_known_of_scenarios_that_there_are() {
        let all = super::super::all();
        let there = |why: &&super::Why| all.iter().any(|scenario| scenario.name == why.scenario);
        assert_eq!(super::WHYS.iter().filter(there).count(), super::WHYS.len());
    }
}
