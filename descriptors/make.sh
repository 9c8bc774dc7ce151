#!/usr/bin/env bash
# Fetches the sources of the descriptors that ship, each from the registry package that README.md names, and compiles them.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m pip download -q --disable-pip-version-check --no-deps -d "$work" googleapis-common-protos==1.76.0
python3 -m zipfile -e "$work"/googleapis_common_protos-*.whl "$work/googleapis"

mkdir -p "$work/crates/src"
touch "$work/crates/src/lib.rs"
cat >"$work/crates/Cargo.toml" <<'TOML'
[package]
name = "sources"
version = "0.0.0"
edition = "2024"
[dependencies]
opentelemetry-proto = { version = "=0.33.1", default-features = false }
tonic-health = { version = "=0.14.9", default-features = false }
tonic-reflection = { version = "=0.14.9", default-features = false }
TOML
cargo vendor -q --manifest-path "$work/crates/Cargo.toml" "$work/vendor" >/dev/null

rm -rf google grpc opentelemetry
mkdir -p google/rpc grpc/health/v1 grpc/reflection/v1 grpc/reflection/v1alpha
cp "$work"/googleapis/google/rpc/{status,code,error_details}.proto google/rpc/
cp "$work/vendor/tonic-health/proto/health.proto" grpc/health/v1/
cp "$work/vendor/tonic-reflection/proto/reflection_v1.proto" grpc/reflection/v1/reflection.proto
cp "$work/vendor/tonic-reflection/proto/reflection_v1alpha.proto" grpc/reflection/v1alpha/reflection.proto
otlp=$work/vendor/opentelemetry-proto/src/proto/opentelemetry-proto
for part in common/v1 resource/v1 {trace,metrics,logs}/v1 collector/{trace,metrics,logs}/v1; do
  mkdir -p "opentelemetry/proto/$part"
  cp "$otlp/opentelemetry/proto/$part"/*.proto "opentelemetry/proto/$part/"
done
UPDATE_EXPECT=1 cargo test --locked --lib schema::builtin
