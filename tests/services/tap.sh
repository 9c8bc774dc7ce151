#!/usr/bin/env bash
# RabbitMQ with its management API, for taps: does what the lines of its input say, and answers each with one line.
# Usage: tap.sh. Says `ready RABBITMQ MANAGEMENT` (ports). `post N` publishes N messages to each exchange and has two consumers that share
# a queue take them: says what was published and taken, as JSON. `state` says which exchanges, queues and bindings there are and whether
# it traces; `restart` stops the broker and starts it again.
source "$(dirname "$0")/lib.sh"
read -r rabbit dist epmd MANAGEMENT < <(free_ports 4)
rabbitmq_start rabbitmq "$rabbit" "$dist" "$epmd"
ready rabbitmq 127.0.0.1 "$MANAGEMENT"
"$python" "$services/apps/tapped.py" "$rabbit" "$MANAGEMENT" declare
echo "ready $rabbit $MANAGEMENT"
while read -r what arguments; do
  case $what in
  restart)
    # the broker, then its epmd
    for ((i = 1; i >= 0; i--)); do
      kill -TERM -- "-${groups[i]}"
      wait "${groups[i]}" || true
    done
    groups=()
    rm -f "$dir/rabbitmq.log"
    rabbitmq_start rabbitmq "$rabbit" "$dist" "$epmd"
    ready rabbitmq 127.0.0.1 "$MANAGEMENT"
    echo restarted
    ;;
  *)
    # shellcheck disable=SC2086
    "$python" "$services/apps/tapped.py" "$rabbit" "$MANAGEMENT" "$what" $arguments
    ;;
  esac
done
