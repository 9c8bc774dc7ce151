"""An aiohttp server with a route for each kind of answer that HTTP/1.1 knows. Usage: kitchen.py PORT NEXT

NEXT is the address of a server that /chain calls in turn, with the caller's trace context passed on. What it calls itself
goes as a line of JSON to the file named by TRUTH.
"""

import asyncio
import json
import os
import secrets
import sys

import aiohttp
import brotli
from aiohttp import web

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PORT, NEXT = int(sys.argv[1]), sys.argv[2]
ITEMS = [{"sku": f"sku-{n}", "name": f"Teekanne № {n}", "price": 19.90 + n, "stock": n * 7 % 13} for n in range(40)]
ENCODERS = {
    "br": brotli.compress,
    "zstd": zstd.compress,
}


def truth(**line):
    with open(os.environ["TRUTH"], "a") as f:
        f.write(json.dumps(line) + "\n")


async def items(request):
    text = json.dumps({"items": ITEMS, "big": 12345678901234567890, "exact": 1.10}, ensure_ascii=False)
    coding = request.query.get("coding")
    if coding in ENCODERS:
        headers = {"content-type": "application/json", "content-encoding": coding}
        return web.Response(body=ENCODERS[coding](text.encode()), headers=headers)
    response = web.Response(text=text, content_type="application/json")
    if coding:
        response.enable_compression(web.ContentCoding(coding))
    return response


async def echo(request):
    body = await request.read()
    return web.Response(body=body, headers={"content-type": request.headers.get("content-type", "application/octet-stream")})


async def upload(request):
    sizes = {}
    async for part in await request.multipart():
        sizes[part.name] = len(await part.read())
    return web.json_response(sizes)


async def status(request):
    code = int(request.match_info["code"])
    return web.Response(status=code) if code in (204, 304) else web.json_response({"status": code}, status=code)


async def fail(request):
    raise RuntimeError("an error of the service's own")


async def chunks(request):
    response = web.StreamResponse(headers={"content-type": "text/plain; charset=utf-8"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    for n in range(5):
        await response.write(f"Stück {n}\n".encode())
        await asyncio.sleep(0.005)
    return response


async def events(request):
    response = web.StreamResponse(headers={"content-type": "text/event-stream", "cache-control": "no-cache"})
    await response.prepare(request)
    for n in range(3):
        await response.write(f"id: {n}\nevent: tick\ndata: {{\"n\": {n}}}\n\n".encode())
        await asyncio.sleep(0.02)
    return response


async def websocket(request):
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    async for message in ws:
        await ws.send_str(message.data.upper())
    return ws


async def chain(request):
    ctx = {k: v for k, v in request.headers.items() if k in ("tracestate", "baggage", "x-test-id")}
    version, trace_id, _, flags = request.headers["traceparent"].split("-")
    ctx["traceparent"] = f"{version}-{trace_id}-{secrets.token_hex(8)}-{flags}"
    async with request.app["client"].get(f"http://{NEXT}/items", headers=ctx) as answer:
        body = await answer.text()
        truth(id=ctx["x-test-id"], server=NEXT, method="GET", target="/items", status=answer.status, response=body, traceparent=ctx["traceparent"])
    return web.json_response({"from": "next", "length": len(body)})


async def client(app):
    async with aiohttp.ClientSession() as app["client"]:
        yield


app = web.Application()
app.cleanup_ctx.append(client)
app.router.add_get("/items", items)
app.router.add_route("*", "/echo", echo)
app.router.add_post("/upload", upload)
app.router.add_get("/status/{code}", status)
app.router.add_get("/fail", fail)
app.router.add_get("/moved", lambda request: web.HTTPFound("/items"))
app.router.add_get("/chunks", chunks)
app.router.add_get("/events", events)
app.router.add_get("/ws", websocket)
app.router.add_get("/chain", chain)
web.run_app(app, host="127.0.0.1", port=PORT, print=None, access_log=None, shutdown_timeout=0.1)
