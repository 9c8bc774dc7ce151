#!/usr/bin/env bash
# Makes the inputs of tests/captures anew: real servers and clients, seen by tcpdump, and what rewrite.py makes of that.
# Usage: make.sh [CASE…]. Afterwards: UPDATE_EXPECT=1 cargo test --test it golden, and read the diff.
source "$(dirname "$0")/../lib.sh"
here="$services/captures"
cases="$services/../captures"
wanted=" $* "
read -r a e n p six d mute h x g k c c2 w ec q q_dist q_epmd < <(free_ports 18)
export TRUTH="$dir/truth"

start kitchen.py "$python" "$services/apps/kitchen.py" "$a" "127.0.0.1:$e"
ready kitchen.py 127.0.0.1 "$a"
start kitchen.js node "$services/apps/kitchen.js" "$e"
ready kitchen.js 127.0.0.1 "$e"
start kitchen6.js node "$services/apps/kitchen.js" "$six" ::1
ready kitchen6.js ::1 "$six"
start proxy.js node "$services/apps/proxy.js" "$p"
ready proxy.js 127.0.0.1 "$p"
mkdir "$dir/static"
echo "<!doctype html><title>static</title>" >"$dir/static/index.html"
nginx_start nginx "server_tokens off; server { listen 127.0.0.1:$n; root $dir/static; }"
ready nginx 127.0.0.1 "$n"
echo "h1 { color: red }" >"$dir/static/style.css"
start nghttpd nghttpd --no-tls -a 127.0.0.1 -d "$dir/static" -p/index.html=/style.css --echo-upload --trailer 'x-sum: 1' "$h"
ready nghttpd 127.0.0.1 "$h"
start nghttpx nghttpx -f "127.0.0.1,$x;no-tls" -b "127.0.0.1,$n" --conf=/dev/null -n 1
ready nghttpx 127.0.0.1 "$x"
start calls.py "$python" "$services/apps/calls.py" serve "$g"
ready calls.py 127.0.0.1 "$g"
start calls.py-web "$python" "$services/apps/calls.py" web "$w"
ready calls.py-web 127.0.0.1 "$w"
start kitchen_grpc.js node "$services/apps/kitchen_grpc.js" "$k"
ready kitchen_grpc.js 127.0.0.1 "$k"
proto="$services/apps/proto"
"$python" -m grpc_tools.protoc -I "$proto" --include_imports --descriptor_set_out="$dir/kitchen.binpb" kitchen.proto
start connect.js node "$services/apps/connect.js" serve "$dir/kitchen.binpb" "$c" "$c2"
ready connect.js 127.0.0.1 "$c" "$c2"
start extended_connect.js node "$services/apps/extended_connect.js" serve "$ec"
ready extended_connect.js 127.0.0.1 "$ec"

start dnsmasq dnsmasq -k -C /dev/null -p "$d" --listen-address=127.0.0.1 --bind-interfaces --no-resolv --no-hosts --user= --local=/test/ \
  --host-record=shop.test,192.0.2.7,2001:db8::7 --host-record=orders.default.svc.cluster.local,127.0.0.1 --cname=www.shop.test,shop.test \
  --mx-host=shop.test,mail.shop.test,10 --srv-host=_http._tcp.shop.test,shop.test,8080 --txt-record=shop.test,'v=spf1 "-all"' \
  --dns-rr=shop.test,65,000100000100030268320003000220fb
ready dnsmasq 127.0.0.1 "$d"
start mute python3 -c "import socket, time; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('127.0.0.1', $mute)); time.sleep(3600)"

# capture CASE FILTER COMMAND…: what the command causes
capture() {
  local out="$cases/$1/input.pcap" dump
  [ "$wanted" = "  " ] || [[ "$wanted" == *" $1 "* ]] || return 0
  mkdir -p "$cases/$1"
  start "tcpdump-$1" tcpdump -i "${INTERFACE:-lo}" --time-stamp-precision=nano --immediate-mode -s 262144 -U -w "$out" "$2"
  dump=${groups[-1]}
  until grep -qs "listening on" "$dir/tcpdump-$1.log"; do sleep 0.05; done
  "${@:3}" >/dev/null
  sleep 0.3 # the last acknowledgements
  kill -INT "$dump"
  wait "$dump" || true
  echo "$1: $(stat -c %s "$out") bytes"
}
curl() { command curl -sS --max-time 20 "$@"; }
# of CASE FROM OPERATION…: another case's capture, rewritten
of() {
  [ "$wanted" = "  " ] || [[ "$wanted" == *" $1 "* ]] || return 0
  mkdir -p "$cases/$1"
  python3 "$here/rewrite.py" "$cases/$2/input.pcap" "$cases/$1/${OUT:-input.pcap}" "${@:3}"
}
py=http://127.0.0.1:$a js=http://127.0.0.1:$e web=http://127.0.0.1:$n

