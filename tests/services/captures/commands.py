"""Commands of Redis with answers of all kinds, in RESP3 and then RESP2: a transaction, errors, secrets. Usage: commands.py PORT"""

import shlex
import sys

import redis

RESP3 = r"""
SET user:1 '{"name":"Alice","password":"not-a-real-password"}'
GET user:1
HSET order:7 state open total 12.50
HGETALL order:7
GET missing
LPUSH order:7 x
INCRBYFLOAT total 0.1
ZADD board 1.5 a 2 b
ZRANGE board 0 -1 WITHSCORES
TYPE board
NOSUCH command
@picture
ACL SETUSER worker on >not-a-real-password ~jobs:* +@read
AUTH worker not-a-real-password
GET user:1
"""
RESP2 = r"""
MULTI
SET a 1
LPUSH a x
INCR n
EXEC
XADD events 1-1 kind placed id 7
XREAD STREAMS events 0
EVAL "return {1, {ok='fine'}, redis.error_reply('CUSTOM no')}" 0
@picture
CONFIG GET requirepass
"""

PICTURE = [["SET", "picture", b"\x89PNG\r\n\x1a\n"], ["GET", "picture"]]

for version, db, lines in ((3, 0, RESP3), (2, 2, RESP2)):
    client = redis.Redis(port=int(sys.argv[1]), protocol=version, db=db, single_connection_client=True)
    for line in lines.strip().splitlines():
        for words in PICTURE if line == "@picture" else [shlex.split(line)]:
            # a transaction is written out here: to the client each of its commands is one like others
            client.connection.send_command(*words)
            try:
                client.connection.read_response()
            except redis.ResponseError:
                pass
    client.close()
