"""gRPC calls of every kind by grpcio, written down as its side saw them. Usage: guest.py SERVER… (host:port)

TRUTH gets a line of JSON a call: id (the x-test-id metadata), server, method, status, and, where the call went its whole way,
requests and responses as proto3 JSON.
"""

import asyncio
import json
import os
import sys

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.json_format import MessageToDict

import kitchen_pb2
import kitchen_pb2_grpc

truth = open(os.environ["TRUTH"], "a", buffering=1)
count = 0


class Interceptor(grpc.aio.UnaryUnaryClientInterceptor):
    """As instrumentation does: one more field on every call."""

    async def intercept_unary_unary(self, continuation, details, request):
        metadata = (*(details.metadata or ()), ("x-intercepted", "yes"))
        return await continuation(details._replace(metadata=metadata), request)


def order(text, **fields):
    extra = any_pb2.Any()
    extra.Pack(kitchen_pb2.Dish(text="side"))
    return kitchen_pb2.Order(text=text, amounts={"salt": 1, "sugar": 2**40}, extra=extra, blob=bytes(range(5)), **fields)


def named(server, method):
    """An ID of its own and what goes with it."""
    global count
    count += 1
    trace = f"00-{count:032x}-{count:016x}-01"
    return {"id": f"py-{count}", "server": server, "method": f"/test.v1.Kitchen/{method}", "traceparent": trace}


def metadata(call):
    return (("x-test-id", call["id"]), ("traceparent", call["traceparent"]), ("x-blob-bin", b"\x00\xff"))


def tell(call, status, requests=None, responses=None):
    if requests is not None:
        call |= {"requests": [MessageToDict(m) for m in requests], "responses": [MessageToDict(m) for m in responses]}
    truth.write(json.dumps(call | {"status": status}) + "\n")


async def unary(stub, server, request, **options):
    call = named(server, "Cook")
    try:
        response = await stub.Cook(request, metadata=metadata(call), **options)
        tell(call, "OK", [request], [response])
    except grpc.aio.AioRpcError as error:
        tell(call, error.code().name)


async def streams(stub, server, **options):
    requests = [order(f"part {n}") for n in range(3)]

    async def slowly():
        for request in requests:
            await asyncio.sleep(0.005)
            yield request

    call = named(server, "Batch")
    tell(call, "OK", requests, [await stub.Batch(slowly(), metadata=metadata(call), **options)])
    call, request = named(server, "Courses"), order("many", count=4)
    tell(call, "OK", [request], [m async for m in stub.Courses(request, metadata=metadata(call), **options)])
    call = named(server, "Chat")
    tell(call, "OK", requests, [m async for m in stub.Chat(slowly(), metadata=metadata(call), **options)])
    call = named(server, "Courses")
    try:
        [m async for m in stub.Courses(order("fails", count=2, fail=5), metadata=metadata(call), **options)]
    except grpc.aio.AioRpcError as error:
        tell(call, error.code().name)


async def cancelled(stub, server):
    call = named(server, "Courses")
    stream = stub.Courses(order("endless", count=1000, delay=duration_pb2.Duration(nanos=2_000_000)), metadata=metadata(call))
    await stream.read()
    stream.cancel()
    tell(call, "CANCELLED")


async def main():
    for server in sys.argv[1:]:
        settings = [("grpc.keepalive_time_ms", 100), ("grpc.keepalive_permit_without_calls", 1)]
        async with grpc.aio.insecure_channel(server, options=settings, interceptors=[Interceptor()]) as channel:
            stub = kitchen_pb2_grpc.KitchenStub(channel)
            for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate):
                await unary(stub, server, order("soup"), compression=compression)
                await unary(stub, server, order("a long soup " * 4000), compression=compression)
                await streams(stub, server, compression=compression)
            await unary(stub, server, kitchen_pb2.Order())
            for code in (3, 5, 8, 13, 16):
                await unary(stub, server, order("fails", fail=code))
            await unary(stub, server, order("slow", delay=duration_pb2.Duration(seconds=1)), timeout=0.1)
            await cancelled(stub, server)
            await asyncio.gather(*(unary(stub, server, order(f"together {n}", delay=duration_pb2.Duration(nanos=n % 7 * 1_000_000))) for n in range(50)))


asyncio.run(main())
