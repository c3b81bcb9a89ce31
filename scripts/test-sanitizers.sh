#!/bin/bash
# The tests of the pure targets under AddressSanitizer, then under ThreadSanitizer.
#
#   scripts/test-sanitizers.sh [address|thread ...]     both when none is named
#
# Builds Fuzzing/ by itself, in SANITIZER_BUILD/address and SANITIZER_BUILD/thread (Fuzzing/.build unless it is set), SANITIZER_JOBS
# compilers at a time (2). Left out is what only counts or times: whole audits and long calibrations, which are C and Swift that the
# other tests run too, and take the sanitizers hours.
set -u
cd "$(dirname "$0")/../Fuzzing" || exit 2
build=${SANITIZER_BUILD:-$PWD/.build}
mkdir -p "$build"
failed=0
for kind in ${*:-address thread}; do
  echo "==> $kind"
  log=$build/$kind.log
  flags=(-c release --sanitize="$kind" --scratch-path "$build/$kind")
  swift build "${flags[@]}" --build-tests -j "${SANITIZER_JOBS:-2}" > "$log" 2>&1 \
    || { grep error: "$log" | head; echo "the tests do not build: $log" >&2; exit 2; }
  # What Foundation and the test library keep to the end is no finding; a race or a bad access ends the run.
  SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=detect_leaks=0 TSAN_OPTIONS=halt_on_error=1 \
    swift test "${flags[@]}" --skip-build --skip 'AuditTests|Calibration' > "$log" 2>&1 || failed=1
  grep -E '(ERROR|WARNING): (Address|Thread)Sanitizer|^.{0,4}Test .* failed|Test run with' "$log" | head -20
done
exit $failed
