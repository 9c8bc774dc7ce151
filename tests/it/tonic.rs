//! Beside tonic, client and server: each call and each message once, decoded, live and from what was written meanwhile.

use super::beside::from_the_probe;
use super::grpc::assert_truth;
use super::program::{Running, can_capture, lines, meshtop, records, root, run};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream::{Stream, StreamExt as _, iter};
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::StreamingService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

/// `test.v1.Order` of kitchen.proto.
#[derive(Clone, PartialEq, prost::Message)]
struct Order {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(int32, tag = "2")]
    count: i32,
    #[prost(int32, tag = "3")]
    fail: i32,
}

/// `test.v1.Dish` of kitchen.proto.
#[derive(Clone, PartialEq, prost::Message)]
struct Dish {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(double, repeated, tag = "3")]
    weights: Vec<f64>,
    #[prost(uint64, tag = "4")]
    number: u64,
}

fn order(text: &str, count: i32, fail: i32) -> Order {
    Order { text: text.to_owned(), count, fail }
}

fn dish(order: &Order, number: u64) -> Dish {
    Dish { text: order.text.to_uppercase(), weights: vec![0.5, number as f64], number }
}

/// The failure that was ordered, with details: a `google.rpc.Status` with the same message.
fn failure(order: &Order) -> Option<Status> {
    let details = [&[0x08, order.fail as u8, 0x12, order.text.len() as u8], order.text.as_bytes()].concat();
    (order.fail != 0).then(|| Status::with_details(Code::from_i32(order.fail), order.text.clone(), details.into()))
}

/// The service; nothing of it is generated.
#[derive(Clone)]
struct Kitchen;

impl Service<http::Request<tonic::body::Body>> for Kitchen {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let method = Method(request.uri().path().to_owned());
        let codec = ProstCodec::<Dish, Order>::default();
        let mut grpc = tonic::server::Grpc::new(codec).accept_compressed(Gzip).send_compressed(Gzip);
        Box::pin(async move { Ok(grpc.streaming(method, request).await) })
    }
}

/// A method by its path; on the wire one message is a stream of one.
struct Method(String);

impl StreamingService<Order> for Method {
    type Response = Dish;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<Dish, Status>> + Send>>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Streaming<Order>>) -> Self::Future {
        let method = self.0.rsplit('/').next().unwrap().to_owned();
        let mut orders = request.into_inner();
        Box::pin(async move {
            if method == "Chat" {
                let dishes = orders.map(|order| order.map(|order| dish(&order, 1)));
                return Ok(Response::new(Box::pin(dishes) as Self::ResponseStream));
            }
            let mut all = Vec::new();
            while let Some(order) = orders.message().await? {
                all.push(order);
            }
            let last = all.last().cloned().unwrap_or_default();
            let dishes: Vec<_> = match (&*method, failure(&last)) {
                ("Cook", _) if last.text == "slow" => std::future::pending().await,
                ("Cook", None) => vec![Ok(dish(&last, 1))],
                ("Cook", Some(failure)) => return Err(failure),
                ("Batch", _) => vec![Ok(dish(&last, all.len() as u64))],
                ("Courses", failure) => (1..=last.count).map(|n| Ok(dish(&last, n as u64))).chain(failure.map(Err)).collect(),
                _ => return Err(Status::unimplemented("no such method")),
            };
            Ok(Response::new(Box::pin(iter(dishes)) as Self::ResponseStream))
        })
    }
}

/// A client that writes down what it sends and gets.
struct Guest {
    server: SocketAddr,
    grpc: tonic::client::Grpc<Channel>,
    truth: Vec<Value>,
}

impl Guest {
    async fn new(server: SocketAddr) -> Self {
        let channel = Endpoint::from_shared(format!("http://{server}")).unwrap().connect().await.unwrap();
        let grpc = tonic::client::Grpc::new(channel).send_compressed(Gzip).accept_compressed(Gzip);
        Self { server, grpc, truth: Vec::new() }
    }

    /// A call, with all that it sends at once, or message by message as answers come.
    async fn call(&mut self, method: &str, orders: Vec<Order>, timeout: Option<Duration>) {
        let id = format!("tonic-{}", self.truth.len());
        let sent: Vec<_> = orders.iter().map(shown_order).collect();
        let mut request = Request::new(iter(orders));
        request.metadata_mut().insert("x-test-id", id.parse().unwrap());
        timeout.into_iter().for_each(|timeout| request.set_timeout(timeout));
        let (mut got, path) = (Vec::new(), format!("/test.v1.Kitchen/{method}"));
        self.grpc.ready().await.unwrap();
        let codec = ProstCodec::<Order, Dish>::default();
        let status = match self.grpc.streaming(request, path.parse::<PathAndQuery>().unwrap(), codec).await {
            Err(status) => status,
            Ok(answer) => {
                let mut dishes = answer.into_inner();
                loop {
                    match dishes.message().await {
                        Ok(Some(dish)) => got.push(shown_dish(&dish)),
                        Ok(None) => break Status::ok(""),
                        Err(status) => break status,
                    }
                }
            }
        };
        let word = match status.code() {
            Code::Ok => "OK",
            Code::NotFound => "NOT_FOUND",
            Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            // tonic's client and server both watch the deadline, and both may be right: the server's word is on the wire where it comes first
            Code::Cancelled | Code::DeadlineExceeded if timeout.is_some() => "DEADLINE_EXCEEDED or CANCELLED",
            code => panic!("{code:?}: {status}"),
        };
        let server = self.server.to_string();
        let told = json!({"id": id, "server": server, "method": path, "status": word, "requests": sent, "responses": got});
        self.truth.push(told);
    }

