#!/bin/bash
# Fuzzes every decoder and the sessions' `receive` with libFuzzer and AddressSanitizer.
#
#   scripts/fuzz.sh [SECONDS] [TARGET ...]     SECONDS for each target (60), all targets when none is named
#
# Builds Fuzzing/ by itself (its folder .build), begins with Fuzzing/corpus/TARGET and keeps what it finds of new inputs in
# Fuzzing/.build/found/TARGET. An input that traps is written to Fuzzing/.build/findings, and the exit code is 1.
set -u
cd "$(dirname "$0")/../Fuzzing" || exit 1
seconds=${1:-60}; [ $# -gt 0 ] && shift
swift build -c release --product FuzzTargets -Xswiftc -sanitize=fuzzer,address -Xswiftc -sanitize-coverage=edge,pc-table,inline-8bit-counters \
  > .fuzz-build.log 2>&1 || { grep error: .fuzz-build.log; echo "the fuzz targets do not build: Fuzzing/.fuzz-build.log" >&2; exit 1; }
library=$(find .build/release/ -name libFuzzTargets.a | head -1)
swiftc -sanitize=fuzzer,address -o .build/fuzz -Xlinker --whole-archive "$library" -Xlinker --no-whole-archive \
  -lsodium -lcrypto -lopenblas -lm >> .fuzz-build.log 2>&1 || { tail -5 .fuzz-build.log; exit 1; }
targets=${*:-$(TACIT_FUZZ_LIST=1 .build/fuzz)}
mkdir -p .build/findings
failed=0
for target in $targets; do
  mkdir -p ".build/found/$target" "corpus/$target"
  echo "==> $target, $seconds s"
  TACIT_FUZZ_TARGET=$target ${TACIT_FUZZ_WRITE:+env TACIT_FUZZ_SEEDS=corpus/$target} .build/fuzz -max_total_time="$seconds" -rss_limit_mb=4096 \
    -max_len=65536 -timeout=20 -artifact_prefix=".build/findings/$target-" ".build/found/$target" "corpus/$target" > ".build/$target.log" 2>&1 \
    || { failed=1; echo "FOUND: $(grep -m1 -E 'ERROR|Fatal error|SUMMARY' ".build/$target.log")"; }
  tail -1 ".build/$target.log"
done
exit $failed
