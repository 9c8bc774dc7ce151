// An Express server with a route for each kind of answer, as kitchen.py. Usage: kitchen.js PORT [ADDRESS]
const http = require("node:http");
const express = require("express");
const compression = require("compression");
const { WebSocketServer } = require("ws");

const app = express();
app.use(compression({ threshold: 256 }));
const body = express.raw({ type: () => true, limit: "8mb" });

app.get("/items", (req, res) => {
  res.json({ items: Array.from({ length: 40 }, (_, n) => ({ sku: `sku-${n}`, name: `Teekanne № ${n}`, price: 19.9 + n })) });
});
app.all("/echo", body, (req, res) => {
  res.type(req.get("content-type") ?? "application/octet-stream").send(Buffer.isBuffer(req.body) ? req.body : "");
});
app.get("/status/:code", (req, res) => {
  const code = Number(req.params.code);
  if (code === 204 || code === 304) res.status(code).end();
  else res.status(code).json({ status: code });
});
app.get("/moved", (req, res) => res.redirect("/items"));
app.get("/chunks", (req, res) => {
  res.type("text/plain");
  let n = 0;
  const timer = setInterval(() => {
    if (n === 5) return clearInterval(timer), res.end();
    res.write(`Stück ${n++}\n`);
  }, 5);
});
app.get("/early", (req, res) => {
  res.writeEarlyHints({ link: "</app.css>; rel=preload; as=style" });
  res.send("<!doctype html><title>early</title>");
});
app.get("/trailers", (req, res) => {
  res.writeHead(200, { "content-type": "text/plain", trailer: "x-checksum" });
  res.write("one ");
  res.write("two");
  res.addTrailers({ "x-checksum": "7" });
  res.end();
});

const server = http.createServer(app);
new WebSocketServer({ server, path: "/ws" }).on("connection", (ws) => ws.on("message", (m) => ws.send(String(m).toUpperCase())));
server.listen(Number(process.argv[2]), process.argv[3] ?? "127.0.0.1");
