#!/usr/bin/env bash
# Regenerates Sources/WireProtocol/Generated and Sources/Transport/Generated from Protocols/tacit/v1 (Debian: protobuf-compiler).
# The plugins are built from the packages that Package.swift names; PROTOC_GEN_SWIFT and PROTOC_GEN_GRPC_SWIFT_2 skip that build.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v protoc >/dev/null || { echo "generate: found no protoc; install protobuf-compiler" >&2; exit 69; }
# $1: path of a plugin or nothing; $2: its product
plugin() {
  if [ -n "$1" ]; then echo "$1"; return; fi
  swift build -c release --product "$2" >&2
  echo "$(swift build -c release --show-bin-path)/$2"
}
messages=$(plugin "${PROTOC_GEN_SWIFT:-}" protoc-gen-swift)
services=$(plugin "${PROTOC_GEN_GRPC_SWIFT_2:-}" protoc-gen-grpc-swift-2)
options=(-I Protocols/tacit/v1 "--plugin=protoc-gen-swift=$messages" --swift_opt=Visibility=Internal --swift_opt=UseAccessLevelOnImports=true)

# What partners and coordinator say to each other: no gRPC is needed to read it.
out=Sources/WireProtocol/Generated
mkdir -p "$out"
protoc "${options[@]}" --swift_out="$out" Protocols/tacit/v1/{secure_aggregation,training}.proto

# How it travels.
out=Sources/Transport/Generated
mkdir -p "$out"
protoc "${options[@]}" --swift_out="$out" "--plugin=protoc-gen-grpc-swift-2=$services" --grpc-swift-2_out="$out" \
  --grpc-swift-2_opt=Visibility=Internal,UseAccessLevelOnImports=true Protocols/tacit/v1/{coordination,enrolment}.proto
