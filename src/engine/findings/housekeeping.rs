//! What is sent for the sake of running services, or to the world outside: nobody expects a trace in it.

use super::super::traces::Hop;
use crate::model::Pattern;
use std::net::IpAddr;

/// Paths that monitoring, service discovery and telemetry use, in lower case, and what lies below them. What ends in `/` or `.` is the
/// beginning of one.
const PATHS: &[&str] = &[
    "/health",
    "/healthz",
    "/healthy",
    "/healthcheck",
    "/health-check",
    "/health_check",
    "/_health",
    "/_healthz",
    "/_healthcheck",
    "/-/",
    "/livez",
    "/readyz",
    "/ready",
    "/readiness",
    "/live",
    "/liveness",
    "/alive",
    "/ping",
    "/metrics",
    "/actuator",
    "/favicon.ico",
    // exporters: OTLP, Zipkin, Jaeger, Datadog, Sentry, Prometheus' remote write
    "/v1/traces",
    "/v1/metrics",
    "/v1/logs",
    "/opentelemetry.proto.",
    "/api/v2/spans",
    "/api/traces",
    "/v0.2/traces",
    "/v0.3/traces",
    "/v0.4/traces",
    "/v0.5/traces",
    "/v0.7/traces",
    "/v0.6/stats",
    "/v0.7/config",
    "/v0.1/pipeline_stats",
    "/api/v1/write",
    // gRPC's own services
    "/grpc.health.",
    "/grpc.reflection.",
    "/grpc.channelz.",
    // discovery: Eureka, Consul; the clouds' metadata
    "/eureka/",
    "/v1/agent/",
    "/v1/health/",
    "/v1/catalog/services",
    "/v1/catalog/service/",
    "/v1/catalog/nodes",
    "/v1/catalog/node/",
    "/v1/catalog/register",
    "/v1/catalog/deregister",
    "/v1/catalog/datacenters",
    "/latest/meta-data",
    "/latest/api/token",
    "/computemetadata/",
];

/// Whether a flow serves the running of services: a health check, a scrape, an export of telemetry, a worker's word of itself.
pub(in crate::engine) fn housekeeping(hop: &Hop) -> bool {
    let (method, path) = hop.operation.split_once(' ').unwrap_or(("", &hop.operation));
    if matches!(hop.pattern, Pattern::Publish | Pattern::Deliver) {
        return path.split(' ').chain(hop.extra().via.as_deref()).any(workers_own);
    }
    if hop.pattern == Pattern::Query {
        return false;
    }
    let path = path.to_ascii_lowercase();
    matches!(method, "OPTIONS" | "CONNECT" | "TRACE")
        || PATHS.iter().any(|known| is_below(&path, known))
        || path.ends_with("/health")
        || path.ends_with("/healthz")
        || path.ends_with("/envelope/")
}

/// Whether a path is a known one, or begins with it and a piece of its own.
fn is_below(path: &str, known: &str) -> bool {
    path.strip_prefix(known).is_some_and(|rest| known.ends_with(['/', '.']) || rest.is_empty() || rest.starts_with(['/', '?']))
}

/// Whether an exchange, a key or a queue is one by which Celery's workers tell of themselves and are told what to do: events, and the
/// mailboxes of kombu.
fn workers_own(name: &str) -> bool {
    name == "celeryev" || name.starts_with("celeryev.") || name.ends_with(".pidbox")
}

/// Whether who receives `down` is nobody of one's own: a public address, or one that is called by a public name, unless that is how
/// its sender was called itself.
pub(super) fn outside(up: &Hop, down: &Hop) -> bool {
    let called = down.extra().host.is_some() && up.extra().host != down.extra().host;
    called || down.to.host().parse().is_ok_and(public_address)
}

fn public_address(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        // RFC 6598: shared by carriers, and by clusters that have run out of the others
        IpAddr::V4(ip) => {
            let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || ip.is_documentation() || shared)
        }
        IpAddr::V6(ip) => !(ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unspecified()),
    }
}

/// Whether a host's name is one of the public DNS: several labels, and none of the endings that clusters and local networks use.
pub(in crate::engine) fn public_name(host: &str) -> bool {
    const INNER: &[&str] = &[
        "local",
        "localhost",
        "localdomain",
        "internal",
        "svc",
        "test",
        "lan",
        "arpa",
        "consul",
        "docker",
        "intranet",
        "corp",
        "home",
        "private",
        "invalid",
        "example",
    ];
    if !host.contains('.') {
        return false;
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_end_matches('.');
    let Some((_, last)) = name.rsplit_once('.') else { return false };
    let is = |label: &str, known: &str| label.eq_ignore_ascii_case(known);
    let inner = || INNER.iter().any(|known| is(last, known)) || name.split('.').skip(1).any(|label| is(label, "svc"));
    // an address ends with digits
    !host.starts_with('[') && last.bytes().all(|b| b.is_ascii_alphabetic()) && !inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_ends_where_its_last_piece_does() {
        let known = |path: &str| PATHS.iter().any(|known| is_below(path, known));
        for path in
            ["/live", "/live?full=1", "/live/db", "/healthcheck", "/v0.4/traces", "/v1/catalog/service/web", "/eureka/apps"]
        {
            assert!(known(path), "{path}");
        }
        for path in ["/livestock/7", "/ready-meals", "/v1/catalog/items", "/v1/catalog/nodes-7", "/pingpong", "/v0.9/orders"] {
            assert!(!known(path), "{path}");
        }
    }

    #[test]
    fn names_of_the_public_dns_are_told_from_ones_own() {
        for name in ["api.stripe.com", "API.example.ORG:443", "s3.eu-central-1.amazonaws.com."] {
            assert!(public_name(name), "{name}");
        }
        for name in
            ["orders", "orders:8080", "localhost", "10.0.0.7:80", "[::1]:80", "orders.shop.svc.cluster.local", "db.internal", ""]
        {
            assert!(!public_name(name), "{name}");
        }
    }

    #[test]
    fn public_addresses_are_told_from_private_ones() {
        for (ip, public) in [("8.8.8.8", true), ("172.18.0.3", false), ("100.64.1.2", false), ("::1", false), ("2a00::1", true)] {
            assert_eq!(public_address(ip.parse().unwrap()), public, "{ip}");
        }
    }
}
