// Calls of gRPC-Web by Google's own client for browsers, in base64 and in binary, written down as its side saw them.
// Usage: guest_web.js DESCRIPTORS PORT (kitchen_web.py's)
// TRUTH gets a line of JSON a call, as guest_connect.js's.
global.XMLHttpRequest = require("xhr2");
const fs = require("node:fs");
const { create, createFileRegistry, fromBinary, toBinary, toJson } = require("@bufbuild/protobuf");
const { FileDescriptorSetSchema } = require("@bufbuild/protobuf/wkt");
const { GrpcWebClientBase, MethodDescriptor, MethodType, StatusCode } = require("grpc-web");

const [descriptors, port] = process.argv.slice(2);
const files = createFileRegistry(fromBinary(FileDescriptorSetSchema, fs.readFileSync(descriptors)));
const [order, dish] = ["Order", "Dish"].map((name) => files.getMessage(`test.v1.${name}`));
const status = (code) => Object.keys(StatusCode).find((name) => StatusCode[name] === code);
const method = (path, type) =>
  new MethodDescriptor(path, type, Object, Object, (sent) => toBinary(order, sent), (bytes) => fromBinary(dish, new Uint8Array(bytes)));
let count = 0;

function call(client, name, type, request) {
  const path = `/test.v1.Kitchen/${name}`;
  const sent = create(order, request);
  const told = { id: `web-${++count}`, server: `127.0.0.1:${port}`, method: path, http: "1.1", way: "web", json: false };
  const [url, headers, got] = [`http://${told.server}${path}`, { "x-test-id": told.id }, []];
  return new Promise((done) => {
    const tell = (error) => {
      Object.assign(told, { status: error ? status(error.code) : "OK", requests: [toJson(order, sent)], responses: got.map((m) => toJson(dish, m)) });
      if (error) told.message = error.message;
      fs.appendFileSync(process.env.TRUTH, `${JSON.stringify(told)}\n`);
      done();
    };
    if (type === MethodType.UNARY) {
      client.rpcCall(url, sent, headers, method(path, type), (error, message) => {
        if (message) got.push(message);
        tell(error);
      });
    } else {
      const stream = client.serverStreaming(url, sent, headers, method(path, type));
      stream.on("data", (message) => got.push(message)).on("error", tell).on("end", () => tell());
    }
  });
}

async function main() {
  for (const format of ["text", "binary"]) {
    const client = new GrpcWebClientBase({ format });
    await call(client, "Cook", MethodType.UNARY, { text: "soup", blob: new Uint8Array([0, 1, 2]) });
    await call(client, "Cook", MethodType.UNARY, { text: "a long soup ".repeat(2000) });
    await call(client, "Cook", MethodType.UNARY, { text: "fails", fail: StatusCode.NOT_FOUND });
    // browsers read a stream as it comes in base64 only
    if (format === "text") await call(client, "Courses", MethodType.SERVER_STREAMING, { text: "many", count: 4 });
  }
}

main();
