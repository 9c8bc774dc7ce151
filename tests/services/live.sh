#!/usr/bin/env bash
# nginx, aiohttp and Express under the traffic of curl, aiohttp, undici, a browser's habits and wrk. Usage: live.sh TRUTH
# Says `ready AIOHTTP EXPRESS NGINX` (ports), waits for a line of input so that captures can be started, sends everything, says
# `done`, waits for another line, and ends. TRUTH gets a line of JSON for each exchange, as the side that asked saw it: id (the
# x-test-id header), server, method, target, status, and where it is known bytes, request, response and traceparent.
source "$(dirname "$0")/lib.sh"
export TRUTH=$1
: >"$TRUTH"
read -r a e n < <(free_ports 3)

mkdir -p "$dir/static"
for ((i = 0; i < 4000; i++)); do echo "line $i of a text that goes over several segments"; done >"$dir/static/big.txt"
printf '<!doctype html><title>shop</title><link rel=stylesheet href=app.css><script src=app.js></script><img src=logo.svg>%200s\n' >"$dir/static/index.html"
printf 'body { color: #222; margin: %d px }\n' {1..40} >"$dir/static/app.css"
printf 'console.log("line %d");\n' {1..200} >"$dir/static/app.js"
echo '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle cx="4" cy="4" r="4"/></svg>' >"$dir/static/logo.svg"

start kitchen.py "$python" "$services/apps/kitchen.py" "$a" "127.0.0.1:$e"
ready kitchen.py 127.0.0.1 "$a"
start kitchen.js node "$services/apps/kitchen.js" "$e"
ready kitchen.js 127.0.0.1 "$e"
# What nginx asked its upstreams, and what wrk asked of nginx, only nginx can tell.
nginx_start nginx "
  log_format up escape=json '{\"id\":\"\$http_x_test_id\",\"server\":\"\$upstream_addr\",\"method\":\"\$request_method\",\"target\":\"\$uri\",\"status\":\$upstream_status}';
  log_format wrk escape=json '{\"id\":\"\$http_x_test_id\",\"server\":\"\$server_addr:\$server_port\",\"method\":\"\$request_method\",\"target\":\"\$request_uri\",\"status\":\$status}';
  map \$http_x_test_id \$is_wrk { default 0; ~^wrk 1; }
  map \$upstream_addr \$is_up { default 1; '' 0; }
  gzip on; gzip_min_length 100; gzip_proxied any; gzip_types text/css application/javascript application/json;
  upstream py { server 127.0.0.1:$a; keepalive 8; }
  upstream js { server 127.0.0.1:$e; keepalive 8; }
  server {
    listen 127.0.0.1:$n;
    root $dir/static;
    access_log $TRUTH wrk if=\$is_wrk;
    access_log $TRUTH up if=\$is_up;
    location = /api/ws { rewrite ^/api(.*)\$ \$1 break; proxy_pass http://py; proxy_set_header Connection upgrade; proxy_set_header Upgrade websocket; }
    location /api/ { rewrite ^/api(.*)\$ \$1 break; proxy_pass http://py; proxy_buffering off; }
    location /shop/ { rewrite ^/shop(.*)\$ \$1 break; proxy_pass http://js; }
  }"
ready nginx 127.0.0.1 "$n"

echo "ready $a $e $n"
read -r _
node "$services/apps/client.js" "127.0.0.1:$a" "127.0.0.1:$e" "127.0.0.1:$n"
"$python" "$services/apps/client.py" "127.0.0.1:$a" "127.0.0.1:$e" "127.0.0.1:$n"
wrk -t1 -c4 -d1s -s "$services/wrk.lua" "http://127.0.0.1:$n/index.html" >"$dir/wrk.log"
echo "done"
read -r _
kill -QUIT "${groups[-1]}" && wait "${groups[-1]}" || true # the logs are whole once nginx is gone
