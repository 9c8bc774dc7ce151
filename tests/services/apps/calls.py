"""gRPC calls of every shape. `calls.py serve PORT` answers them, `calls.py web PORT` answers gRPC-Web, in base64 too (sonora), and
`calls.py call PORT` makes them, one after the other on one connection. Messages are written by hand: field 1 is a text. Not a benchmark, and not a use of generated code."""
import sys
from concurrent import futures

import grpc

SERVICE = "shop.v1.Orders"


def text(words):
    return b"\x0a" + bytes([len(words)]) + words.encode()


def fail(request, context):
    context.abort(grpc.StatusCode.NOT_FOUND, "no such order: grün")


def listed(request, context):
    for n in range(3):
        yield text(f"item {n}")


def chat(requests, context):
    for request in requests:
        yield request
    context.set_trailing_metadata((("x-served-by", "calls.py"),))


METHODS = {
    "Get": grpc.unary_unary_rpc_method_handler(lambda request, context: text("order")),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Add": grpc.stream_unary_rpc_method_handler(lambda requests, context: text(f"{sum(1 for _ in requests)} added")),
    "List": grpc.unary_stream_rpc_method_handler(listed),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
}


def serve(port):
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, METHODS),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


def web(port):
    from wsgiref.simple_server import make_server

    from sonora.wsgi import grpcWSGI

    app = grpcWSGI(None)
    methods = {name: method._replace(request_deserializer=bytes, response_serializer=bytes) for name, method in METHODS.items()}
    app.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    make_server("127.0.0.1", port, app).serve_forever()


def call(port):
    trace = (("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),)
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        path = f"/{SERVICE}/".__add__
        get = channel.unary_unary(path("Get"))
        get(text("one"), metadata=trace, timeout=10)
        get(text("x" * 100), compression=grpc.Compression.Gzip)
        channel.stream_unary(path("Add"))(iter([text("a"), text("b"), b""]))
        list(channel.unary_stream(path("List"))(b""))
        list(channel.stream_stream(path("Chat"))(iter([text("hello"), text("bye")])))
        for method in ("Fail", "None"):
            try:
                channel.unary_unary(path(method))(b"")
            except grpc.RpcError:
                pass
        waiting = channel.stream_stream(path("Chat"))(iter([text("cancelled")]))
        next(waiting)
        waiting.cancel()


{"serve": serve, "web": web, "call": call}[sys.argv[1]](int(sys.argv[2]))
