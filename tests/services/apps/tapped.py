"""What a tap is tried on. Usage: tapped.py RABBITMQ MANAGEMENT declare | post N RUN | flood N RUN | nested DEPTH | trace |
user NAME PASSWORD [CONFIGURE] | policy DEFINITION | exchange NAME TYPE [OPTIONS] | delete EXCHANGE | join SOURCE EXCHANGE KEY |
queue NAME EXCHANGE | publish EXCHANGE KEY ID [CC] | bytes N RUN | count QUEUE | there EXCHANGE | state."""

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


def bytes_(count, run):
    """Publishes messages of which every tenth has an ID and a key that are no text."""
    connection = connect()
    channel = connection.channel()
    for n in range(count):
        properties = pika.BasicProperties(message_id=f"{run}.{n}", correlation_id="c", headers={"b": b"\xff", "a": "é"})
        key = b"k"
        if n % 10 == 0:
            # pika writes bytes of its own accord where it is given any
            properties.correlation_id = key = b"\xff\xfe\x80"
        channel.basic_publish("shop", key, b"{}", properties)
    connection.close()
    print("published", flush=True)


def done(what, word="done"):
    """Does something on a channel."""
    connection = connect()
    answer = what(connection.channel())
    connection.close()
    print(word if answer is None else answer, flush=True)


def publish(exchange, key, message_id, cc=None):
    properties = pika.BasicProperties(message_id=message_id, headers={"CC": [cc]} if cc else None)
    done(lambda channel: channel.basic_publish(exchange, key, b"{}", properties))


def queue(name, exchange):
    def make(channel):
        channel.queue_declare(name)
        channel.queue_bind(name, exchange, "#")

    done(make)


def there(exchange):
    """Whether it is there, by AMQP alone."""
    try:
        done(lambda channel: channel.exchange_declare(exchange, passive=True) and None, "there")
    except pika.exceptions.ChannelClosedByBroker:
        print("gone", flush=True)


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


def user(name, password, configure=".*"):
    """Makes a user who may do what a tap does, unless told otherwise."""
    request(f"users/{name}", "PUT", json.dumps({"password": password, "tags": "management"}).encode())
    request(f"permissions/%2f/{name}", "PUT", json.dumps({"configure": configure, "write": ".*", "read": ".*"}).encode())
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
        user(*sys.argv[4:])
    case "policy":
        policy = {"pattern": ".*", "definition": json.loads(sys.argv[4]), "apply-to": "queues"}
        request("policies/%2f/all", "PUT", json.dumps(policy).encode())
        print("made", flush=True)
    case "exchange":
        options = json.loads(sys.argv[6]) if len(sys.argv) > 6 else {}
        done(lambda channel: channel.exchange_declare(sys.argv[4], sys.argv[5], **options) and None)
    case "delete":
        done(lambda channel: channel.exchange_delete(sys.argv[4]) and None)
    case "join":
        done(lambda channel: channel.exchange_bind(sys.argv[5], sys.argv[4], sys.argv[6]) and None)
    case "queue":
        queue(*sys.argv[4:])
    case "publish":
        publish(*sys.argv[4:])
    case "bytes":
        bytes_(int(sys.argv[4]), sys.argv[5])
    case "count":
        done(lambda channel: channel.queue_declare(sys.argv[4], passive=True).method.message_count)
    case "there":
        there(sys.argv[4])
    case "state":
        state()
