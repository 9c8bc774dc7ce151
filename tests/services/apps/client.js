// Clients of Node: fetch, a pool of undici, and what a browser does to a page. Usage: client.js AIOHTTP EXPRESS NGINX (addresses)
// Every exchange goes as a line of JSON to the file named by TRUTH.
const fs = require("node:fs");
const crypto = require("node:crypto");
const { Pool, fetch, Agent } = require("undici");
const WebSocket = require("ws");

const [aiohttp, express, nginx] = process.argv.slice(2);
const truth = (line) => fs.appendFileSync(process.env.TRUTH, JSON.stringify(line) + "\n");
const hex = (n) => crypto.randomBytes(n).toString("hex");
const context = () => ({
  traceparent: `00-${hex(16)}-${hex(8)}-01`,
  tracestate: "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
  baggage: "userId=alice,serverNode=DF%2028,isProduction=false",
});
let count = 0;
const next = (kind) => `node-${kind}-${count++}`;

async function get(dispatcher, server, target, options = {}, kind = "fetch") {
  const id = next(kind);
  const method = options.method ?? "GET";
  const headers = { ...options.headers, "x-test-id": id };
  const res = await fetch(`http://${server}${target}`, { ...options, headers, dispatcher, redirect: "manual" });
  const response = await res.text();
  truth({ id, server, method, target, status: res.status, request: options.body, response, traceparent: headers.traceparent });
  return res;
}

async function pool(server) {
  const pool = new Pool(`http://${server}`, { connections: 4, pipelining: 1 });
  const one = async (n) => {
    const id = next("pool");
    const body = JSON.stringify({ n, text: "ünïcode \u2028 & <b>", big: 9007199254740993n.toString() });
    const headers = { "content-type": "application/json", "x-test-id": id, ...context() };
    const res = await pool.request({ path: `/echo?n=${n}`, method: "POST", headers, body });
    const response = await res.body.text();
    truth({ id, server, method: "POST", target: `/echo?n=${n}`, status: res.statusCode, request: body, response, traceparent: headers.traceparent });
  };
  await Promise.all(Array.from({ length: 40 }, (_, n) => one(n)));
  await pool.close();
}

// Six connections at most, everything compressed, the second visit conditional.
async function browser() {
  const agent = new Agent({ connections: 6 });
  const headers = {
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    accept: "text/html,application/xhtml+xml,*/*;q=0.8",
    "accept-language": "de,en-US;q=0.7,en;q=0.3",
    "accept-encoding": "gzip, deflate, br",
    cookie: "session=not-a-real-session; theme=dark",
  };
  const tags = {};
  for (const visit of [1, 2]) {
    const page = await get(agent, nginx, "/index.html", { headers: { ...headers, ...(tags["/index.html"] && { "if-none-match": tags["/index.html"] }) } }, "browser");
    tags["/index.html"] ??= page.headers.get("etag");
    await Promise.all(["/app.css", "/app.js", "/logo.svg", "/api/items", "/shop/items", "/missing.png"].map(async (path) => {
      const res = await get(agent, nginx, path, { headers: { ...headers, ...(tags[path] && { "if-none-match": tags[path] }) } }, "browser");
      tags[path] ??= res.headers.get("etag");
    }));
    await get(agent, nginx, "/api/events", { headers: { ...headers, accept: "text/event-stream" } }, "browser");
  }
  await agent.close();
}

function websocket(server, target) {
  return new Promise((resolve, reject) => {
    const id = next("ws");
    const ws = new WebSocket(`ws://${server}${target}`, { headers: { "x-test-id": id } });
    ws.on("open", () => (truth({ id, server, method: "GET", target, status: 101 }), ws.send("hello")));
    ws.on("message", () => ws.close());
    ws.on("close", resolve);
    ws.on("error", reject);
  });
}

(async () => {
  const agent = new Agent({ connections: 2 });
  for (const server of [aiohttp, express]) {
    for (const target of ["/items", "/status/204", "/status/404", "/status/500", "/moved", "/chunks"]) await get(agent, server, target);
    await get(agent, server, "/echo", { method: "PUT", body: "plain text", headers: { "content-type": "text/plain" } });
    await get(agent, server, "/echo", { method: "DELETE" });
    await pool(server);
    await websocket(server, "/ws");
  }
  for (const target of ["/early", "/trailers"]) await get(agent, express, target);
  for (let n = 0; n < 5; n++) await get(agent, nginx, "/api/chain", { headers: context() });
  await websocket(nginx, "/api/ws");
  await agent.close();
  await browser();
})();
