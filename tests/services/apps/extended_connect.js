// A WebSocket on a stream of HTTP/2 (RFC 8441) beside an ordinary request: node's http2 carries it, ws frames it.
// Usage: extended_connect.js serve PORT | extended_connect.js call PORT
const http2 = require("node:http2");
const { Receiver, Sender } = require("ws");

const [role, port] = process.argv.slice(2);
const close = (sender) => new Promise((done) => sender.close(1000, "", role === "call", done));
const send = (sender, words) => sender.send(words, { binary: false, mask: role === "call", fin: true }, () => {});

function serve(stream, headers) {
  if (headers[":protocol"] !== "websocket") {
    stream.respond({ ":status": 200, "content-type": "text/plain" });
    return stream.end("ordinary");
  }
  stream.respond({ ":status": 200 });
  const [sender, receiver] = [new Sender(stream, {}), new Receiver({ isServer: true })];
  stream.pipe(receiver);
  receiver.on("message", (data) => send(sender, `you said ${data}`));
  receiver.on("conclude", () => close(sender).then(() => stream.end()));
}

function call() {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on("remoteSettings", ({ enableConnectProtocol }) => {
    if (!enableConnectProtocol) throw new Error("no extended CONNECT");
    const upgrade = { ":method": "CONNECT", ":protocol": "websocket", ":path": "/chat?room=1", "sec-websocket-version": "13" };
    const stream = session.request(upgrade);
    const [sender, receiver] = [new Sender(stream, {}), new Receiver({ isServer: false })];
    stream.on("response", () => send(sender, "hello"));
    stream.pipe(receiver);
    receiver.on("message", () => close(sender));
    receiver.on("conclude", () => stream.end());
    stream.on("close", () => {
      const ordinary = session.request({ ":path": "/ordinary" });
      ordinary.on("close", () => session.close()).resume();
    });
  });
}

if (role === "serve") http2.createServer({ settings: { enableConnectProtocol: true } }).on("stream", serve).listen(port, "127.0.0.1");
else call();
