#!/usr/bin/env bash
# Many partners and long updates on one machine: 50 × 1M entries and 200 × 100K, real processes, mutual TLS on loopback.
# Prints CPU seconds, the coordinator's peak memory, and bytes per partner against the least that the protocol needs.
set -euo pipefail
cd "$(dirname "$0")/.."
for program in tacit tacit-coordinator tacit-client; do swift build -c release --product "$program"; done
swift build -c release --product tacitPackageTests
TACIT_FAULTS=scale SWIFT_BACKTRACE=enable=no swift test -c release --skip-build --filter "FaultTests/Scale" 2>&1 |
  grep --line-buffered -E "^FAULTS:|SKIPPED|✘|✔ Test run|error:"
