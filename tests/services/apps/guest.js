// gRPC calls of every kind by grpc-js, written down as its side saw them. Usage: guest.js SERVER… (host:port)
// TRUTH gets a line of JSON a call: id (the x-test-id metadata), server, method, status, and how many messages went each way.
const fs = require("node:fs");
const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const options = { keepCase: true, longs: String, enums: String };
const { test } = grpc.loadPackageDefinition(loader.loadSync(path.join(__dirname, "proto/kitchen.proto"), options));
let count = 0;

function named(server, method) {
  const call = { id: `js-${++count}`, server, method: `/test.v1.Kitchen/${method}` };
  const metadata = new grpc.Metadata();
  metadata.set("x-test-id", call.id);
  return [call, metadata];
}

const tell = (call, code, sent, got) => {
  const line = { ...call, status: grpc.status[code], ...(code === 0 && { sent, got }) };
  fs.appendFileSync(process.env.TRUTH, `${JSON.stringify(line)}\n`);
};

const interceptor = (options, next) =>
  new grpc.InterceptingCall(next(options), {
    start(metadata, listener, next) {
      metadata.set("x-intercepted", "yes");
      next(metadata, listener);
    },
  });

const unary = (client, server, order, options = {}) =>
  new Promise((done) => {
    const [call, metadata] = named(server, "Cook");
    client.cook(order, metadata, { interceptors: [interceptor], ...options }, (error) => done(tell(call, error ? error.code : 0, 1, 1)));
  });

const batch = (client, server) =>
  new Promise((done) => {
    const [call, metadata] = named(server, "Batch");
    const stream = client.batch(metadata, (error) => done(tell(call, error ? error.code : 0, 3, 1)));
    for (let n = 0; n < 3; n++) stream.write({ text: `part ${n}` });
    stream.end();
  });

const receive = (stream, call, sent) =>
  new Promise((done) => {
    let got = 0;
    stream.on("data", () => got++);
    stream.on("error", () => {});
    stream.on("status", ({ code }) => done(tell(call, code, sent, got)));
  });

const courses = (client, server, order) => {
  const [call, metadata] = named(server, "Courses");
  return receive(client.courses(order, metadata), call, 1);
};

async function chat(client, server) {
  const [call, metadata] = named(server, "Chat");
  const stream = client.chat(metadata);
  const over = receive(stream, call, 3);
  for (let n = 0; n < 3; n++) stream.write({ text: `line ${n}` });
  stream.end();
  await over;
}

async function main() {
  for (const server of process.argv.slice(2)) {
    for (const algorithm of [0, 2]) {
      const settings = { "grpc.default_compression_algorithm": algorithm, "grpc.keepalive_time_ms": 200 };
      const client = new test.v1.Kitchen(server, grpc.credentials.createInsecure(), settings);
      await unary(client, server, { text: "soup" });
      await unary(client, server, { text: "a long soup ".repeat(4000) });
      await batch(client, server);
      await courses(client, server, { text: "many", count: 4 });
      await courses(client, server, { text: "fails", count: 2, fail: 5 });
      await chat(client, server);
      await unary(client, server, { text: "fails", fail: 7 });
      await unary(client, server, { text: "slow", delay: { seconds: 1 } }, { deadline: Date.now() + 100 });
      await Promise.all(Array.from({ length: 50 }, (_, n) => unary(client, server, { text: `together ${n}` })));
      client.close();
    }
  }
}

main();
