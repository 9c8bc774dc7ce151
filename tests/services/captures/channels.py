"""Channels of Redis: a subscriber in RESP2 and one in RESP3, patterns, and what caches are told. Usage: channels.py PORT"""

import sys

import redis

port = int(sys.argv[1])


def take(subscriber, count):
    while count:
        if subscriber.get_message(timeout=5):
            count -= 1


sender = redis.Redis(port=port)
for version in (2, 3):
    subscriber = redis.Redis(port=port, protocol=version).pubsub()
    subscriber.subscribe("news", "weather")
    subscriber.psubscribe("n*")
    take(subscriber, 3)
    sender.publish("news", '{"version": %d}' % version)
    sender.publish("weather", b"\xff\x00 cold")
    take(subscriber, 3)
    subscriber.ping()
    take(subscriber, 1)
    subscriber.unsubscribe()
    subscriber.punsubscribe("n*")
    take(subscriber, 3)
    subscriber.close()

cache = redis.Redis(port=port, protocol=3, single_connection_client=True)
cache.execute_command("CLIENT", "TRACKING", "ON")
cache.get("cached")
sender.set("cached", 1)
cache.ping()
cache.close()
sender.close()
