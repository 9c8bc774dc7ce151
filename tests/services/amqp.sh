#!/usr/bin/env bash
# RabbitMQ between pika and amqplib, as publishers and consumers. Usage: amqp.sh TRUTH
# Says `ready WEB RABBITMQ` (ports; the first one answers HTTP), waits for a line of input so that captures can be started, sends
# everything, says `done`, waits for another line, and ends. TRUTH gets a line of JSON for each publish, delivery, get and refused
# question, as the client saw it.
source "$(dirname "$0")/lib.sh"
export TRUTH=$1 PYTHONPATH=$dir
: >"$TRUTH"
read -r web rabbit dist epmd < <(free_ports 4)

"$python" -m grpc_tools.protoc -I "$services/apps/proto" --python_out="$dir" kitchen.proto
start web "$python" -m http.server --bind 127.0.0.1 --directory "$(mktemp -d -p "$dir")" "$web"
ready web 127.0.0.1 "$web"
rabbitmq_start rabbitmq "$rabbit" "$dist" "$epmd"

echo "ready $web $rabbit"
read -r _
"$python" "$services/apps/post.py" "$rabbit"
node "$services/apps/post.js" "$rabbit"
echo "done"
read -r _
