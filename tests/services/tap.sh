#!/usr/bin/env bash
# RabbitMQ for taps: does what the lines of its input say, and answers each with one line. Usage: tap.sh [bare]; bare: without management API
# Says `ready RABBITMQ MANAGEMENT TLS MANAGEMENT_TLS CA` (ports, and the file of the authority that its certificate is by). `post N RUN` publishes N
# messages to each exchange by pika and has two consumers that share the queues take them: says what was published and taken, as JSON;
# `post-node N RUN` does it by amqplib. `state` says which exchanges, queues and bindings there are and whether it traces; `stop` stops the
# broker, `begin` starts it again.
source "$(dirname "$0")/lib.sh"
read -r rabbit dist epmd MANAGEMENT TLS MANAGEMENT_TLS < <(free_ports 6)
management=$MANAGEMENT
[ "${1:-}" != bare ] || MANAGEMENT='' MANAGEMENT_TLS=''
certificate
begin() {
  rm -f "$dir/rabbitmq.log"
  rabbitmq_start rabbitmq "$rabbit" "$dist" "$epmd"
  [ -z "$MANAGEMENT" ] || ready rabbitmq 127.0.0.1 "$MANAGEMENT" "$MANAGEMENT_TLS"
}
begin
"$python" "$services/apps/tapped.py" "$rabbit" "$management" declare
echo "ready $rabbit $management $TLS ${MANAGEMENT_TLS:-0} $dir/ca.pem"
while read -r what arguments; do
  case $what in
  stop)
    # the broker, then its epmd
    for ((i = 1; i >= 0; i--)); do
      kill -TERM -- "-${groups[i]}"
      wait "${groups[i]}" || true
    done
    groups=()
    echo stopped
    ;;
  begin)
    begin
    echo begun
    ;;
  post-node)
    # shellcheck disable=SC2086
    node "$services/apps/tapped.js" "$rabbit" $arguments
    ;;
  *)
    # shellcheck disable=SC2086
    "$python" "$services/apps/tapped.py" "$rabbit" "$management" "$what" $arguments
    ;;
  esac
done
