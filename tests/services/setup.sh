#!/usr/bin/env bash
# Installs what is missing for building (`setup.sh build`), testing (`setup.sh test`) or fuzzing (`setup.sh fuzz`), and nothing that is there.
# System packages come by apt, dnf or brew, with sudo only when not root; Python and node packages go under target/services.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PATH:/usr/sbin:/sbin" # nginx and tcpdump live there, an ordinary user's PATH may lack it

for manager in apt-get dnf brew none; do
  command -v "$manager" >/dev/null && break
done
missing=()

# need PROBE APT DNF BREW: the packages to install where the probe fails
need() {
  bash -c "$1" >/dev/null 2>&1 </dev/null && return
  case $manager in
  apt-get) missing+=($2) ;;
  dnf) missing+=($3) ;;
  brew) missing+=($4) ;;
  none) missing+=("$2") ;;
  esac
}

install_missing() {
  [ ${#missing[@]} != 0 ] || return 0
  local sudo=""
  if [ "$manager" = none ]; then
    echo "setup: neither apt, dnf nor brew is here; install by hand what Debian calls: ${missing[*]}" >&2
    exit 1
  fi
  if [ "$(id -u)" != 0 ] && [ "$manager" != brew ]; then
    command -v sudo >/dev/null || { echo "setup: no sudo here; as root: $manager install ${missing[*]}" >&2; exit 1; }
    sudo=sudo
  fi
  echo "setup: installing ${missing[*]} (about a minute)"
  case $manager in
  apt-get)
    $sudo apt-get update -qq </dev/null
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >/dev/null
    # Debian starts these as services on their usual ports; the tests start their own on free ports.
    for service in nginx rabbitmq-server redis-server postgresql; do
      if [[ " ${missing[*]} " == *" $service "* ]] && [ -d /run/systemd/system ]; then
        $sudo systemctl disable --quiet --now "$service" </dev/null || true
      fi
    done
    ;;
  dnf) $sudo dnf install -y -q "${missing[@]}" </dev/null ;;
  brew) brew install -q "${missing[@]}" </dev/null ;;
  esac
  missing=()
}

# once FILE STAMP COMMAND: runs the command unless it ran for this very content of the file
once() {
  cmp -s "$1" "target/services/$2.done" && return
  "$3"
  cp "$1" "target/services/$2.done"
}

python_packages() {
  echo "setup: Python packages into target/services/venv (about 20 seconds)"
  rm -rf target/services/venv
  python3 -m venv target/services/venv
  target/services/venv/bin/pip install -q --disable-pip-version-check -r tests/services/requirements.txt </dev/null
}

node_packages() {
  echo "setup: node packages into target/services/node (about 10 seconds)"
  rm -rf target/services/node
  mkdir -p target/services/node
  cp tests/services/package.json tests/services/package-lock.json target/services/node/
  npm ci --prefix target/services/node --loglevel=error --no-audit --no-fund </dev/null
}

need 'command -v cc' 'gcc libc6-dev' 'gcc glibc-devel' ''
need 'echo "#include <pcap.h>" | cc -E -x c -' libpcap-dev libpcap-devel libpcap
if [ "${1:-build}" = fuzz ]; then
  need 'command -v c++' g++ gcc-c++ ''
fi
if [ "${1:-build}" = test ]; then
  need 'command -v tcpdump' tcpdump tcpdump tcpdump
  need 'command -v curl' curl curl curl
  need 'command -v nginx' nginx nginx nginx
  need 'command -v nghttp && command -v nghttpd && command -v nghttpx' 'nghttp2-client nghttp2-server nghttp2-proxy' nghttp2 nghttp2
  need 'command -v wrk' wrk wrk wrk
  need 'command -v dnsmasq' dnsmasq-base dnsmasq dnsmasq
  need 'command -v dig' bind9-dnsutils bind-utils bind
  need 'command -v rabbitmq-server && command -v epmd' rabbitmq-server rabbitmq-server rabbitmq
  need 'command -v redis-server && command -v redis-cli' 'redis-server redis-tools' redis redis
  need '(ls /usr/lib/postgresql/*/bin/initdb || ls /usr/pgsql-*/bin/initdb || command -v initdb) && command -v psql' postgresql 'postgresql-server postgresql' postgresql
  need 'command -v openssl' openssl openssl openssl
  need 'command -v node && command -v npm' 'nodejs npm' 'nodejs npm' node
  need 'python3 -c "import venv, ensurepip"' 'python3 python3-venv' python3 python
fi
install_missing
if [ "${1:-build}" = test ]; then
  mkdir -p target/services
  once tests/services/requirements.txt python python_packages
  once tests/services/package-lock.json node node_packages
fi
