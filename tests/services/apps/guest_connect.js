// Calls of every kind by connect-node over both HTTPs, as Connect, gRPC-Web and gRPC, written down as its side saw them.
// Usage: guest_connect.js DESCRIPTORS PORT (HTTP/1) PORT (HTTP/2), both connect.js's
// TRUTH gets a line of JSON a call: as guest.py's, with what was put into HTTP how, and what an error says of itself.
const fs = require("node:fs");
const { create, createFileRegistry, fromBinary, toJson } = require("@bufbuild/protobuf");
const { FileDescriptorSetSchema } = require("@bufbuild/protobuf/wkt");
const { Code, ConnectError, createClient } = require("@connectrpc/connect");
const connect = require("@connectrpc/connect-node");

const [descriptors, port1, port2] = process.argv.slice(2);
const files = createFileRegistry(fromBinary(FileDescriptorSetSchema, fs.readFileSync(descriptors)));
const kitchen = files.getService("test.v1.Kitchen");
const dish = files.getMessage("test.v1.Dish");
const json = (messages) => messages.map((message) => toJson(files.getMessage(message.$typeName), message, { registry: files }));
let count = 0;

const ways = [
  ["connect", "1.1", { compressed: true }],
  ["connect", "1.1", { json: true }],
  ["web", "1.1", { compressed: true }],
  ["connect", "2", {}],
  ["connect", "2", { json: true, compressed: true }],
  ["web", "2", {}],
  ["grpc", "2", { compressed: true }],
];

function transport(way, version, { compressed, json }) {
  const port = version === "2" ? port2 : port1;
  const options = { baseUrl: `http://127.0.0.1:${port}`, httpVersion: version, useBinaryFormat: !json };
  if (compressed) Object.assign(options, { sendCompression: connect.compressionGzip, compressMinBytes: 16 });
  const make = { connect: connect.createConnectTransport, web: connect.createGrpcWebTransport, grpc: connect.createGrpcTransport };
  return make[way](options);
}

// One call: what went each way is told when it is over.
async function call(way, version, options, client, method, requests, settings = {}) {
  const id = `connect-${++count}`;
  const trace = `00-${`${count}`.padStart(32, "c")}-${`${count}`.padStart(16, "d")}-01`;
  const { input, methodKind } = kitchen.method[method];
  const sent = requests.map((request) => create(input, request));
  const told = { id, server: `127.0.0.1:${version === "2" ? port2 : port1}`, method: `/test.v1.Kitchen/${kitchen.method[method].name}` };
  Object.assign(told, { http: version, way, json: options.json ?? false, traceparent: trace, status: "OK" });
  const got = [];
  async function* each() {
    for (const request of sent) {
      await new Promise((done) => setTimeout(done, 3));
      yield request;
    }
  }
  const asked = methodKind === "unary" || methodKind === "server_streaming" ? sent[0] : each();
  try {
    const answer = client[method](asked, { headers: { "x-test-id": id, traceparent: trace }, ...settings });
    if (methodKind === "unary" || methodKind === "client_streaming") got.push(await answer);
    else for await (const message of answer) got.push(message);
  } catch (error) {
    const { code, rawMessage } = ConnectError.from(error);
    told.status = Code[code].replace(/\B([A-Z])/g, "_$1").toUpperCase();
    if (!settings.timeoutMs) told.message = rawMessage;
    const type = `type.googleapis.com/${dish.typeName}`;
    const details = error.findDetails(dish).map((detail) => ({ "@type": type, ...toJson(dish, detail) }));
    if (details.length > 0) told.details = details;
  }
  // a deadline may end it before anything was sent, and one that fails as Connect has an answer that is no message of the method's
  if (!settings.timeoutMs || told.status === "OK") told.requests = json(sent);
  if (told.status === "OK" || methodKind !== "unary") told.responses = json(got);
  fs.appendFileSync(process.env.TRUTH, `${JSON.stringify(told)}\n`);
}

async function main() {
  for (const [way, version, options] of ways) {
    const client = createClient(kitchen, transport(way, version, options));
    const make = (method, requests, settings) => call(way, version, options, client, method, requests, settings);
    const orders = [0, 1, 2].map((n) => ({ text: `part ${n}`, amounts: { salt: BigInt(n) } }));
    await make("cook", [{ text: "soup", blob: new Uint8Array([0, 1, 2]) }], { timeoutMs: 60_000 });
    await make("cook", [{ text: "a long soup ".repeat(2000) }]);
    await make("cook", [{}]);
    for (const fail of [Code.NotFound, Code.InvalidArgument, Code.Internal]) await make("cook", [{ text: "fails", fail }]);
    await make("courses", [{ text: "many", count: 4 }]);
    await make("courses", [{ text: "fails", count: 2, fail: Code.ResourceExhausted }]);
    await make("batch", orders);
    if (version === "2") {
      await make("chat", orders);
      await make("cook", [{ text: "slow", delay: { seconds: 1n } }], { timeoutMs: 100 });
    }
    await Promise.all(Array.from({ length: 10 }, (_, n) => make("cook", [{ text: `together ${n}` }])));
  }
}

// kept connections would keep the program
main().then(() => process.exit());
