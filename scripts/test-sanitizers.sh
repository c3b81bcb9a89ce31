#!/bin/bash
# The tests of the pure targets under AddressSanitizer and under ThreadSanitizer.
#
#   scripts/test-sanitizers.sh [address|thread ...]     both when none is named
#
# ThreadSanitizer does not see the lock of Synchronization.Mutex (a system call in a library that is not built for it) and would report
# whatever it guards. For it the same sources are built with VisibleMutex in its place, a pthread lock, which it sees: Fuzzing/Package.swift
# does so when TACIT_THREAD_SANITIZER is 1. What is checked is that everything shared is under a lock or handed over, not the lock itself.
# Fuzzing/thread-sanitizer.supp names the one thing that is no race: what the standard library does to its own empty array.
#
# Builds Fuzzing/ by itself, in SANITIZER_BUILD/address and SANITIZER_BUILD/thread (Fuzzing/.build unless it is set), SANITIZER_JOBS
# compilers at a time (2). Left out is what only counts or times: whole audits, long calibrations, explored states and second plans, which are code that the
# other tests run too, and take the sanitizers hours.
set -u
cd "$(dirname "$0")/../Fuzzing" || exit 2
build=${SANITIZER_BUILD:-$PWD/.build}
mkdir -p "$build"
failed=0
for kind in ${*:-address thread}; do
  echo "==> $kind"
  log=$build/$kind.log
  export TACIT_THREAD_SANITIZER=$([ "$kind" = thread ] && echo 1 || echo 0)
  flags=(-c release --sanitize="$kind" --scratch-path "$build/$kind")
  swift build "${flags[@]}" --build-tests -j "${SANITIZER_JOBS:-2}" > "$log" 2>&1 \
    || { grep error: "$log" | head; echo "the tests do not build: $log" >&2; exit 2; }
  # What Foundation and the test library keep to the end is no finding; a race or a bad access ends the run.
  SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=detect_leaks=0 TSAN_OPTIONS="halt_on_error=1 suppressions=$PWD/thread-sanitizer.supp" \
    swift test "${flags[@]}" --skip-build --skip 'AuditTests|Calibration|ExplorerTests|AdaptiveSwitchTests|LinkedCapTests' > "$log" 2>&1 || failed=1
  grep -E '(ERROR|WARNING): (Address|Thread)Sanitizer|^.{0,4}Test .* failed|Test run with' "$log" | head -20
done
exit $failed
