#!/usr/bin/env bash
# gRPC by grpcio and grpc-js, each client against each server; Connect, gRPC-Web and gRPC by connect-node; gRPC-Web by Google's client
# for browsers against sonora; and plain HTTP/2 by curl and nghttp against nghttpd and nghttpx (which also takes h2c upgrades).
# Usage: grpc.sh TRUTH
# Says `ready NGHTTPX PORT…`, waits for a line of input so that captures can be started, sends everything, says `done`,
# waits for another line, and ends. TRUTH gets a line of JSON for each call or exchange, as the side that asked saw it.
source "$(dirname "$0")/lib.sh"
export TRUTH=$1 PYTHONPATH=$dir
: >"$TRUTH"
read -r p j d x c c2 w < <(free_ports 7)

"$python" -m grpc_tools.protoc -I "$services/apps/proto" --python_out="$dir" --grpc_python_out="$dir" kitchen.proto
start kitchen_grpc.py "$python" "$services/apps/kitchen_grpc.py" "$p"
ready kitchen_grpc.py 127.0.0.1 "$p"
start kitchen_grpc.js node "$services/apps/kitchen_grpc.js" "$j"
ready kitchen_grpc.js 127.0.0.1 "$j"
"$python" -m grpc_tools.protoc -I "$services/apps/proto" --include_imports --descriptor_set_out="$dir/kitchen.binpb" kitchen.proto
start connect.js node "$services/apps/connect.js" serve "$dir/kitchen.binpb" "$c" "$c2"
ready connect.js 127.0.0.1 "$c" "$c2"
start kitchen_web.py "$python" "$services/apps/kitchen_web.py" "$w"
ready kitchen_web.py 127.0.0.1 "$w"
mkdir -p "$dir/www"
printf 'a text of several frames, line %05d\n' {1..3000} >"$dir/www/big.txt"
echo '{"tea":"Assam"}' >"$dir/www/tea.json"
start nghttpd nghttpd --no-tls --htdocs="$dir/www" --trailer 'x-checked: yes' "$d"
ready nghttpd 127.0.0.1 "$d"
start nghttpx nghttpx --conf=/dev/null --frontend="127.0.0.1,$x;no-tls" --backend="127.0.0.1,$d;;proto=h2" --workers=1
ready nghttpx 127.0.0.1 "$x"

# told ID PORT TARGET STATUS UPGRADED: a GET as curl or nghttp made it
told() { printf '{"id":"%s","server":"127.0.0.1:%s","method":"GET","target":"%s","status":%s,"upgraded":%s}\n' "$@" >>"$TRUTH"; }

echo "ready $x $p $j $d $c $c2 $w"
read -r _
"$python" "$services/apps/guest.py" "127.0.0.1:$p" "127.0.0.1:$j"
node "$services/apps/guest.js" "127.0.0.1:$p" "127.0.0.1:$j"
node "$services/apps/guest_connect.js" "$dir/kitchen.binpb" "$c" "$c2"
node "$services/apps/guest_web.js" "$dir/kitchen.binpb" "$w"
n=0
for target in /tea.json /big.txt /nothing; do
  for how in --http2-prior-knowledge --http2; do
    for port in "$d" "$x"; do
      # nghttpd takes no upgrade, and curl's buffer not all that may come right behind the 101
      [ "$how $port" = "--http2 $d" ] || [ "$how $target" = "--http2 /big.txt" ] && continue
      n=$((n + 1))
      told "curl-$n" "$port" "$target" "$(curl -sS "$how" -o /dev/null -w '%{http_code}' -H "x-test-id: curl-$n" "http://127.0.0.1:$port$target")" \
        "$([ "$how" = --http2 ] && echo true || echo false)"
    done
  done
done
# several streams of one connection at once, with padding
nghttp --padding=100 -H 'x-test-id: nghttp-1' "http://127.0.0.1:$d/tea.json" "http://127.0.0.1:$d/big.txt" >/dev/null
told nghttp-1 "$d" /tea.json 200 false
told nghttp-1 "$d" /big.txt 200 false
echo "done"
read -r _
