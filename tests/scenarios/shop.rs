//! The mesh that most scenarios are played in: a browser, a gateway, orders, billing, a broker with a consumer, a database, a cache.

use super::mesh::call::{Call, Delivery, MS};
use super::mesh::capture::Nanos;
use super::mesh::tracer::{Format, Sends};
use super::mesh::{Mesh, Svc};

/// A service that does it right.
pub const GOOD: Sends = Sends::Spans(Format::Traceparent);

pub struct Shop {
    pub mesh: Mesh,
    /// Whether services call each other by gRPC alone.
    pub grpc: bool,
    pub browser: Svc,
    pub gateway: Svc,
    pub orders: Svc,
    pub billing: Svc,
    pub shipping: Svc,
    pub courier: Svc,
    pub broker: Svc,
    pub database: Svc,
    pub cache: Svc,
}

/// Which service does something else than all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Nobody,
    Gateway,
    Orders,
    Billing,
    Shipping,
}

impl Shop {
    /// All do it right, but one.
    pub fn new(who: Who, sends: Sends) -> Self {
        let mut mesh = Mesh::new();
        let is = |one| if who == one { sends } else { GOOD };
        Self {
            browser: mesh.service("browser", GOOD),
            gateway: mesh.service("gateway", is(Who::Gateway)),
            orders: mesh.service("orders", is(Who::Orders)),
            billing: mesh.service("billing", is(Who::Billing)),
            shipping: mesh.service("shipping", is(Who::Shipping)),
            courier: mesh.service("courier", GOOD),
            broker: mesh.service_at("rabbitmq", 5672, Sends::Nothing),
            database: mesh.service_at("postgres", 5432, Sends::Nothing),
            cache: mesh.service_at("redis", 6379, Sends::Nothing),
            mesh,
            grpc: false,
        }
    }

    /// The same, in another format.
    pub fn speaks(mut self, format: Format) -> Self {
        for service in self.mesh.services.iter_mut().filter(|service| service.sends == GOOD) {
            service.sends = Sends::Spans(format);
        }
        self
    }

    /// The same, by gRPC alone.
    pub fn by_grpc(mut self) -> Self {
        self.grpc = true;
        self
    }

    /// A call of orders.
    pub fn place(&self, order: &str) -> Call {
        self.asks(self.orders, "/orders", "/shop.v1.Orders/Place").id(order)
    }

    /// A call of the gateway.
    pub fn ask(&self, order: &str) -> Call {
        self.asks(self.gateway, "/checkout", "/shop.v1.Gateway/Checkout").id(order)
    }

    fn asks(&self, svc: Svc, path: &str, method: &'static str) -> Call {
        if self.grpc { Call::grpc(svc, method) } else { Call::http(svc, "POST", path) }
    }

    /// A checkout: HTTP, gRPC, SQL, Redis, a message, and what its consumer calls. Its order's ID is in what it carries.
    pub fn checkout(&self, order: &str) -> Call {
        let charge = Call::grpc(self.billing, "/shop.v1.Billing/Charge").id(order).calls([self.row(order)]);
        let parcel = Call::http(self.courier, "POST", "/parcels").id(order);
        let placed = Call::publish(self.broker, "shop", "order.placed")
            .id(order)
            .message_id(format!("placed-{order}"))
            .delivers([Delivery::new(self.shipping, "shipping").calls([parcel])]);
        let place = self.place(order).calls([charge, placed]);
        let stock = Call::redis(self.cache, &["GET", &format!("cart:{order}")]).id(order);
        self.ask(order).calls([stock, place])
    }

    /// A statement about an order.
    pub fn row(&self, order: &str) -> Call {
        Call::sql(self.database, "SELECT id FROM charges WHERE order_id = $1", &[order]).id(order)
    }

    /// Checkouts, so far apart.
    pub fn checkouts(&mut self, count: u64, apart: Nanos) {
        for n in 0..count {
            let call = self.checkout(&order(n));
            self.mesh.run(MS + n * apart, self.browser, &call);
        }
    }
}

/// The ID of an order.
pub fn order(n: u64) -> String {
    format!("ord-{n:04}-{:06x}", n.wrapping_mul(0x9e37_79b9) as u32 >> 8)
}