capture keep-alive "port $a" curl "$py/items" "$py/status/404" "$py/moved" "$py/chunks"
capture pipelining "port $n" python3 "$here/raw.py" 127.0.0.1 "$n" \
  'GET /index.html HTTP/1.1\r\nHost: one\r\n\r\nHEAD /index.html HTTP/1.1\r\nHost: two\r\n\r\nGET /none HTTP/1.1\r\nHost: three\r\nConnection: close\r\n\r\n'
capture trailers "port $e" curl "$js/trailers"
capture no-body "port $a" curl -I "$py/items" --next "$py/status/204" --next "$py/status/304" --next -X DELETE "$py/echo"
capture expect-continue "port $a" curl -H 'expect: 100-continue' -H 'content-type: text/plain' --data-binary @<(printf 'a line of the body\n%.0s' {1..100}) "$py/echo"
capture early-hints "port $e" curl "$js/early"
capture chunked-upload "port $a" curl -H 'content-type: text/plain' -T - "$py/echo" < <(printf 'a line of the body\n%.0s' {1..100})
printf '\n\2o1\22\5\n\1s\20\2\30\1' >"$dir/order"
typed() { echo "content-type: application/x-protobuf; messageType=\"$1\""; }
capture protobuf "port $a" curl -H "$(typed test.v1.Order)" --data-binary "@$dir/order" "$py/echo" \
  --next -H "$(typed shop.v1.Unknown)" --data-binary "@$dir/order" "$py/echo" \
  --next -H "$(typed test.v1.Line)" --data-binary "@$dir/order" "$py/echo"
order() { curl -H "content-type: $1" --data-binary "@$dir/order" "$py/echo${2:-}"; }
rules() { order application/octet-stream && order application/octet-stream '?page=1' && order application/vnd.shop+proto /none; }
capture protobuf-rules "port $a" rules
capture connect "port $p" curl -p -x "http://127.0.0.1:$p" "$js/items" "$js/status/404"
capture until-close "port $a" curl -0 "$py/events"
capture http-0.9 "port $n" python3 "$here/raw.py" 127.0.0.1 "$n" 'GET /index.html\r\n'
capture upgrade "port $a" node -e "
  const ws = new (require('ws'))('ws://127.0.0.1:$a/ws');
  ws.on('open', () => ws.send('hello')).on('message', () => ws.close());"
capture encodings "port $a" curl "$py/items?coding=gzip" "$py/items?coding=deflate" "$py/items?coding=br" "$py/items?coding=zstd"
capture json "port $e" curl --json '{"a": 1.10, "big": 12345678901234567890, "a": [true, null, "\u00fc\u2028"], "e": 1E2}' "$js/echo" \
  --next --json '{"broken": ' "$js/echo" --next --json '' "$js/echo"
capture form "port $a" curl -d 'user=alice&password=not-a-real-password&note=a+b%26c&empty=' "$py/echo"
capture multipart "port $a" curl -F comment=grün -F 'file=@-;filename=dot.png;type=image/png' "$py/upload" < <(printf '\x89PNG\r\n\x1a\n\x00\x01\x02')
capture charset "port $a" curl -H 'content-type: text/plain; charset=iso-8859-1' --data-binary $'gr\xfcn' "$py/echo" \
  --next -H 'content-type: text/plain; charset=shift_jis' --data-binary $'\x93\xfa\x96\x7b' "$py/echo" \
  --next -H 'content-type: application/xml' --data-binary '<?xml version="1.0" encoding="utf-8"?><tee sorte="grün">x</tee>' "$py/echo"
capture sse "port $a" curl "$py/events"
capture trace-context "port $a or port $e" curl "$py/chain" -H 'x-test-id: 1' -H 'tracestate: rojo=00f067aa0ba902b7,congo=t61rcWkgMzE' \
  -H 'baggage: userId=alice,serverNode=DF%2028' -H 'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
capture secrets "port $e" curl -H 'authorization: Bearer not-a-real-token' -H 'x-api-key: not-a-real-key' -b 'session=not-a-real-session' \
  --json '{"user": "alice", "password": "not-a-real-password", "card": {"token": "not-a-real-token"}}' "$js/echo?token=not-a-real-token&page=2"
