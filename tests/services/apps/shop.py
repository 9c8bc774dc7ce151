"""The aiohttp half of the demo's shop: orders (which calls inventory by gRPC and tells RabbitMQ), catalog and fraud. Usage: shop.py ROLE ADDRESS:PORT

Each role listens on an address of its own and calls from it. Where the others are stands in MESH (name=address:port,…).
"""

import asyncio
import functools
import json
import os
import random
import secrets
import sys
from concurrent.futures import ThreadPoolExecutor

import aiohttp
from aiohttp import web
from grpclib.client import Channel, UnaryStreamMethod, UnaryUnaryMethod
from grpclib.exceptions import GRPCError
import inventory_pb2 as inventory

ROLE, HERE = sys.argv[1:]
ADDRESS, PORT = HERE.split(":")
MESH = dict(entry.split("=") for entry in os.environ["MESH"].split(","))
TEAS = ["Assam", "Darjeeling", "Keemun", "Lapsang", "Matcha", "Oolong", "Rooibos", "Sencha", "Yunnan", "Earl Grey"]
PRODUCTS = [
    {"sku": f"tea-{n:02}", "name": f"{TEAS[n % 10]} № {n}", "price": round(4.5 + n * 0.35, 2), "tags": ["tea", "loose" if n % 3 else "bags"]}
    for n in range(1, 31)
]
chance = random.Random(7)


def onward(request):
    """The caller's trace context with a span of our own, and its request ID."""
    headers = {k: request.headers[k] for k in ("tracestate", "baggage", "x-request-id") if k in request.headers}
    if "traceparent" in request.headers:
        version, trace, _, flags = request.headers["traceparent"].split("-")
        headers["traceparent"] = f"{version}-{trace}-{secrets.token_hex(8)}-{flags}"
    return headers


async def call(request, method, service, path, body=None):
    async with request.app["client"].request(method, f"http://{MESH[service]}{path}", json=body, headers=onward(request)) as answer:
        return answer.status, await answer.json()


class LocalChannel(Channel):
    """A gRPC channel from our own address. Its header fields are not Huffman-coded: so each lap of the demo can have IDs of its own."""

    async def _create_connection(self):
        _, protocol = await self._loop.create_connection(self._protocol_factory, self._host, self._port, local_addr=(ADDRESS, 0))
        encoder = protocol.connection._connection.encoder
        encoder.encode = functools.partial(encoder.encode, huffman=False)
        return protocol


def broker():
    """A publisher with confirms, on a thread of its own: pika's connection blocks."""
    from here import call_from

    call_from(ADDRESS)
    import pika

    # at the first order: a recording that has begun by then has the connection whole
    @functools.cache
    def channel():
        host, port = MESH["rabbitmq"].split(":")
        opened = pika.BlockingConnection(pika.ConnectionParameters(host, int(port))).channel()
        opened.exchange_declare("shop", "topic")
        opened.confirm_delivery()
        return opened

    def publish(order, headers):
        properties = pika.BasicProperties(
            content_type="application/json", headers=headers, message_id=f"m-{secrets.token_hex(4)}", app_id="orders", delivery_mode=2
        )
        channel().basic_publish("shop", "order.placed", json.dumps(order).encode(), properties)

    thread = ThreadPoolExecutor(1)
    return lambda order, headers: asyncio.wrap_future(thread.submit(publish, order, headers))


async def checkout(request):
    order = await request.json()
    order_id = f"o-{secrets.token_hex(4)}"
    reserve = UnaryUnaryMethod(request.app["inventory"], "/shop.v1.Inventory/Reserve", inventory.ReserveRequest, inventory.Reservation)
    try:
        wanted = inventory.ReserveRequest(order_id=order_id, items=[inventory.Item(**item) for item in order["items"]])
        await reserve(wanted, metadata=onward(request), timeout=2)
    except GRPCError as refused:
        return web.json_response({"error": refused.message, "order": order_id}, status=409)
    prices = await asyncio.gather(*(call(request, "GET", "catalog", f"/products/{item['sku']}") for item in order["items"]))
    total = round(sum(item["quantity"] * p["price"] for item, (_, p) in zip(order["items"], prices)), 2)
    charge = {"order": order_id, "amount": total, "currency": "EUR", "card": {"last4": "4242", "token": "tok_demo_visa"}}
    for attempt in range(3):
        status, paid = await call(request, "POST", "payments", "/charges", charge | {"attempt": attempt + 1})
        if status == 402:
            return web.json_response({"error": "payment refused", "order": order_id}, status=402)
        if status == 201:
            placed = {"id": order_id, "customer": order["customer"], "items": order["items"], "total": total}
            await request.app["broker"](placed, onward(request))
            return web.json_response({"id": order_id, "total": total, "payment": paid["id"], "eta": "2 days"}, status=201)
        await asyncio.sleep(0.05 * 2**attempt)
    return web.json_response({"error": "payment is not available", "order": order_id}, status=502)


async def order_events(request):
    response = web.StreamResponse(headers={"content-type": "text/event-stream", "cache-control": "no-store"})
    await response.prepare(request)
    watch = UnaryStreamMethod(request.app["inventory"], "/shop.v1.Inventory/Watch", inventory.WatchRequest, inventory.OrderState)
    async with watch.open(metadata=onward(request)) as stream:
        await stream.send_message(inventory.WatchRequest(order_id=request.match_info["id"]), end=True)
        async for update in stream:
            state = inventory.OrderState.State.Name(update.state).removeprefix("STATE_").lower()
            await response.write(f"event: state\ndata: {{\"order\": \"{update.order_id}\", \"state\": \"{state}\"}}\n\n".encode())
    return response


async def products(request):
    await asyncio.sleep(0.004 if chance.random() < 0.7 else 0.45)
    response = web.json_response({"products": PRODUCTS, "page": int(request.query.get("page", 1)), "of": 4})
    response.enable_compression()
    return response


async def product(request):
    sku = request.match_info["sku"]
    for p in PRODUCTS:
        if p["sku"] == sku:
            return web.json_response(p)
    return web.json_response({"error": "no such product", "sku": sku}, status=404)


async def search(request):
    """XML, as older services speak it."""
    found = [p for p in PRODUCTS if request.query.get("q", "").lower() in p["name"].lower()]
    rows = "".join(f'<product sku="{p["sku"]}"><name>{p["name"]}</name><price>{p["price"]}</price></product>' for p in found)
    return web.Response(text=f'<?xml version="1.0"?><results count="{len(found)}">{rows}</results>', content_type="application/xml")


async def score(request):
    charge = await request.json()
    await asyncio.sleep(0.008)
    return web.json_response({"risk": 0.9 if charge["amount"] > 80 else 0.1})


ROUTES = {
    "orders": [web.post("/checkout", checkout), web.get("/orders/{id}/events", order_events)],
    "catalog": [web.get("/products", products), web.get("/products/{sku}", product), web.get("/search", search)],
    "fraud": [web.post("/score", score)],
}


async def client(app):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=(ADDRESS, 0))) as app["client"]:
        host, port = MESH["inventory"].split(":")
        app["inventory"] = LocalChannel(host, int(port))
        app["broker"] = broker() if ROLE == "orders" else None
        yield
        app["inventory"].close()


app = web.Application()
app.cleanup_ctx.append(client)
app.add_routes(ROUTES[ROLE])
web.run_app(app, host=ADDRESS, port=int(PORT), print=None, access_log=None, shutdown_timeout=0.1)
