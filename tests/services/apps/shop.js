// The Express half of the demo's shop: inventory, payments and accounts. Usage: shop.js ROLE ADDRESS:PORT
// Each role listens on an address of its own and calls from it. Where the others are stands in MESH (name=address:port,…).
const express = require("express");
const { Agent, request } = require("undici");

const [role, here] = process.argv.slice(2);
const [address, port] = here.split(":");
const mesh = Object.fromEntries(process.env.MESH.split(",").map((entry) => entry.split("=")));
const agent = new Agent({ localAddress: address });
const app = express();
app.disable("x-powered-by");
app.use(express.json(), express.urlencoded({ extended: false }));
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
let served = 0;

const roles = {
  inventory() {
    app.post("/reservations", (req, res) => {
      const missing = req.body.items.filter((item) => item.quantity > 9).map((item) => item.sku);
      if (missing.length) return res.status(409).json({ missing });
      res.status(201).json({ reservation: `r-${1000 + served++}`, order: req.body.order, until: "2026-12-01T12:00:00Z" });
    });
  },
  payments() {
    app.post("/charges", async (req, res) => {
      served++;
      if (served % 4 === 2) return res.set("retry-after", "1").status(503).json({ error: "bank is busy", order: req.body.order });
      // The trace context is not passed on here: a hole such as real meshes have.
      const answer = await request(`http://${mesh.fraud}/score`, {
        dispatcher: agent,
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ order: req.body.order, amount: req.body.amount }),
      });
      const { risk } = await answer.body.json();
      await sleep(12);
      if (risk > 0.5) return res.status(402).json({ error: "refused", risk });
      res.status(201).json({ id: `p-${7000 + served}`, order: req.body.order, amount: req.body.amount, risk });
    });
  },
  accounts() {
    app.post("/login", (req, res) => {
      res.cookie("session", "demo-session-not-a-secret", { httpOnly: true, sameSite: "lax" }).redirect(303, "/");
    });
    app.get("/cart", (req, res) => res.json({ items: [{ sku: "tea-03", quantity: 1 }], currency: "EUR" }));
    app.put("/cart", (req, res) => res.json({ items: req.body.items, currency: "EUR" }));
    app.delete("/cart/:sku", (req, res) => res.status(204).end());
  },
};

roles[role]();
const server = app.listen(Number(port), address);
server.keepAliveTimeout = 60_000;
