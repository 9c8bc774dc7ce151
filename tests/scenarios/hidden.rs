//! Services that are also asked in ways that cannot be read, while they are at work on what can: what they do because of it is not because
//! of that, nor is it a trace that was lost.

use super::mesh::Mesh;
use super::mesh::call::{Call, Connection, MS};
use super::mesh::tracer::Sends;
use super::shop::{Shop, Who, order};
use super::{Expected, Scenario};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "hidden: messages of a WebSocket", play: || beside(Connection::WebSocket) },
    Scenario { name: "hidden: an unknown protocol, a connection a request", play: || beside(Connection::Foreign) },
];

const CALLS: u64 = 12;

/// A page takes orders a while, in the middle of which it is asked for something else: for that it calls a service that is not called
/// otherwise, without a context, and writes a row.
fn beside(connection: Connection) -> (Mesh, Vec<Expected>) {
    let mut shop = Shop::new(Who::Nobody, Sends::Nothing);
    for n in 0..CALLS {
        let at = MS + n * 200 * MS;
        let page = Call::http(shop.orders, "POST", "/page").id(order(n)).works(50 * MS).calls([shop.row(&order(n))]);
        shop.mesh.run(at, shop.browser, &page);
        let pushed = Call::http(shop.courier, "POST", "/push").bare();
        let written = Call::sql(shop.database, "INSERT INTO messages VALUES (1)", &[]);
        let asked = Call::http(shop.orders, "POST", "/").over(connection).calls([pushed, written]);
        shop.mesh.run(at + 20 * MS, shop.gateway, &asked);
    }
    (shop.mesh, vec![])
}
