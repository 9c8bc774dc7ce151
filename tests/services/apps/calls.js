// A call of each kind by grpc-js, one after the other on one connection. Usage: calls.js PORT (kitchen_grpc.js's)
const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const { test } = grpc.loadPackageDefinition(loader.loadSync(path.join(__dirname, "proto/kitchen.proto"), { keepCase: true }));
const gzip = { "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip };
const client = new test.v1.Kitchen(`127.0.0.1:${process.argv[2]}`, grpc.credentials.createInsecure(), gzip);
const over = (stream) => new Promise((done) => stream.on("data", () => {}).on("error", () => {}).on("status", done));
const unary = (order, options = {}) => new Promise((done) => client.cook(order, new grpc.Metadata(), options, done));
const orders = (stream) => {
  for (let n = 0; n < 3; n++) stream.write({ text: `order ${n}` });
  stream.end();
};

async function main() {
  await unary({ text: "soup" }, { deadline: Date.now() + 10_000 });
  await unary({ text: "fish", fail: grpc.status.NOT_FOUND });
  await unary({ text: "slow", delay: { seconds: 1 } }, { deadline: Date.now() + 100 });
  await new Promise((done) => orders(client.batch(done)));
  await over(client.courses({ text: "menu", count: 3 }));
  const chat = client.chat();
  orders(chat);
  await over(chat);
  client.close();
}

main();
