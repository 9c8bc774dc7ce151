// The demo's browsers: people who look around in the shop and buy tea. Usage: shopper.js ADDRESS GATEWAY
const http = require("node:http");
const crypto = require("node:crypto");

const [address, gateway] = process.argv.slice(2);
const [host, port] = gateway.split(":");
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const hex = (n) => crypto.randomBytes(n).toString("hex");
const pick = (list, n) => list[n % list.length];

function browser(user) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 6, localAddress: address });
  const tags = {};
  const send = (method, path, { headers = {}, body } = {}) =>
    new Promise((resolve, reject) => {
      const all = {
        host: "shop.example",
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        accept: "*/*",
        "accept-encoding": "gzip",
        ...(tags[path] && method === "GET" && { "if-none-match": tags[path] }),
        ...(body && { "content-length": Buffer.byteLength(body) }),
        ...headers,
      };
      const req = http.request({ agent, host, port, method, path, headers: all }, (res) => {
        const parts = [];
        res.on("data", (part) => parts.push(part));
        res.on("end", () => {
          if (res.headers.etag) tags[path] = res.headers.etag;
          resolve({ status: res.statusCode, text: Buffer.concat(parts).toString() });
        });
      });
      req.on("error", reject);
      req.end(body);
    });
  const traced = (extra) => ({ traceparent: `00-${hex(16)}-${hex(8)}-01`, ...extra });
  const json = (value) => ({ "content-type": "application/json", ...value });
  return {
    send,
    page: async (path) => {
      await send("GET", path, { headers: { accept: "text/html" } });
      await Promise.all(["/static/app.css", "/static/app.js", "/static/logo.svg"].map((asset) => send("GET", asset)));
    },
    api: (method, path, value) =>
      send(method, `/api${path}`, {
        headers: traced(value && json({})),
        body: value && JSON.stringify(value),
      }),
    checkout: (items) =>
      send("POST", "/api/checkout", {
        headers: traced(json({ authorization: "Bearer demo-token-not-a-secret", tracestate: "shop=t61rcWkgMzE", baggage: `user=${user},channel=web` })),
        body: JSON.stringify({ customer: user, items, note: "Bitte klingeln – 2. Stock" }),
      }),
    login: () =>
      send("POST", "/login", {
        headers: traced({ "content-type": "application/x-www-form-urlencoded" }),
        body: `user=${user}&password=not-a-real-password&next=%2F`,
      }),
    close: () => agent.destroy(),
  };
}

async function visit(user, n, wait) {
  await sleep(wait);
  const b = browser(user);
  await b.page("/");
  await sleep(300);
  await b.login();
  await b.api("GET", "/products?page=1");
  await sleep(500);
  await b.page("/");
  await b.api("GET", `/products/tea-${String(5 + n * 3).padStart(2, "0")}`);
  await sleep(350);
  if (n % 2) await b.send("GET", "/old-shop/teas");
  await b.api("GET", "/products/coffee-01");
  await b.api("GET", "/cart");
  await b.api("PUT", "/cart", { items: [{ sku: "tea-07", quantity: 2 }, { sku: pick(["tea-11", "tea-20"], n), quantity: 1 }] });
  await sleep(450);
  const done = await b.checkout([{ sku: "tea-07", quantity: 2 }, { sku: pick(["tea-11", "tea-20"], n), quantity: 1 + (n % 3) }]);
  const order = JSON.parse(done.text).id;
  await sleep(200);
  if (order) await b.send("GET", `/api/orders/${order}/events`, { headers: { accept: "text/event-stream" } });
  if (n % 3 === 1) await b.checkout([{ sku: "tea-29", quantity: 12 }]);
  if (n % 3 === 2) await b.checkout([{ sku: "tea-30", quantity: 7 }]);
  await b.api("GET", `/search?q=${encodeURIComponent(pick(["oolong", "earl grey", "№ 2"], n))}`);
  await b.api("DELETE", "/cart/tea-11");
  await sleep(250);
  await b.send("GET", "/favicon.ico");
  b.close();
}

const people = ["alice", "bob", "carol", "dave", "erin", "frank"];
Promise.all(people.map((user, n) => visit(user, n, n * 2600)));
