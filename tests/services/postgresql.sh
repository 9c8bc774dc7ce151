#!/usr/bin/env bash
# PostgreSQL between psql, psycopg and node's pg. Usage: postgresql.sh TRUTH
# Says `ready WEB POSTGRESQL` (ports; the first one answers HTTP), waits for a line of input so that captures can be started, sends
# everything, says `done`, waits for another line, and ends. TRUTH gets a line of JSON for each statement and each notification, as the
# client saw it. A session begins before the captures start, so that it is joined late.
source "$(dirname "$0")/lib.sh"
export TRUTH=$1 PGPASSWORD=not-a-real-password PGHOST=127.0.0.1 PGUSER=shop PGDATABASE=postgres
: >"$TRUTH"
read -r web PGPORT < <(free_ports 2)
export PGPORT

start web "$python" -m http.server --bind 127.0.0.1 --directory "$(mktemp -d -p "$dir")" "$web"
ready web 127.0.0.1 "$web"
postgresql_start postgresql "$PGPORT"
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
[ "$(id -u)" != 0 ] || chown postgres "$dir/key.pem"
psql -qX -c "ALTER SYSTEM SET ssl_cert_file = '$dir/cert.pem'" -c "ALTER SYSTEM SET ssl_key_file = '$dir/key.pem'"
mkfifo "$dir/late"
start late "$python" "$services/apps/ledger.py" late "$dir/late"
until grep -qs prepared "$dir/late.log"; do sleep 0.05; done

echo "ready $web $PGPORT"
read -r _
"$python" "$services/apps/ledger_psql.py"
"$python" "$services/apps/ledger.py"
node "$services/apps/ledger.js"
echo go >"$dir/late"
wait "${groups[-1]}"
# a session that is refused, and one that goes on encrypted
PGPASSWORD=not-a-real-guess psql -X -c "SELECT 'refused'" 2>/dev/null || echo '{"operation":"CONNECT postgres","status":"28P01","ok":false}' >>"$TRUTH"
psql -qX -c "ALTER SYSTEM SET ssl = on" -c "SELECT pg_reload_conf()" >/dev/null
cat >>"$TRUTH" <<'JSON'
{"sql":"ALTER SYSTEM SET ssl = on","status":"ALTER SYSTEM","ok":true}
{"sql":"SELECT pg_reload_conf()","status":"SELECT 1","rows":1,"ok":true}
JSON
until PGSSLMODE=require psql -qX -c "SELECT 'hidden'" >/dev/null 2>&1; do sleep 0.1; done
echo '{"operation":"SSLRequest","ok":true}' >>"$TRUTH"
echo "done"
read -r _
