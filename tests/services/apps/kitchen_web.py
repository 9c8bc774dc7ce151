"""The kitchen as gRPC-Web, in binary and in base64, by sonora. Usage: kitchen_web.py PORT"""

import sys
from wsgiref.simple_server import make_server

import grpc
from sonora.wsgi import grpcWSGI

import kitchen_pb2
import kitchen_pb2_grpc


def dish(order, number):
    return kitchen_pb2.Dish(text=order.text.upper(), size=kitchen_pb2.Dish.LARGE, weights=[0.5, number], number=number)


class Kitchen(kitchen_pb2_grpc.KitchenServicer):
    def Cook(self, order, context):
        if order.fail:
            code = next(code for code in grpc.StatusCode if code.value[0] == order.fail)
            context.abort(code, f"as ordered: {order.fail}")
        return dish(order, 1)

    def Courses(self, order, context):
        for n in range(order.count):
            yield dish(order, n + 1)


app = grpcWSGI(None)
kitchen_pb2_grpc.add_KitchenServicer_to_server(Kitchen(), app)
make_server("127.0.0.1", int(sys.argv[1]), app).serve_forever()
