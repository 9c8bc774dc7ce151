// The Node half of the demo's shop: payments, accounts and courier (Express), inventory (gRPC). Usage: shop.js ROLE ADDRESS:PORT
// Each role listens on an address of its own and calls from it. Where the others are stands in MESH (name=address:port,…).
const path = require("node:path");
const express = require("express");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");
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

function inventory() {
  const timestamp = (date) => ({ seconds: Math.floor(date / 1000), nanos: (date % 1000) * 1e6 });
  const { shop } = grpc.loadPackageDefinition(loader.loadSync(path.join(__dirname, "../../../descriptors/demo/inventory.proto")));
  const server = new grpc.Server();
  server.addService(shop.v1.Inventory.service, {
    reserve(call, done) {
      const { orderId, items } = call.request;
      const missing = items.filter((item) => item.quantity > 9).map((item) => item.sku);
      if (missing.length) return done({ code: grpc.status.FAILED_PRECONDITION, details: `out of stock: ${missing}` });
      done(null, { reservationId: `r-${1000 + served++}`, orderId, validUntil: timestamp(Date.now() + 3_600_000) });
    },
    async watch(call) {
      const { orderId } = call.request;
      const where = [{ shelf: "B-12" }, { shelf: "packing" }, { parcel: `DE-${4000 + served}` }];
      for (const [n, place] of where.entries()) {
        call.write({ orderId, state: n + 1, at: timestamp(Date.now()), ...place });
        await sleep(350);
      }
      call.end();
    },
  });
  server.bindAsync(here, grpc.ServerCredentials.createInsecure(), (error) => {
    if (error) throw error;
  });
}

const roles = {
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
  courier() {
    app.post("/parcels", async (req, res) => {
      await sleep(9);
      res.status(202).json({ parcel: `DE-${4000 + served++}`, order: req.body.order });
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

if (role === "inventory") {
  inventory();
} else {
  roles[role]();
  app.listen(Number(port), address).keepAliveTimeout = 60_000;
}