capture ipv6 "port $six" curl "http://[::1]:$six/items"
dig() { command dig @127.0.0.1 -p "$d" +noall "$@"; }
# asks each of them, one after the other, over what carries a query by default or with OPTION
ask() { for q in "${@:2}"; do dig $1 $q || true; done; }
capture dns "port $d" ask +edns 'www.shop.test A' 'shop.test AAAA' 'shop.test MX' 'shop.test TXT' '_http._tcp.shop.test SRV' 'shop.test HTTPS' \
  '-x 192.0.2.7' 'none.test A' 'outside.example A' 'WWW.shop.test A' 'a\.b\032c.test A'
capture dns-tcp "port $d" dig +tcp +keepopen www.shop.test A shop.test MX none.test A
capture dns-pending "port $mute" python3 -c "
import socket
s = socket.socket(type=socket.SOCK_DGRAM)
for _ in range(2):
    s.sendto(bytes.fromhex('0007 0100 0001 0000 0000 0000 0473686f70 0474657374 00 0001 0001'), ('127.0.0.1', $mute))
s.sendto(b'not of a protocol that is read', ('127.0.0.1', $mute))"
ip address add 192.0.2.7/32 dev lo
start web python3 -m http.server --bind 192.0.2.7 "$n" --directory "$dir/static"
ready web 192.0.2.7 "$n"
named() { dig www.shop.test && curl "http://192.0.2.7:$n/"; }
capture dns-names "port $d or host 192.0.2.7" named
ip address del 192.0.2.7/32 dev lo
INTERFACE=any capture any-interface "port $a" curl "$py/status/200"
capture http2 "port $h" nghttp "http://127.0.0.1:$h/style.css?page=1" "http://127.0.0.1:$h/none"
capture http2-curl "port $h" curl --http2-prior-knowledge -H 'content-type: text/plain' -d 'some text' "http://127.0.0.1:$h/echo"
capture http2-frames "port $h" nghttp --continuation -b 10 -H 'x-padded: yes' --trailer 'x-last: 1' -d "$dir/static/style.css" "http://127.0.0.1:$h/echo"
capture http2-push "port $h" nghttp "http://127.0.0.1:$h/index.html"
capture http2-upgrade "port $x" curl --http2 "http://127.0.0.1:$x/index.html" "http://127.0.0.1:$x/none"
capture http2-websocket "port $ec" node "$services/apps/extended_connect.js" call "$ec"
capture grpc "port $g" "$python" "$services/apps/calls.py" call "$g"
capture grpc-js "port $k" node "$services/apps/calls.js" "$k"
rpc() { node "$services/apps/connect.js" call "$dir/kitchen.binpb" "$@"; }
capture grpc-web "port $c" rpc "$c" 1.1 grpc-web
capture grpc-web-text "port $w" node "$services/apps/grpc_web.js" "$w"
capture connect-rpc "port $c" rpc "$c" 1.1 connect
capture connect-rpc-json "port $c2" rpc "$c2" 2 connect-json

rabbitmq_start rabbitmq "$q" "$q_dist" "$q_epmd"
capture amqp "port $q" "$python" "$here/shop.py" "$q" messages
capture amqp-errors "port $q" "$python" "$here/shop.py" "$q" errors
capture amqp-refused "port $q" python3 "$here/raw.py" 127.0.0.1 "$q" 'AMQP\x01\x01\x00\x0a'

read -r r r_master < <(free_ports 2)
redis_start redis "$r"
capture redis "port $r" "$python" "$here/commands.py" "$r"
capture redis-pubsub "port $r" "$python" "$here/channels.py" "$r"
capture redis-inline "port $r" python3 "$here/raw.py" 127.0.0.1 "$r" 'PING\r\nset line "a b"\r\nGET line\r\n*1\r\n$4\r\nQUIT\r\n'
capture redis-pipeline "port $r" "$python" -c "
import redis
c = redis.Redis(port=$r)
for n in range(4):
    with c.pipeline(transaction=n % 2 == 0) as p:
        for m in range(5): p.set(f'k{n}.{m}', f'value {n}.{m}').get(f'k{n}.{m}')
        p.execute()"
replica() {
  redis_start replica "$r_master" --replicaof 127.0.0.1 "$r"
  until redis-cli -p "$r_master" INFO replication | grep -q 'master_link_status:up'; do sleep 0.1; done
  redis-cli -p "$r" SET told twice
  redis-cli -p "$r" WAIT 1 5000
}
capture redis-replica "port $r" replica

many() {
  node -e "
    const Redis = require('ioredis');
    const client = new Redis($r, { enableAutoPipelining: true, enableReadyCheck: false });
    const some = (of) => Promise.all([1, 2, 3].map((n) => client.set(of + n, 'value of ' + of + n).then(() => client.get(of + n))));
    some('early').then(() => some('late')).then(() => new Promise((on) => setTimeout(on, 1200))).then(() => some('quiet')).then(() => client.quit());"
}
capture redis-multiplexed "port $r" many

