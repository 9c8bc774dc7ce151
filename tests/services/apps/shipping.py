"""The demo's consumer: takes placed orders from RabbitMQ and has each picked up by the courier. Usage: shipping.py ADDRESS

Each third order finds no packer and is put back once. The trace context goes on to the courier. Where the others are stands in MESH.
"""

import http.client
import json
import os
import secrets
import signal
import sys

from here import call_from

ADDRESS = sys.argv[1]
call_from(ADDRESS)
import pika

MESH = dict(entry.split("=") for entry in os.environ["MESH"].split(","))
courier = http.client.HTTPConnection(*MESH["courier"].split(":"), source_address=(ADDRESS, 0))
seen = 0


def placed(channel, method, properties, body):
    global seen
    if not method.redelivered:
        seen += 1
        if seen % 3 == 2:
            return channel.basic_nack(method.delivery_tag, requeue=True)
    order = json.loads(body)
    version, trace, _, flags = properties.headers["traceparent"].split("-")
    headers = {"content-type": "application/json", "traceparent": f"{version}-{trace}-{secrets.token_hex(8)}-{flags}"}
    courier.request("POST", "/parcels", json.dumps({"order": order["id"], "weight": 0.25 * len(order["items"])}), headers)
    courier.getresponse().read()
    channel.basic_ack(method.delivery_tag)


host, port = MESH["rabbitmq"].split(":")
connection = pika.BlockingConnection(pika.ConnectionParameters(host, int(port)))
channel = connection.channel()
channel.exchange_declare("shop", "topic")
channel.queue_declare("shipping")
channel.queue_bind("shipping", "shop", "order.placed")
channel.basic_qos(prefetch_count=1)
channel.basic_consume("shipping", placed)
signal.signal(signal.SIGTERM, lambda *_: connection.add_callback_threadsafe(channel.stop_consuming))
print("waiting", flush=True)
channel.start_consuming()
courier.close()
connection.close()
