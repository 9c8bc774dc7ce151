#!/usr/bin/env bash
# Makes the recording that `meshtop demo` plays: a shop of nginx, aiohttp, Express and gRPC services and RabbitMQ, each on a loopback address
# of its own (it listens there and calls from there), under the traffic of six visitors. Usage: record-demo.sh OUT.pcapng
# Linux only (127.0.0.0/8 is all local there), and it needs the right to capture.
source "$(dirname "$0")/lib.sh"
out=$(realpath "$1")
declare -A at=([browser]=127.0.1.10 [gateway]=127.0.1.11:8080 [orders]=127.0.1.12:8081 [inventory]=127.0.1.13:8082
  [payments]=127.0.1.14:8083 [catalog]=127.0.1.15:8084 [accounts]=127.0.1.16:8085 [fraud]=127.0.1.17:8086
  [rabbitmq]=127.0.1.18:5672 [shipping]=127.0.1.19 [courier]=127.0.1.20:8087)
MESH=$(for name in "${!at[@]}"; do printf '%s=%s,' "$name" "${at[$name]}"; done)
export MESH=${MESH%,}

mkdir -p "$dir/web/static"
{
  echo '<!doctype html><html lang="en"><title>Tea shop</title><link rel="stylesheet" href="/static/app.css"><script src="/static/app.js"></script>'
  printf '<li><a href="/tea/%s">Tea %s</a></li>\n' {1..20}{,}
} >"$dir/web/index.html"
printf '.tea-%d { margin: %dpx; color: #%06x }\n' {1..90} >"$dir/web/static/app.css"
printf 'document.querySelector("#tea-%d").addEventListener("click", () => buy(%d));\n' {1..80} >"$dir/web/static/app.js"
echo '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path d="M4 6h13v6a5 5 0 0 1-5 5H9a5 5 0 0 1-5-5z"/></svg>' >"$dir/web/static/logo.svg"

"$python" -m grpc_tools.protoc -I "$services/../../descriptors/demo" --python_out="$dir" inventory.proto
export PYTHONPATH=$dir
read -r dist epmd < <(free_ports 2)
rabbitmq_start rabbitmq "${at[rabbitmq]#*:}" "$dist" "$epmd" "${at[rabbitmq]%:*}"
ready rabbitmq "${at[rabbitmq]%:*}" "${at[rabbitmq]#*:}"
for name in orders catalog fraud; do
  start "$name" "$python" "$services/apps/shop.py" "$name" "${at[$name]}"
  ready "$name" "${at[$name]%:*}" "${at[$name]#*:}"
done
for name in inventory payments accounts courier; do
  start "$name" node "$services/apps/shop.js" "$name" "${at[$name]}"
  ready "$name" "${at[$name]%:*}" "${at[$name]#*:}"
done
nginx_start gateway "
  server_tokens off;
  gzip on; gzip_min_length 200; gzip_types text/css application/javascript;
  proxy_bind ${at[gateway]%:*};
  proxy_set_header X-Request-Id \$request_id;
  proxy_set_header X-Forwarded-For \$remote_addr;
  add_header X-Request-Id \$request_id;
  upstream orders { server ${at[orders]}; keepalive 8; }
  upstream catalog { server ${at[catalog]}; keepalive 8; }
  upstream accounts { server ${at[accounts]}; keepalive 8; }
  server {
    listen ${at[gateway]};
    root $dir/web;
    location /old-shop/ { return 301 /; }
    location /api/checkout { rewrite ^/api(.*)\$ \$1 break; proxy_pass http://orders; }
    location /api/orders/ { rewrite ^/api(.*)\$ \$1 break; proxy_pass http://orders; proxy_buffering off; }
    location /api/cart { rewrite ^/api(.*)\$ \$1 break; proxy_pass http://accounts; }
    location = /login { proxy_pass http://accounts; }
    location /api/ { rewrite ^/api(.*)\$ \$1 break; proxy_pass http://catalog; }
  }"
ready gateway "${at[gateway]%:*}" "${at[gateway]#*:}"

# The files take the traffic of this mesh alone; the gateway has been knocked at before.
start tcpdump tcpdump -i lo --time-stamp-precision=nano --immediate-mode -B 16384 -s 262144 -U -w "$dir/raw.pcap" 'tcp and net 127.0.1.0/24'
tcpdump=${groups[-1]}
until grep -qs 'listening on' "$dir/tcpdump.log"; do sleep 0.05; done
echo "recording for about 20 seconds"
# the consumer comes now: its connection is in the recording from the first byte
start shipping "$python" "$services/apps/shipping.py" "${at[shipping]}"
until grep -qs waiting "$dir/shipping.log"; do
  kill -0 "${groups[-1]}" 2>/dev/null || { cat "$dir/shipping.log" >&2; exit 1; }
  sleep 0.05
done
node "$services/apps/shopper.js" "${at[browser]}" "${at[gateway]}"
# The services say good-bye first, so that every connection ends in the recording.
# Those who began last go first: a consumer says good-bye while its broker is there.
for ((i = ${#groups[@]} - 1; i >= 0; i--)); do
  [ "${groups[i]}" != "$tcpdump" ] || continue
  kill -TERM -- "-${groups[i]}" 2>/dev/null || true
  wait "${groups[i]}" || true
done
kill -INT "$tcpdump"
wait "$tcpdump" || true
grep -q '^0 packets dropped by kernel' "$dir/tcpdump.log" || { cat "$dir/tcpdump.log" >&2; exit 1; }

# Who calls from another address than its own would have no name.
if tcpdump -nr "$dir/raw.pcap" 'not (src net 127.0.1.0/24 and dst net 127.0.1.0/24)' 2>/dev/null | grep .; then exit 1; fi

names=()
for name in browser gateway orders inventory payments catalog accounts fraud rabbitmq shipping courier; do names+=("${at[$name]%:*}=$name"); done
python3 "$services/pcapng.py" "${names[@]}" <"$dir/raw.pcap" >"$out"
echo "$(basename "$out"): $(stat -c %s "$out") bytes"
