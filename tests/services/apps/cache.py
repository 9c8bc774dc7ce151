"""Commands by redis-py, each told to TRUTH with its answer. Usage: cache.py PORT 2|3 (the version of RESP), or PORT late FIFO: subscribes
first, and does the rest when FIFO says so."""

import json
import os
import sys
import threading

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

# a thousand commands in one write, and their answers
with client.pipeline(transaction=False) as pipe:
    for n in range(1000):
        pipe.incrby(f"{k}:sum", n)
    answers = pipe.execute()
for n, answer in enumerate(answers):
    tell("INCRBY", [f"{k}:sum", str(n)], value=answer)

# a transaction that another client's write undoes, and one that is dropped
other = redis.Redis(port=port, decode_responses=True)
with client.pipeline() as pipe:
    pipe.watch(f"{k}:a")
    tell("WATCH", [f"{k}:a"], status="OK")
    run(other, "SET", f"{k}:a", "changed")
    pipe.multi()
    pipe.get(f"{k}:a")
    try:
        pipe.execute()
    except redis.WatchError:
        tell("GET", [f"{k}:a"], status="QUEUED")
single = redis.Redis(port=port, protocol=int(version), decode_responses=True, single_connection_client=True)
run(single, "MULTI")
run(single, "NOSUCH")
run(single, "EXEC")

# scripts
run(client, "EVAL", "return {KEYS[1], ARGV[1], 3}", 1, "key", "argument")
run(client, "EVAL", "return redis.error_reply('MINE not today')", 0)
digest = client.execute_command("SCRIPT LOAD", "return 7")
tell("SCRIPT LOAD", ["return 7"], value=digest)
run(client, "EVALSHA", digest, 0)

# one that is kept waiting until another client sends what it waits for, and one that nobody serves
answers = []
waits = threading.Thread(target=lambda: answers.append(single.execute_command("BLPOP", f"{k}:jobs", 0)))
waits.start()
while other.execute_command("INFO", "clients")["blocked_clients"] == 0:
    pass
run(other, "RPUSH", f"{k}:jobs", "job 1")
waits.join()
tell("BLPOP", [f"{k}:jobs", "0"], value=answers[0])
tell("XREAD", ["BLOCK", "10", "STREAMS", f"{k}:none", "$"], value=client.execute_command("XREAD", "BLOCK", 10, "STREAMS", f"{k}:none", "$") or None)

# what is kept by the client is told to be no longer so: by a push
if version == "3":
    run(single, "CLIENT", "TRACKING", "ON", words_of_name=2)
    run(single, "GET", f"{k}:a")
    run(other, "SET", f"{k}:a", "changed again")
    single.ping()
    tell("PING", [], status="PONG")
    truth.write(json.dumps({"push": "invalidate", "value": f"{k}:a"}) + "\n")

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
