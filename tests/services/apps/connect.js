// The kitchen by connect-node, which answers Connect, gRPC-Web and gRPC, and calls of every kind that the way allows.
// Usage: connect.js serve DESCRIPTORS PORT (HTTP/1) PORT (HTTP/2) | connect.js call DESCRIPTORS PORT 1.1|2 connect|connect-json|grpc-web
const fs = require("node:fs");
const http = require("node:http");
const http2 = require("node:http2");
const { createFileRegistry, fromBinary } = require("@bufbuild/protobuf");
const { FileDescriptorSetSchema } = require("@bufbuild/protobuf/wkt");
const { Code, ConnectError, createClient } = require("@connectrpc/connect");
const { compressionGzip, connectNodeAdapter, createConnectTransport, createGrpcWebTransport } = require("@connectrpc/connect-node");

const [role, descriptors, port, ...more] = process.argv.slice(2);
const files = createFileRegistry(fromBinary(FileDescriptorSetSchema, fs.readFileSync(descriptors)));
const kitchen = files.getService("test.v1.Kitchen");
const dish = (order, number) => ({ text: order.text.toUpperCase(), size: 2, weights: [0.5, number], number: BigInt(number) });
const details = () => [{ desc: files.getMessage("test.v1.Dish"), value: { text: "none left" } }];
const check = ({ fail, text }) => {
  if (fail) throw new ConnectError(`as ordered: ${text}`, fail, { "x-tried": "yes" }, details());
};

function routes(router) {
  router.service(kitchen, {
    async cook(order, context) {
      if (order.delay) await new Promise((done) => setTimeout(done, Number(order.delay.seconds) * 1000));
      check(order);
      context.responseHeader.set("x-kitchen", "connect");
      return dish(order, 1);
    },
    async batch(orders) {
      const texts = [];
      for await (const order of orders) texts.push(order.text);
      return { text: texts.join("+"), number: BigInt(texts.length) };
    },
    async *courses(order, context) {
      for (let n = 1; n <= order.count; n++) yield dish(order, n);
      context.responseTrailer.set("x-courses", `${order.count}`);
      check(order);
    },
    async *chat(orders) {
      let n = 0;
      for await (const order of orders) yield dish(order, ++n);
    },
  });
}

async function* orders() {
  for (let n = 0; n < 3; n++) yield { text: `order ${n}` };
}

async function all(dishes) {
  for await (const _ of dishes);
}

async function call([version, way]) {
  const options = { baseUrl: `http://127.0.0.1:${port}`, httpVersion: version, sendCompression: compressionGzip };
  const transport =
    way === "grpc-web" ? createGrpcWebTransport(options) : createConnectTransport({ ...options, useBinaryFormat: way === "connect" });
  const { cook, batch, courses, chat } = createClient(kitchen, transport);
  await cook({ text: "soup" }, { timeoutMs: 10_000, headers: { "x-test-id": "1" } });
  await cook({ text: "a long soup ".repeat(200) });
  await cook({ text: "fish", fail: Code.NotFound }).catch(() => {});
  await all(courses({ text: "menu", count: 3 }));
  await all(courses({ text: "menu", count: 1, fail: Code.ResourceExhausted })).catch(() => {});
  await batch(orders());
  if (version === "2") await all(chat(orders()));
}

if (role === "serve") {
  http.createServer(connectNodeAdapter({ routes })).listen(port, "127.0.0.1");
  http2.createServer(connectNodeAdapter({ routes })).listen(more[0], "127.0.0.1");
} else {
  // kept connections would keep the program
  call(more).then(() => process.exit());
}
