"""A shop that orders by RabbitMQ: `messages`, whatever may become of them, or `errors`. Usage: shop.py PORT WHAT"""
import sys

import pika

# small frames, so that a body takes several
parameters = pika.ConnectionParameters("127.0.0.1", int(sys.argv[1]), frame_max=4096, heartbeat=0)
connection = pika.BlockingConnection(parameters)
channel = connection.channel()


def publish(exchange, key, body, mandatory=False, **properties):
    properties = {"content_type": "application/json", "delivery_mode": 2, **properties}
    try:
        channel.basic_publish(exchange, key, body, pika.BasicProperties(**properties), mandatory=mandatory)
    except pika.exceptions.UnroutableError:
        pass


def messages():
    channel.exchange_declare("shop", "topic")
    channel.queue_declare("billing")
    channel.queue_bind("billing", "shop", "order.#")
    trace = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "attempt": 1, "tags": ["a", {"b": None}]}
    publish("shop", "order.placed", b'{"order": 1, "password": "not-a-real-password"}', headers=trace, correlation_id="c-1", message_id="m-1")
    channel.confirm_delivery()
    publish("shop", "order.paid", b'{"lines": [%s]}' % b", ".join(b'"line %d"' % n for n in range(500)), message_id="m-2")
    publish("shop", "nobody.listens", b'{"order": 3}', mandatory=True, message_id="m-3")
    publish("", "billing", b"plain text", content_type="text/plain", message_id="m-4")
    method, _, _ = channel.basic_get("billing")
    channel.basic_nack(method.delivery_tag, requeue=True)
    channel.basic_qos(prefetch_count=3)
    tags = []
    for method, properties, _ in channel.consume("billing", inactivity_timeout=60):
        if properties.message_id == "m-1":
            channel.basic_reject(method.delivery_tag, requeue=False)
        else:
            tags.append(method.delivery_tag)
        if len(tags) == 2:
            channel.basic_ack(tags[-1], multiple=True)
            break
    channel.cancel()
    channel.basic_get("billing")
    publish("", "billing", b"not looked at", message_id="m-5")
    channel.basic_get("billing")
    connection.close()


def errors():
    global channel
    for cause in [
        lambda: channel.queue_declare("missing", passive=True),
        lambda: channel.basic_get("missing"),
        lambda: channel.basic_consume("missing", lambda *_: None),
        lambda: publish("missing", "key", b"{}"),
        lambda: channel.basic_ack(99),
    ]:
        try:
            cause()
            while channel.is_open:
                connection.process_data_events(time_limit=1)
        except pika.exceptions.ChannelClosedByBroker:
            pass
        channel = connection.channel()
    connection.close()
    wrong = pika.ConnectionParameters("127.0.0.1", int(sys.argv[1]), virtual_host="nowhere", heartbeat=0)
    try:
        pika.BlockingConnection(wrong)
    except pika.exceptions.AMQPConnectionError:
        pass


{"messages": messages, "errors": errors}[sys.argv[2]]()
