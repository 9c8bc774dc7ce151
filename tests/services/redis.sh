#!/usr/bin/env bash
# Redis between redis-cli, redis-py (RESP2 and RESP3) and ioredis. Usage: redis.sh TRUTH
# Says `ready WEB REDIS` (ports; the first one answers HTTP), waits for a line of input so that captures can be started, sends
# everything, says `done`, waits for another line, and ends. TRUTH gets a line of JSON for each command and each message of a channel, as
# the client saw it. A subscriber and a client that sends many at once connect before the captures start, so that they are joined late.
source "$(dirname "$0")/lib.sh"
export TRUTH=$1
: >"$TRUTH"
read -r web redis < <(free_ports 2)

start web "$python" -m http.server --bind 127.0.0.1 --directory "$(mktemp -d -p "$dir")" "$web"
ready web 127.0.0.1 "$web"
redis_start redis "$redis"
mkfifo "$dir/late"
start late "$python" "$services/apps/cache.py" "$redis" late "$dir/late"
mkfifo "$dir/many"
start many node "$services/apps/cache.js" "$redis" late "$dir/many"
until grep -qs connected "$dir/many.log"; do sleep 0.05; done
until redis-cli -p "$redis" PUBSUB NUMSUB late | grep -qx 1; do sleep 0.05; done

echo "ready $web $redis"
read -r _
"$python" "$services/apps/cache.py" "$redis" 2
"$python" "$services/apps/cache.py" "$redis" 3
node "$services/apps/cache.js" "$redis"
redis-cli -p "$redis" SET cli:1 "from the shell" >/dev/null
redis-cli -3 -p "$redis" GET cli:1 >/dev/null
cat >>"$TRUTH" <<'JSON'
{"operation":"SET","args":["cli:1","from the shell"],"status":"OK","ok":true,"value":"OK"}
{"operation":"GET","args":["cli:1"],"ok":true,"value":"from the shell"}
JSON
# by lines
python3 "$services/captures/raw.py" 127.0.0.1 "$redis" 'PING\r\nSET line "a b"\r\nGET line\r\nQUIT\r\n'
cat >>"$TRUTH" <<'JSON'
{"operation":"PING","args":[],"status":"PONG","ok":true,"value":"PONG"}
{"operation":"SET","args":["line","a b"],"status":"OK","ok":true,"value":"OK"}
{"operation":"GET","args":["line"],"ok":true,"value":"a b"}
JSON
echo go >"$dir/late"
echo go >"$dir/many"
wait "${groups[@]: -2}"
echo "done"
read -r _