export PGHOST=127.0.0.1 PGUSER=shop PGDATABASE=postgres PGPASSWORD=not-a-real-password PGGSSENCMODE=disable
read -r PGPORT < <(free_ports 1)
export PGPORT
postgresql_start postgresql "$PGPORT"
psql -qX -c "CREATE TABLE orders (id int PRIMARY KEY, customer text, total numeric)" -c "INSERT INTO orders VALUES (1, 'alice', 12.50), (2, 'bob', 3)" \
  -c "CREATE TABLE lines (of_order int REFERENCES orders DEFERRABLE INITIALLY DEFERRED)"
simple() {
  psql -X -c "SELECT * FROM orders ORDER BY id" -c "UPDATE orders SET total = total + 1" -c "DROP TABLE IF EXISTS none" \
    -c "BEGIN; INSERT INTO orders VALUES (3, 'carol', 1); COMMIT" -c "CREATE ROLE worker PASSWORD 'not-a-real-secret'" -c "SELECT 1/0" \
    -c "SELECT 'traced' /*traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',framework='none'*/" 2>/dev/null || true
}
statements() { "$python" "$here/statements.py" "$1"; }
pieces() {
  node -e "
    const client = new (require('pg').Client)(), cursor = new (require('pg-cursor'))('SELECT id FROM orders WHERE id > \$1', [0]);
    client.connect().then(() => client.query(cursor).read(2)).then(() => cursor.read(2)).then(() => cursor.close()).then(() => client.end());"
}
refused() {
  PGPASSWORD=not-a-real-guess psql -X -c "SELECT 1" 2>/dev/null || true
  statements errors
}
hidden() { until PGSSLMODE=require psql -X -c "SELECT 'hidden'" 2>/dev/null; do sleep 0.1; done; }
capture postgresql "port $PGPORT" simple
capture postgresql-extended "port $PGPORT" statements extended
capture postgresql-portal "port $PGPORT" pieces
capture postgresql-pipeline "port $PGPORT" statements pipeline
capture postgresql-cycles "port $PGPORT" statements cycles
capture postgresql-copy "port $PGPORT" statements copy
capture postgresql-errors "port $PGPORT" refused
capture postgresql-notify "port $PGPORT" statements notify
lsn=$(psql -qXAt -c "SELECT pg_current_wal_flush_lsn()")
replicate() { psql -X "replication=true" -c "IDENTIFY_SYSTEM" -c "START_REPLICATION $lsn" 2>/dev/null || true; }
capture postgresql-replication "port $PGPORT" replicate
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
[ "$(id -u)" != 0 ] || chown postgres "$dir/key.pem"
psql -qX -c "ALTER SYSTEM SET ssl_cert_file = '$dir/cert.pem'" -c "ALTER SYSTEM SET ssl_key_file = '$dir/key.pem'" -c "ALTER SYSTEM SET ssl = on"
psql -qX -c "SELECT pg_reload_conf()" >/dev/null
hidden >/dev/null
capture postgresql-tls "port $PGPORT" hidden

of redis-midway redis midway 20
of redis-multiplexed-midway redis-multiplexed midway 12
of postgresql-midway postgresql-extended midway 20
of postgresql-cycles-midway postgresql-cycles midway 21
of postgresql-gap postgresql-extended drop 24
of postgresql-pipeline-gap postgresql-pipeline drop 20
of redis-gap redis drop 30
of redis-pipeline-gap redis-pipeline drop 13
of amqp-midway amqp midway 30
of amqp-gap amqp drop 40
of grpc-midway grpc midway 20
of grpc-gap grpc drop 20
of vlan keep-alive vlan
of dns-answer dns midway 2
of dns-snaplen dns cut 80
of midway keep-alive midway 7
of lost-request keep-alive drop 8
of lost-chunk keep-alive drop 16
of lost-body expect-continue drop 8
of reorder keep-alive swap 4 6
of duplicates keep-alive dup 1 4 6 8
of snaplen keep-alive cut 300
OUT=there.pcap of two-files keep-alive to "$(tcpdump -nr "$cases/keep-alive/input.pcap" -c 1 2>/dev/null | sed 's/.*> [0-9.]*\.\([0-9]*\): .*/\1/')"
OUT=back.pcap of two-files keep-alive from "$(tcpdump -nr "$cases/keep-alive/input.pcap" -c 1 2>/dev/null | sed 's/.*> [0-9.]*\.\([0-9]*\): .*/\1/')"
