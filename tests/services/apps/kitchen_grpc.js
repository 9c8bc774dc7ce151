// A gRPC server by grpc-js: every kind of call, and failures. Usage: kitchen_grpc.js PORT
const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const options = { keepCase: true, longs: String, enums: String, defaults: true };
const { test } = grpc.loadPackageDefinition(loader.loadSync(path.join(__dirname, "proto/kitchen.proto"), options));
const dish = (order, number) => ({ text: order.text.toUpperCase(), size: "LARGE", weights: [0.5, number], number });
const delay = ({ delay }) => new Promise((done) => setTimeout(done, delay ? delay.seconds * 1e3 + delay.nanos / 1e6 : 0));
const failed = ({ fail }) => (fail ? { code: fail, details: `as ordered: ${fail}` } : null);

const server = new grpc.Server({ "grpc.default_compression_algorithm": 0 });
server.addService(test.v1.Kitchen.service, {
  async cook(call, done) {
    const metadata = new grpc.Metadata();
    metadata.set("x-kitchen", "js");
    call.sendMetadata(metadata);
    await delay(call.request);
    done(failed(call.request), dish(call.request, 1));
  },
  batch(call, done) {
    const texts = [];
    call.on("data", (order) => texts.push(order.text));
    call.on("end", () => done(null, { text: texts.join("+"), number: texts.length }));
  },
  async courses(call) {
    for (let n = 1; n <= call.request.count; n++) {
      await delay(call.request);
      if (call.request.fail) return call.emit("error", failed(call.request));
      call.write(dish(call.request, n));
    }
    call.end();
  },
  chat(call) {
    let n = 0;
    call.on("data", (order) => call.write(dish(order, ++n)));
    call.on("end", () => call.end());
  },
});
server.bindAsync(`127.0.0.1:${process.argv[2]}`, grpc.ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});
