#!/usr/bin/env bash
# Regenerates Sources/WireProtocol/Generated from Protocols/tacit/v1 (Debian: protobuf-compiler).
# The plugin is built from the swift-protobuf that Package.swift names; PROTOC_GEN_SWIFT skips that build.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v protoc >/dev/null || { echo "generate: found no protoc; install protobuf-compiler" >&2; exit 69; }
plugin=${PROTOC_GEN_SWIFT:-}
if [ -z "$plugin" ]; then
  swift build -c release --product protoc-gen-swift
  plugin=$(swift build -c release --show-bin-path)/protoc-gen-swift
fi
out=Sources/WireProtocol/Generated
mkdir -p "$out"
protoc -I Protocols/tacit/v1 --plugin="protoc-gen-swift=$plugin" --swift_out="$out" --swift_opt=Visibility=Internal \
  --swift_opt=UseAccessLevelOnImports=true Protocols/tacit/v1/*.proto
