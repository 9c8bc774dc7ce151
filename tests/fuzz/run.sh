#!/usr/bin/env bash
# Runs every fuzz target in turn for so many seconds, those whose sources changed last first: run.sh SECONDS [TARGET…]. What breaks one is
# kept under target/fuzz/found/TARGET, and told at the end; a copy of it under tests/fuzz/found/TARGET is run by `make test` from then on.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=$1
shift
host=$(rustc -vV | sed -n 's/^host: //p')
# the same instrumentation that cargo-fuzz asks for; without unsafe code there is nothing for an address sanitizer to find
passes="-Cpasses=sancov-module"
for part in level=4 inline-8bit-counters pc-table trace-compares; do
    passes+=" -Cllvm-args=-sanitizer-coverage-$part"
done
RUSTFLAGS="$passes --cfg fuzzing" cargo build --quiet --locked --profile fuzz --features fuzz --example fuzz --target "$host" --target-dir target/fuzz
fuzzer=target/fuzz/$host/fuzz/examples/fuzz

# not committed: now; committed: then
changed() {
    if [ -n "$(git status --porcelain -- "$1" 2>/dev/null)" ]; then date +%s; else git log -1 --format=%ct -- "$1" 2>/dev/null | grep . || echo 0; fi
}
order=$("$fuzzer" | while read -r name source; do echo "$(changed "$source") $name"; done | sort -rn | cut -d' ' -f2)
[ $# -eq 0 ] || order=$*

failed=()
for name in $order; do
    corpus=target/fuzz/corpus/$name found=target/fuzz/found/$name
    mkdir -p "$corpus" "$found"
    MESHTOP_FUZZ=$name MESHTOP_SEEDS=$corpus "$fuzzer"
    known=(tests/fuzz/found/"$name"/*)
    [ -e "${known[0]}" ] && cp -- "${known[@]}" "$corpus"
    log=target/fuzz/$name.log
    if MESHTOP_FUZZ=$name "$fuzzer" "$corpus" -max_total_time="$seconds" -max_len=65536 -timeout=20 -rss_limit_mb=2048 \
        -artifact_prefix="$found/" -print_final_stats=1 >"$log" 2>&1; then
        result=held
    else
        result=BROKE
        failed+=("$name")
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    printf '%-20s %s: %s runs, %s inputs\n' "$name" "$result" "${runs:-?}" "$(ls "$corpus" | wc -l)"
done
for name in "${failed[@]}"; do
    echo "$name: see target/fuzz/$name.log; again with: MESHTOP_FUZZ=$name $fuzzer $(ls -t target/fuzz/found/"$name"/* | head -1)"
done
[ ${#failed[@]} -eq 0 ]
