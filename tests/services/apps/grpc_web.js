// Calls of gRPC-Web in base64, as browsers make them, by Google's own client. Usage: grpc_web.js PORT (calls.py's, `web`)
global.XMLHttpRequest = require("xhr2");
const { GrpcWebClientBase, MethodDescriptor, MethodType } = require("grpc-web");

class Bytes {}
const orders = `http://127.0.0.1:${process.argv[2]}/shop.v1.Orders`;
// field 1 is a text
const text = (words) => Uint8Array.from([10, words.length, ...Buffer.from(words)]);
const method = (name, type) => new MethodDescriptor(`/shop.v1.Orders/${name}`, type, Bytes, Bytes, (sent) => sent, (bytes) => bytes);

async function main() {
  const client = new GrpcWebClientBase({ format: "text" });
  for (const name of ["Get", "Fail"]) {
    const [url, headers] = [`${orders}/${name}`, { "x-test-id": name }];
    await new Promise((done) => client.rpcCall(url, text("one"), headers, method(name, MethodType.UNARY), done));
  }
  const list = client.serverStreaming(`${orders}/List`, text("all"), {}, method("List", MethodType.SERVER_STREAMING));
  await new Promise((done) => list.on("end", done));
}

main();
