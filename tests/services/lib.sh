#!/usr/bin/env bash
# Sourced by the scripts beside it: starts services on free ports, waits until they answer, and ends them whatever happens.
set -euo pipefail
services=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
installed="$services/../../target/services"
python="$installed/venv/bin/python"
export NODE_PATH="$installed/node/node_modules" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
export PATH="$PATH:/usr/sbin:/sbin"
# A proxy of the user's environment is not for loopback.
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
dir=$(mktemp -d)
# where Erlang writes what it dies of, rather than beside the sources
export ERL_CRASH_DUMP="$dir/erl_crash.dump"
groups=()

# Ends every process group that `start` began, the last one first, and waits for it; then drops the folder.
stop_all() {
  local status=$? i
  trap - EXIT INT TERM
  for ((i = ${#groups[@]} - 1; i >= 0; i--)); do
    kill -TERM -- "-${groups[i]}" 2>/dev/null || true
  done
  for ((i = ${#groups[@]} - 1; i >= 0; i--)); do
    wait "${groups[i]}" 2>/dev/null || true
  done
  rm -rf "$dir"
  exit "$status"
}
trap stop_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# start NAME COMMAND…: in a process group of its own that also ends when this shell is killed; its output goes to $dir/NAME.log
start() {
  local name=$1 leash=()
  shift
  command -v setpriv >/dev/null && leash=(setpriv --pdeathsig TERM)
  setsid "${leash[@]}" "$@" >"$dir/$name.log" 2>&1 </dev/null &
  groups+=($!)
}

# ready NAME HOST PORT…: waits until each port accepts; a service that ended instead is told with its log
ready() {
  local name=$1 host=$2 port tries
  shift 2
  for port in "$@"; do
    for ((tries = 0; ; tries++)); do
      (exec 3<>"/dev/tcp/$host/$port") 2>/dev/null && break
      if [ $tries = 600 ] || ! kill -0 "${groups[-1]}" 2>/dev/null; then
        echo "$name does not answer on $host:$port:" >&2
        cat "$dir/$name.log" >&2
        exit 1
      fi
      sleep 0.05
    done
  done
}

# free_ports N [HOST]: N ports that nobody listens on
free_ports() {
  python3 - "$1" "${2:-127.0.0.1}" <<'PYTHON'
import socket, sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in held:
    s.bind((sys.argv[2], 0))
print(*(s.getsockname()[1] for s in held))
PYTHON
}

# nginx_start NAME CONFIG: nginx in the foreground with everything it writes under $dir; CONFIG is the inside of its http block
nginx_start() {
  local home="$dir/$1.home"
  mkdir -p "$home"
  {
    [ "$(id -u)" != 0 ] || echo "user root;"
    cat <<CONFIG
worker_processes 1;
pid $home/pid;
error_log stderr;
daemon off;
events { worker_connections 512; }
http {
  types { text/html html; text/css css; application/javascript js; application/json json; image/svg+xml svg; text/plain txt; }
  client_body_temp_path $home/body;
  proxy_temp_path $home/proxy;
  fastcgi_temp_path $home/fastcgi;
  uwsgi_temp_path $home/uwsgi;
  scgi_temp_path $home/scgi;
  access_log off;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
$2
}
CONFIG
  } >"$home/nginx.conf"
  start "$1" nginx -p "$home" -e stderr -c "$home/nginx.conf"
}

# rabbitmq_start NAME PORT DIST EPMD [HOST]: RabbitMQ on loopback, nothing of it shared with another one: node, cookie, data, epmd. In the
# foreground, so that it ends with us; a user's own installation is not asked for anything. MANAGEMENT: the port of its management API;
# TLS: the port where it takes connections by TLS, with what `certificate` made; MANAGEMENT_TLS: that of its management API by TLS
rabbitmq_start() {
  local name=$1 port=$2 dist=$3 epmd=$4 host=${5:-127.0.0.1} home="$dir/$1.home" bin
  bin=$(command -v /usr/lib/rabbitmq/bin/rabbitmq-server || command -v rabbitmq-server)
  mkdir -p "$home"
  printf 'loopback_users.guest = true\nlog.console = true\nlog.file = false\n' >"$home/rabbitmq.conf"
  printf '[%s].\n' "${MANAGEMENT:+rabbitmq_management}" >"$home/plugins"
  [ -z "${MANAGEMENT:-}" ] || printf 'management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = %s\n' "$MANAGEMENT" >>"$home/rabbitmq.conf"
  [ -z "${MANAGEMENT_TLS:-}" ] || printf 'management.ssl.%s\n' "ip = 127.0.0.1" "port = $MANAGEMENT_TLS" "certfile = $dir/server.pem" \
    "keyfile = $dir/server.key" "cacertfile = $dir/ca.pem" >>"$home/rabbitmq.conf"
  [ -z "${TLS:-}" ] || printf 'listeners.ssl.default = 127.0.0.1:%s\nssl_options.certfile = %s\nssl_options.keyfile = %s\n' "$TLS" \
    "$dir/server.pem" "$dir/server.key" >>"$home/rabbitmq.conf"
  start "$name.epmd" epmd -port "$epmd" -address 127.0.0.1
  ready "$name.epmd" 127.0.0.1 "$epmd"
  start "$name" env HOME="$home" ERL_EPMD_PORT="$epmd" ERL_EPMD_ADDRESS=127.0.0.1 RABBITMQ_NODENAME="t$port@localhost" \
    RABBITMQ_MNESIA_BASE="$home/data" RABBITMQ_LOG_BASE="$home/log" RABBITMQ_NODE_IP_ADDRESS="$host" RABBITMQ_NODE_PORT="$port" \
    RABBITMQ_DIST_PORT="$dist" RABBITMQ_CONFIG_FILE="$home/rabbitmq.conf" RABBITMQ_ENABLED_PLUGINS_FILE="$home/plugins" \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 1:1 +sbwt none" "$bin"
  # its port accepts a little before it answers
  until grep -qs "Server startup complete" "$dir/$name.log"; do
    kill -0 "${groups[-1]}" 2>/dev/null || { cat "$dir/$name.log" >&2; exit 1; }
    sleep 0.1
  done
}

# certificate: $dir/server.pem and server.key for localhost, by an authority that nobody trusts but who is given $dir/ca.pem
certificate() {
  local key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
  openssl req -x509 "${key[@]}" -days 2 -subj "/CN=an authority of its own" -keyout "$dir/ca.key" -out "$dir/ca.pem" 2>/dev/null
  openssl req "${key[@]}" -subj "/CN=localhost" -keyout "$dir/server.key" -out "$dir/server.csr" 2>/dev/null
  openssl x509 -req -in "$dir/server.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial -days 2 \
    -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1") -out "$dir/server.pem" 2>/dev/null
  # who watches need not be who we are
  chmod go+x "$dir"
}

# redis_start NAME PORT [OPTION…]: Redis on loopback that keeps nothing
redis_start() {
  start "$1" redis-server --port "$2" --bind 127.0.0.1 --save '' --appendonly no --dir "$dir" "${@:3}"
  ready "$1" 127.0.0.1 "$2"
}

# postgresql_start NAME PORT [OPTION…]: PostgreSQL on loopback with everything of it under $dir, and a superuser `shop` with the password
# in PGPASSWORD, who logs in by SCRAM. It does not run as root.
postgresql_start() {
  local name=$1 port=$2 home="$dir/$1.home" bin as=()
  # Debian and Fedora have a folder for each version
  bin=$(dirname "$({ ls /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb 2>/dev/null || command -v initdb; } | sort -V | tail -n 1)")
  mkdir -p "$home"
  echo "$PGPASSWORD" >"$home.password"
  if [ "$(id -u)" = 0 ]; then
    as=(setpriv --reuid postgres --regid postgres --init-groups --pdeathsig TERM)
    chmod 711 "$dir"
    chown postgres "$home" "$home.password"
  fi
  "${as[@]}" "$bin/initdb" -D "$home/data" -U shop --pwfile "$home.password" -A scram-sha-256 --no-sync -E UTF8 --locale C >"$dir/$name.initdb"
  start "$name" "${as[@]}" "$bin/postgres" -D "$home/data" -h 127.0.0.1 -p "$port" -k '' -F "${@:3}"
  # its port accepts a little before it answers
  until grep -qs "ready to accept connections" "$dir/$name.log"; do
    kill -0 "${groups[-1]}" 2>/dev/null || { cat "$dir/$name.log" >&2; exit 1; }
    sleep 0.1
  done
}
