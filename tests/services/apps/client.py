"""Clients of Python: aiohttp, and curl with the options that people use. Usage: client.py AIOHTTP EXPRESS NGINX (addresses)

Every exchange goes as a line of JSON to the file named by TRUTH.
"""

import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile

import aiohttp

AIOHTTP, EXPRESS, NGINX = sys.argv[1:]
count = 0


def truth(**line):
    with open(os.environ["TRUTH"], "a") as f:
        f.write(json.dumps(line) + "\n")


def name(kind):
    global count
    count += 1
    return f"{kind}-{count}"


def curl(server, *targets, args=(), method="GET", statuses=(200,), stdin=None):
    """Runs curl once over all targets; one line of truth for each answer it reports."""
    ident = name("curl")
    with tempfile.TemporaryDirectory() as folder:
        urls = [a for n, t in enumerate(targets) for a in (f"http://{server}{t}", "-o", f"{folder}/{n}")]
        command = ["curl", "-sS", "-w", "%{http_code} %{size_download}\\n", "-H", f"x-test-id: {ident}", *args, *urls]
        done = subprocess.run(command, input=stdin, capture_output=True)
        answers = [tuple(map(int, line.split())) for line in done.stdout.decode().splitlines()]
        assert [a[0] for a in answers] == list(statuses), (command, answers, done.stderr)
        for target, (status, size) in zip(targets, answers):
            truth(id=ident, server=server, method=method, target=target, status=status, bytes=size)


def curls(server):
    curl(server, "/items")
    curl(server, "/items", "/status/404", "/chunks", "/items?page=2", statuses=(200, 404, 200, 200))
    curl(server, "/items", args=["--compressed"])
    curl(server, "/items", args=["-I"], method="HEAD")
    curl(server, "/items", args=["-0"])
    curl(server, "/status/500", statuses=(500,))
    curl(server, "/status/204", statuses=(204,))
    curl(server, "/moved", statuses=(302,))
    curl(server, "/echo", args=["--json", '{"a": 1.0, "b": [true, null], "a": 12345678901234567890}'], method="POST")
    curl(server, "/echo", args=["-d", "user=alice&password=hunter2&note=a+b%26c"], method="POST")
    curl(server, "/echo", args=["-X", "PUT", "-d", "x" * 20], method="PUT")
    curl(server, "/echo", args=["-X", "DELETE"], method="DELETE")
    curl(server, "/echo", args=["-H", "expect: 100-continue", "--data-binary", "@-"], method="POST", stdin=b"y" * 3000)
    curl(server, "/echo", args=["-H", "content-type: text/plain", "-T", "-"], method="PUT", stdin=b"line\n" * 700)
    curl(server, "/echo", args=["-u", "alice:secret", "-b", "session=not-a-real-session"])
    curl(server, "/echo", args=["--data-binary", "@-"], method="POST", stdin=bytes(range(256)) * 4)


async def sessions():
    async with aiohttp.ClientSession() as session:
        async def one(server, method, target, **options):
            ident = name("aiohttp")
            headers = {"x-test-id": ident, "traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"}
            async with session.request(method, f"http://{server}{target}", headers=headers, allow_redirects=False, **options) as answer:
                text = await answer.text()
                sent = json.dumps(options["json"]) if "json" in options else None
                truth(id=ident, server=server, method=method, target=target, status=answer.status, request=sent, response=text,
                      traceparent=headers["traceparent"])

        for coding in ("gzip", "deflate", "br", "zstd"):
            await one(AIOHTTP, "GET", f"/items?coding={coding}")
        await one(AIOHTTP, "GET", "/fail")
        await asyncio.gather(*(one(s, "POST", f"/echo?n={n}", json={"n": n, "list": list(range(n))}) for n in range(20) for s in (AIOHTTP, EXPRESS)))
        form = aiohttp.FormData()
        form.add_field("comment", "grün")
        form.add_field("file", b"\x89PNG\r\n\x1a\n" + bytes(500), filename="dot.png", content_type="image/png")
        await one(AIOHTTP, "POST", "/upload", data=form)


for server in (AIOHTTP, EXPRESS):
    curls(server)
curl(NGINX, "/index.html", args=["-r", "10-19"], statuses=(206,))
curl(NGINX, "/big.txt")
curl(NGINX, "/big.txt", args=["--compressed"])
asyncio.run(sessions())