    /// Calls of every kind.
    async fn dine(&mut self) {
        self.call("Cook", vec![order("soup", 0, 0)], Some(Duration::from_secs(20))).await;
        self.call("Cook", vec![order(&"a long soup ".repeat(4000), 0, 0)], None).await;
        self.call("Cook", vec![order("fish", 0, 5)], None).await;
        self.call("Cook", vec![order("slow", 0, 0)], Some(Duration::from_millis(100))).await;
        self.call("Batch", (1..4).map(|n| order("part", n, 0)).collect(), None).await;
        self.call("Courses", vec![order("menu", 4, 0)], None).await;
        self.call("Courses", vec![order("menu", 2, 8)], None).await;
        self.call("Chat", (1..4).map(|n| order("line", n, 0)).collect(), None).await;
    }
}

fn shown_order(order: &Order) -> Value {
    let mut shown = json!({"text": order.text});
    [("count", order.count), ("fail", order.fail)].iter().filter(|(_, n)| *n != 0).for_each(|(name, n)| shown[name] = json!(n));
    shown
}

fn shown_dish(dish: &Dish) -> Value {
    json!({"text": dish.text, "weights": dish.weights, "number": dish.number.to_string()})
}

/// A call on a connection of its own that nobody answers.
async fn probe(server: SocketAddr, path: &'static str) {
    let mut guest = Guest::new(server).await;
    guest.grpc.ready().await.unwrap();
    let codec = ProstCodec::<Order, Dish>::default();
    let answer = guest.grpc.unary(Request::new(Order::default()), PathAndQuery::from_static(path), codec).await;
    assert_eq!(answer.map(drop).unwrap_err().code(), Code::Unimplemented);
}

#[test]
fn every_call_of_tonics_is_seen_once_with_its_messages() {
    if !can_capture("every_call_of_tonics_is_seen_once_with_its_messages") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let within = runtime.enter();
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let server = incoming.local_addr().unwrap();
    runtime.spawn(Server::builder().serve_with_incoming(Kitchen, incoming));
    drop(within);

    let folder = tempfile::tempdir().unwrap();
    let (file, proto) = (folder.path().join("tonic.pcapng"), root("tests/services/apps/proto/kitchen.proto"));
    let options = ["--json", "--emit", "flow,stats", "--proto", proto.to_str().unwrap()];
    let filter = format!("tcp port {}", server.port());
    let mut live = Running::start(meshtop().args(["-i", "lo", "-f", &filter, "-w"]).arg(&file).args(options));
    let mut seen = Vec::new();
    while !seen.iter().any(|line: &String| line.contains("/probe-start")) {
        runtime.block_on(probe(server, "/probes/probe-start"));
        seen.extend(live.line_within(Duration::from_millis(500)));
    }
    let truth = runtime.block_on(async {
        let mut guest = Guest::new(server).await;
        guest.dine().await;
        guest.truth
    });
    runtime.block_on(probe(server, "/probes/probe-end"));
    while !seen.iter().any(|line| line.contains("/probe-end")) {
        seen.push(live.line().expect("it goes on until it is told to stop"));
    }
    live.signal("INT");
    seen.extend(std::iter::from_fn(|| live.line()));
    assert_eq!(live.child.wait().unwrap().code(), Some(0));

    let live = from_the_probe(lines(seen.join("\n").as_bytes()));
    let read = from_the_probe(records(&run(&[&["-r", file.to_str().unwrap()], &options[..]].concat())));
    for flows in [live, read] {
        let failed = flows.iter().filter(|flow| flow["response"].to_string().contains("grpc-status-details-bin"));
        assert_eq!(failed.count(), 2, "{flows:#?}");
        assert!(flows.iter().any(|flow| flow["grpc"]["timeout"].is_string()), "{flows:#?}");
        assert!(flows.iter().any(|flow| flow["request"].to_string().contains("\"encoding\":\"gzip\"")), "{flows:#?}");
        assert_truth(&truth, flows);
    }
}
