"""The aiohttp half of the demo's shop: orders, catalog and fraud. Usage: shop.py ROLE ADDRESS:PORT

Each role listens on an address of its own and calls from it. Where the others are stands in MESH (name=address:port,…).
"""

import asyncio
import os
import random
import secrets
import sys

import aiohttp
from aiohttp import web

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


async def checkout(request):
    order = await request.json()
    order_id = f"o-{secrets.token_hex(4)}"
    status, stock = await call(request, "POST", "inventory", "/reservations", {"order": order_id, "items": order["items"]})
    if status != 201:
        return web.json_response({"error": "out of stock", "missing": stock["missing"]}, status=409)
    prices = await asyncio.gather(*(call(request, "GET", "catalog", f"/products/{item['sku']}") for item in order["items"]))
    total = round(sum(item["quantity"] * p["price"] for item, (_, p) in zip(order["items"], prices)), 2)
    charge = {"order": order_id, "amount": total, "currency": "EUR", "card": {"last4": "4242", "token": "tok_demo_visa"}}
    for attempt in range(3):
        status, paid = await call(request, "POST", "payments", "/charges", charge | {"attempt": attempt + 1})
        if status == 402:
            return web.json_response({"error": "payment refused", "order": order_id}, status=402)
        if status == 201:
            return web.json_response({"id": order_id, "total": total, "payment": paid["id"], "eta": "2 days"}, status=201)
        await asyncio.sleep(0.05 * 2**attempt)
    return web.json_response({"error": "payment is not available", "order": order_id}, status=502)


async def order_events(request):
    response = web.StreamResponse(headers={"content-type": "text/event-stream", "cache-control": "no-store"})
    await response.prepare(request)
    for n, state in enumerate(("accepted", "packed", "shipped")):
        await response.write(f"id: {n}\nevent: state\ndata: {{\"order\": \"{request.match_info['id']}\", \"state\": \"{state}\"}}\n\n".encode())
        await asyncio.sleep(0.35)
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
        yield


app = web.Application()
app.cleanup_ctx.append(client)
app.add_routes(ROUTES[ROLE])
web.run_app(app, host=ADDRESS, port=int(PORT), print=None, access_log=None, shutdown_timeout=0.1)
