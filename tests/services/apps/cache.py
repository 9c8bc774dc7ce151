"""Commands by redis-py, each told to TRUTH with its answer. Usage: cache.py PORT 2|3 (the version of RESP), or PORT late FIFO: subscribes
first, and does the rest when FIFO says so."""

import json
import os
import sys

import redis

port, version = int(sys.argv[1]), sys.argv[2]
truth = open(os.environ["TRUTH"], "a", buffering=1)


def tell(operation, args, ok=True, **more):
    truth.write(json.dumps({"operation": operation, "args": args, "ok": ok, **more}) + "\n")


def run(client, *words, words_of_name=1):
    """One command, as it is written."""
    name, args = " ".join(words[:words_of_name]), [str(word) for word in words[words_of_name:]]
    try:
        answer = client.execute_command(name, *args)
    except redis.ResponseError as error:
        return tell(name, args, ok=False, error=str(error))
    tell(name, args, value=answer)


def deliver(subscriber, count):
    """So many messages, told as they come."""
    while count:
        message = subscriber.get_message(ignore_subscribe_messages=False, timeout=10)
        if message is None:
            sys.exit("no message came")
        if message["type"] in ("message", "pmessage"):
            more = {"pattern": message["pattern"]} if message["pattern"] else {}
            truth.write(json.dumps({"deliver": message["channel"], "value": message["data"], **more}) + "\n")
        count -= 1


if version == "late":
    subscriber = redis.Redis(port=port, decode_responses=True).pubsub()
    subscriber.subscribe("late")
    subscriber.get_message(timeout=10)
    open(sys.argv[3]).read()
    sender = redis.Redis(port=port, decode_responses=True)
    for n in range(5):
        run(sender, "PUBLISH", "late", f"message {n}")
    deliver(subscriber, 5)
    sys.exit()

client = redis.Redis(port=port, protocol=int(version), decode_responses=True)
k = f"py{version}"
run(client, "SET", f"{k}:a", "grün")
run(client, "GET", f"{k}:a")
run(client, "GET", f"{k}:missing")
run(client, "LPUSH", f"{k}:a", "x")
run(client, "RPUSH", f"{k}:list", "one", "two", "three")
run(client, "LRANGE", f"{k}:list", 0, -1)
run(client, "BLPOP", f"{k}:list", 1)
run(client, "SET", f"{k}:long", "long " * 100_000)
run(client, "STRLEN", f"{k}:long")
run(client, "OBJECT", "ENCODING", f"{k}:a", words_of_name=2)
run(client, "XADD", f"{k}:stream", "1-1", "kind", "placed")
run(client, "XGROUP", "CREATE", f"{k}:stream", "workers", 0, words_of_name=2)
client.xreadgroup("workers", "w1", {f"{k}:stream": ">"}, count=1)
tell("XREADGROUP", ["GROUP", "workers", "w1", "COUNT", "1", "STREAMS", f"{k}:stream", ">"])
run(client, "XACK", f"{k}:stream", "workers", "1-1")

# 200 commands in one write, in a transaction and without one
for transaction in (False, True):
    with client.pipeline(transaction=transaction) as pipe:
        for n in range(200):
            pipe.set(f"{k}:{transaction}:{n}", f"value {n}")
        answers = pipe.execute()
    assert answers == [True] * 200
    for n in range(200):
        tell("SET", [f"{k}:{transaction}:{n}", f"value {n}"], status="QUEUED" if transaction else "OK")

subscriber = client.pubsub()
subscriber.subscribe(f"{k}:news", f"{k}:more")
subscriber.psubscribe(f"{k}:n*")
deliver(subscriber, 3)
run(client, "PUBLISH", f"{k}:news", '{"n":1}')
run(client, "PUBLISH", f"{k}:more", "two")
deliver(subscriber, 3)
subscriber.unsubscribe()
subscriber.punsubscribe()
deliver(subscriber, 3)
tell("SUBSCRIBE", [f"{k}:news", f"{k}:more"])
tell("PSUBSCRIBE", [f"{k}:n*"])
