"""What a tap is tried on. Usage: tapped.py RABBITMQ MANAGEMENT declare | post N RUN | flood N RUN | nested DEPTH | trace |
user NAME PASSWORD | state."""

import base64
import json
import sys
import threading
import urllib.request

import pika

PORT, MANAGEMENT, WHAT = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
# each exchange with its type, and the keys by which its queue is bound
EXCHANGES = {"shop": ("topic", ["order.#"]), "jobs": ("direct", ["mail", "print"]), "news": ("fanout", [""]), "files": ("headers", [""])}


def connect():
    return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", PORT))


def declare():
    connection = connect()
    channel = connection.channel()
    for exchange, (kind, keys) in EXCHANGES.items():
        channel.exchange_declare(exchange, kind, durable=True)
        channel.queue_declare(f"all.{exchange}", durable=True)
        for key in keys:
            channel.queue_bind(f"all.{exchange}", exchange, key, {"x-match": "all", "kind": "image"} if kind == "headers" else None)
    connection.close()


class Consumer(threading.Thread):
    """Takes from all queues until it is told to stop."""

    def __init__(self, wanted, taken):
        super().__init__(daemon=True)
        self.wanted, self.taken = wanted, taken

    def run(self):
        connection = connect()
        channel = connection.channel()
        channel.basic_qos(prefetch_count=5)

        def take(channel, method, properties, body):
            self.taken.append(properties.message_id)
            channel.basic_ack(method.delivery_tag)

        for exchange in EXCHANGES:
            channel.basic_consume(f"all.{exchange}", take)
        while len(self.taken) < self.wanted:
            connection.process_data_events(0.05)
        connection.close()


def post(count, run):
    taken, published = [], []
    consumers = [Consumer(count * len(EXCHANGES), taken) for _ in range(2)]
    for consumer in consumers:
        consumer.start()
    connection = connect()
    channel = connection.channel()
    channel.confirm_delivery()
    for n in range(count):
        for exchange, (kind, keys) in EXCHANGES.items():
            key = keys[n % len(keys)].replace("#", "placed")
            headers = {"kind": "image", "n": n, "traceparent": f"00-{n + 1:032x}-00f067aa0ba902b7-01"}
            properties = pika.BasicProperties(
                content_type="application/json", message_id=f"{run}.{exchange}.{n}", headers=headers, delivery_mode=2, app_id="tapped"
            )
            channel.basic_publish(exchange, key, json.dumps({"n": n}).encode(), properties)
            published.append({"id": properties.message_id, "exchange": exchange, "key": key})
    connection.close()
    for consumer in consumers:
        consumer.join()
    print(json.dumps({"published": published, "taken": sorted(taken)}), flush=True)


def flood(count, run):
    """Publishes as fast as it can, to one exchange, what nobody takes."""
    connection = connect()
    channel = connection.channel()
    for n in range(count):
        channel.basic_publish("news", "", b"{}", pika.BasicProperties(message_id=f"{run}.{n}"))
    # the answer to a question comes behind all that was said before it
    channel.queue_purge("all.news")
    connection.close()
    print("published", flush=True)


def nested(depth):
    """Publishes a message whose headers lie this deep in one another."""

    def publish():
        headers = {}
        for _ in range(depth):
            headers = {"a": headers}
        connection = connect()
        connection.channel().basic_publish("news", "", b"deep", pika.BasicProperties(headers=headers))
        connection.close()

    sys.setrecursionlimit(10 * depth)
    threading.stack_size(512 << 20)
    publisher = threading.Thread(target=publish)
    publisher.start()
    publisher.join()
    channel = connect().channel()
    while channel.basic_get("all.news", auto_ack=True) == (None, None, None):
        pass
    print("published", flush=True)


def request(path, method="GET", body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{MANAGEMENT}/api/{path}", body, method=method)
    request.add_header("Authorization", "Basic " + base64.b64encode(b"guest:guest").decode())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def ask(path):
    return json.loads(request(path))


def trace():
    """Has the virtual host traced, as somebody else would."""
    request("vhosts/%2f", "PUT", b'{"tracing":true}')
    print("traced", flush=True)


def user(name, password):
    """Makes a user who may do what a tap does."""
    request(f"users/{name}", "PUT", json.dumps({"password": password, "tags": "management"}).encode())
    request(f"permissions/%2f/{name}", "PUT", b'{"configure":".*","write":".*","read":".*"}')
    print("made", flush=True)


def state():
    columns = {"exchanges": "name,type,durable,auto_delete", "queues": "name,durable", "bindings": "source,destination,routing_key"}
    told = {of: sorted(map(json.dumps, ask(f"{of}/%2f?columns={names}"))) for of, names in columns.items()}
    print(json.dumps(told | {"tracing": ask("vhosts/%2f")["tracing"]}), flush=True)


match WHAT:
    case "declare":
        declare()
    case "post":
        post(int(sys.argv[4]), sys.argv[5])
    case "flood":
        flood(int(sys.argv[4]), sys.argv[5])
    case "nested":
        nested(int(sys.argv[4]))
    case "trace":
        trace()
    case "user":
        user(sys.argv[4], sys.argv[5])
    case "state":
        state()
