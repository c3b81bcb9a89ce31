#!/bin/bash
# Fuzzes every decoder and the `receive` of sessions and engines with libFuzzer and AddressSanitizer (both come with Swift).
#
#   scripts/fuzz.sh [SECONDS] [TARGET ...]     CPU seconds for each target (60), all targets when none is named
#   scripts/fuzz.sh --seeds                    writes the corpus of honest inputs, Fuzzing/corpus/TARGET, anew
#
# Builds Fuzzing/ by itself, begins with Fuzzing/corpus/TARGET and keeps new inputs in FUZZ_BUILD/found/TARGET, from which the next run
# goes on. Prints executions and CPU seconds of each target. An input that traps, takes more than 20 s or more than 3 GB is kept in
# FUZZ_BUILD/findings, and the exit code is 1. FUZZ_BUILD is Fuzzing/.build unless it is set; FUZZ_JOBS compilers run at a time (2).
set -u
cd "$(dirname "$0")/../Fuzzing" || exit 2
build=${FUZZ_BUILD:-$PWD/.build}
mkdir -p "$build/findings" "$build/found" "$build/logs"
swift build -c release --product FuzzTargets --scratch-path "$build" -j "${FUZZ_JOBS:-2}" -Xswiftc -sanitize=fuzzer,address > "$build/build.log" 2>&1 \
  || { grep error: "$build/build.log"; echo "the fuzz targets do not build: $build/build.log" >&2; exit 2; }
swiftc -sanitize=fuzzer,address -o "$build/fuzz" -Xlinker --whole-archive "$(find "$build/release/" -name libFuzzTargets.a | head -1)" \
  -Xlinker --no-whole-archive -lsodium -lcrypto -lopenblas -lz -lm >> "$build/build.log" 2>&1 \
  || { tail -5 "$build/build.log"; exit 2; }
export SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=detect_leaks=0
if [ "${1:-}" = --seeds ]; then
  rm -rf corpus && TACIT_FUZZ_SEEDS=corpus "$build/fuzz" && du -sh --apparent-size corpus
  exit
fi
seconds=60
if [[ "${1:-}" =~ ^[0-9]+$ ]]; then seconds=$1; shift; fi
known=$(TACIT_FUZZ_LIST=1 "$build/fuzz")
failed=0
total=0
printf '%-22s %12s %10s %9s  %s\n' target executions "CPU s" covered findings
for target in ${*:-$known}; do
  grep -qx "$target" <<< "$known" || { echo "no target $target; expected one of" $known >&2; exit 2; }
  mkdir -p "$build/found/$target"
  finding=none
  cpu=0
  executions=0
  # libFuzzer counts time on the wall, which a busy machine gives to others: it goes on until the processor's time is used.
  for run in {1..40}; do
    log=$build/logs/$target.$run.log
    times=$build/logs/$target.time
    TIMEFORMAT='%U %S'
    { time TACIT_FUZZ_TARGET=$target "$build/fuzz" -max_total_time=$((seconds - cpu < 5 ? 5 : seconds - cpu)) -rss_limit_mb=3072 -max_len=16384 -timeout=20 \
        -print_final_stats=1 -artifact_prefix="$build/findings/$target-" "$build/found/$target" "corpus/$target" > "$log" 2>&1; } 2> "$times" \
      || { failed=1; finding=$(grep -m1 -oE 'Fatal error: .*|Test unit written to .*|ERROR: .*' "$log"); }
    cpu=$((cpu + $(tail -1 "$times" | awk '{ printf "%d", $1 + $2 }')))
    executions=$((executions + $(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | grep . || echo 0)))
    if [ "$finding" != none ] || [ $cpu -ge "$seconds" ]; then break; fi
  done
  total=$((total + cpu))
  printf '%-22s %12s %10s %9s  %s\n' "$target" "$executions" "$cpu" "$(grep -oE 'cov: [0-9]+' "$log" | tail -1 | cut -c6-)" "$finding"
done
echo "$total CPU s in all; findings: $([ $failed = 0 ] && echo none || echo "$build/findings")"
exit $failed
