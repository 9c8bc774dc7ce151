"""A gRPC server by grpcio: every kind of call, failures with details, compression. Usage: kitchen_grpc.py PORT"""

import asyncio
import sys

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

import kitchen_pb2
import kitchen_pb2_grpc


def dish(order, number):
    return kitchen_pb2.Dish(text=order.text.upper(), size=kitchen_pb2.Dish.LARGE, weights=[0.5, number], number=number)


async def serve(order, context):
    await asyncio.sleep(order.delay.ToTimedelta().total_seconds())
    if order.fail == code_pb2.RESOURCE_EXHAUSTED:
        reason = any_pb2.Any()
        reason.Pack(error_details_pb2.ErrorInfo(reason="OVEN_FULL", domain="kitchen.test"))
        status = status_pb2.Status(code=order.fail, message="the oven is full – später", details=[reason])
        details = (("grpc-status-details-bin", status.SerializeToString()),)
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, status.message, details)
    elif order.fail:
        code = next(code for code in grpc.StatusCode if code.value[0] == order.fail)
        await context.abort(code, f"as ordered: {order.fail}")


class Kitchen(kitchen_pb2_grpc.KitchenServicer):
    async def Cook(self, order, context):
        await context.send_initial_metadata((("x-kitchen", "py"),))
        await serve(order, context)
        context.set_trailing_metadata((("x-served", "1"),))
        return dish(order, 1)

    async def Batch(self, orders, context):
        texts = []
        async for order in orders:
            await serve(order, context)
            texts.append(order.text)
        return kitchen_pb2.Dish(text="+".join(texts), number=len(texts))

    async def Courses(self, order, context):
        for n in range(order.count):
            await serve(order, context)
            yield dish(order, n + 1)

    async def Chat(self, orders, context):
        n = 0
        async for order in orders:
            n += 1
            await serve(order, context)
            yield dish(order, n)


async def main():
    server = grpc.aio.server(compression=grpc.Compression.Gzip)
    kitchen_pb2_grpc.add_KitchenServicer_to_server(Kitchen(), server)
    server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    await server.start()
    await server.wait_for_termination()


asyncio.run(main())
