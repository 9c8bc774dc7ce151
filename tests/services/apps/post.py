"""Publishes to RabbitMQ and consumes from it by pika; tells what it saw in $TRUTH. Usage: post.py PORT"""
import datetime
import decimal
import json
import os
import sys

import pika
from google.protobuf.json_format import MessageToDict

import kitchen_pb2

truth = open(os.environ["TRUTH"], "a")
connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", int(sys.argv[1]), heartbeat=0))
channel = connection.channel()
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def tell(kind, operation, **more):
    truth.write(json.dumps({"kind": kind, "operation": operation, **more}) + "\n")
    truth.flush()


def publish(id, key, body, status, exchange="pika", mandatory=False, value=None, **properties):
    operation = f"publish {exchange or '(default)'} {key}".strip()
    more = {"properties": {"message_id": id, **{k: v for k, v in properties.items() if k != "headers"}}}
    tell("publish", operation, id=id, bytes=len(body), status=status, traceparent=properties.get("headers", {}).get("traceparent"), value=value,
         **more)
    try:
        channel.basic_publish(exchange, key, body, pika.BasicProperties(message_id=id, **properties), mandatory=mandatory)
    except pika.exceptions.UnroutableError:
        assert status == "returned", id


def delivered(method, properties, body, status, queue="pika.q", kind="deliver", value=None):
    more = {"status": status, "redelivered": method.redelivered, "value": value}
    tell(kind, f"{kind} {queue}", id=properties.message_id, bytes=len(body), **more)


channel.exchange_declare("pika", "topic")
channel.queue_declare("pika.q")
channel.queue_bind("pika.q", "pika", "order.#")
everything = {
    "traceparent": TRACE, "yes": True, "no": False, "small": 7, "big": 2**40, "less": -3, "money": decimal.Decimal("12.34"),
    "bytes": b"\x00\xff", "when": datetime.datetime(2026, 11, 21), "nothing": None, "list": [1, "two", [3]], "map": {"a": {"b": 1}},
}
publish("py-0", "order.placed", b'{"order": 1}', None, content_type="application/json", content_encoding="utf-8", headers=everything,
        delivery_mode=2, priority=3, correlation_id="c-1", reply_to="answers", expiration="60000", timestamp=1795245663, type="order",
        user_id="guest", app_id="post.py", cluster_id="none")
publish("py-1", "order.placed", b"", None)
publish("py-2", "nobody.listens", b"gone", None)
publish("py-3", "order.big", b"x" * 300_000, None, headers={"traceparent": TRACE})
# so many that they are on their way at once: nobody confirms them, and all come back
for n in range(300):
    publish(f"py-lost-{n}", "pika.nowhere", b"lost", "returned", exchange="", mandatory=True)
publish("py-hidden", "nobody.listens", b"back", "returned", mandatory=True, headers={"BCC": ["pika.nowhere"], "a": 1})
channel.confirm_delivery()
publish("py-hidden-2", "nobody.listens", b"back", "returned", mandatory=True, headers={"BCC": ["pika.nowhere"]})
publish("py-4", "order.confirmed", b"yes", "ack")
publish("py-5", "nobody.listens", b"back", "returned", mandatory=True)
publish("py-6", "pika.q", b"by name", "ack", exchange="", mandatory=True)

# two by get, the first one back to the queue
method, properties, body = channel.basic_get("pika.q")
delivered(method, properties, body, "nack", kind="get")
channel.basic_nack(method.delivery_tag, requeue=True)
method, properties, body = channel.basic_get("pika.q", auto_ack=True)
assert method.redelivered
delivered(method, properties, body, "auto", kind="get")

# py-1 is refused, py-3 goes back once, the rest is acknowledged at once
seen, held = set(), []
for method, properties, body in channel.consume("pika.q", inactivity_timeout=60):
    id = properties.message_id
    if id == "py-1":
        delivered(method, properties, body, "reject")
        channel.basic_reject(method.delivery_tag, requeue=False)
    elif id == "py-3" and id not in seen:
        delivered(method, properties, body, "nack")
        channel.basic_nack(method.delivery_tag, requeue=True)
    else:
        delivered(method, properties, body, "ack")
        held.append((id, method.delivery_tag))
    seen.add(id)
    if sorted(id for id, _ in held) == ["py-3", "py-4", "py-6"]:
        channel.basic_ack(max(tag for _, tag in held), multiple=True)
        break
channel.cancel()
assert channel.basic_get("pika.q") == (None, None, None)
tell("ask", "get pika.q", status="empty")

# in transactions: one is committed, with a message that comes back, one rolled back, and what was acknowledged in it is again later
confirmed, channel = channel, connection.channel()
channel.tx_select()
publish("py-8", "order.kept", b"kept", "ack")
publish("py-9", "nobody.listens", b"back", "returned", mandatory=True)
channel.tx_commit()
publish("py-10", "order.dropped", b"dropped", "rollback")
method, properties, body = channel.basic_get("pika.q")
delivered(method, properties, body, "ack", kind="get")
channel.basic_ack(method.delivery_tag)
channel.tx_rollback()
assert channel.basic_get("pika.q") == (None, None, None)
tell("ask", "get pika.q", status="empty")
channel.basic_ack(method.delivery_tag)
channel.tx_commit()
channel.close()
channel = confirmed

# messages that only the exchange tells to be test.v1.Order: nothing of their own does
channel.exchange_declare("pika.orders", "fanout")
channel.queue_declare("pika.orders.q")
channel.queue_bind("pika.orders.q", "pika.orders")
orders = [kitchen_pb2.Order(text=f"order {n}", count=n, amounts={"salt": 2**40}, blob=b"\x00\xff") for n in range(3)]
for n, order in enumerate(orders):
    publish(f"py-order-{n}", "", order.SerializeToString(), "ack", exchange="pika.orders", value=MessageToDict(order))
method, properties, body = channel.basic_get("pika.orders.q", auto_ack=True)
delivered(method, properties, body, "auto", "pika.orders.q", "get", MessageToDict(orders[0]))
taken = 1
for method, properties, body in channel.consume("pika.orders.q", inactivity_timeout=60):
    delivered(method, properties, body, "ack", "pika.orders.q", value=MessageToDict(orders[taken]))
    channel.basic_ack(method.delivery_tag)
    taken += 1
    if taken == len(orders):
        break
channel.cancel()
try:
    channel.queue_declare("pika.missing", passive=True)
except pika.exceptions.ChannelClosedByBroker as error:
    assert error.reply_code == 404
    tell("ask", "queue.declare pika.missing", status="NOT_FOUND")
channel = connection.channel()
try:
    channel.queue_declare("pika.q", durable=True)
except pika.exceptions.ChannelClosedByBroker as error:
    assert error.reply_code == 406
    tell("ask", "queue.declare pika.q", status="PRECONDITION_FAILED")
# nothing answers this one but that the channel is closed because of it
channel = connection.channel()
publish("py-7", "any", b"nowhere", "NOT_FOUND", exchange="pika.none")
while channel.is_open:
    connection.process_data_events(time_limit=1)
connection.close()
