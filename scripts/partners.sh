#!/usr/bin/env bash
# One coordinator and seven partners on this machine, each a process of its own with its own data, keys and ledger; real certificates,
# real TLS, real noise. Trains to the end and prints the table that the simulator prints for the same data.
#
#   scripts/partners.sh [FOLDER]       the folder must not exist; default runs/partners
# PARTNERS_ALGORITHM, PARTNERS_ROUNDS and PARTNERS_FEATURES (attributes,text) say what is trained.
# PARTNERS_NOISE=none compares the model, byte for byte, with the simulator's.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-runs/partners}
noise=${PARTNERS_NOISE:-central}
data=${PARTNERS_DATA:-synthetic:7000x600x7}
algorithm=${PARTNERS_ALGORITHM:-covariance}
features=${PARTNERS_FEATURES:-} rounds=${PARTNERS_ROUNDS:-}
cap=(--cap 8.5,1e-6) # what a partner lets its data spend at most, over all plans; without noise there is no such number
[ "$noise" != none ] || cap=()
build=$PWD/.build/release
tacit=$build/tacit coordinator=$build/tacit-coordinator client=$build/tacit-client
[ ! -e "$folder" ] || { echo "partners: $folder exists; remove it or name another folder" >&2; exit 73; }
mkdir -p "$(dirname "$folder")"

port() { # a port that is free now
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' 2>/dev/null ||
    echo $((20000 + RANDOM % 20000))
}
training=127.0.0.1:$(port) enrolment=127.0.0.1:$(port) metrics=127.0.0.1:$(port)

$tacit data split "$data" --partners by:partner --output "$folder/data" >"$folder.split"
mv "$folder.split" "$folder/split.out"
# The most users that each partner may bring: a constant of the contract, rounded up to two digits, as the simulator has it.
maximum=$(awk -F': ' '/ users$/ { n = split($1, path, "/"); count = $2 + 0; unit = 1; while (int(count / unit) >= 100) unit *= 10
  printf "%s%s=%d", (seen++ ? "," : ""), path[n], (int(count / unit) + 1) * unit }' "$folder/split.out")
$coordinator init --state "$folder/coordinator" --name seven-shops --training-address "$training" --enrolment-address "$enrolment" >"$folder/coordinator.out"

running=()
stop() {
  for process in "${running[@]}"; do kill "$process" 2>/dev/null || true; done
  wait 2>/dev/null || true
}
trap stop EXIT
$coordinator serve --state "$folder/coordinator" --listen "$training" --enrolment-listen "$enrolment" --metrics-listen "$metrics" \
  --set gather=60s --set retry-pause=1s >"$folder/coordinator.log" 2>&1 &
running+=($!)

shops=()
for path in "$folder"/data/*/; do shops+=("$(basename "$path")"); done
for shop in "${shops[@]}"; do
  $coordinator invite "$shop" --state "$folder/coordinator" >"$folder/token" 2>>"$folder/coordinator.out"
  for try in 1 2 3 4 5 6 7 8 9 10; do # the server may still be starting
    if $client enroll --home "$folder/$shop" --token @"$folder/token" >"$folder/$shop.out" 2>&1; then break; fi
    [ "$try" -lt 10 ] || { cat "$folder/$shop.out" "$folder/coordinator.log" >&2; exit 1; }
    sleep 1
  done
done
rm -f "$folder/token"
echo "${#shops[@]} partners have enrolled; every key was made at its partner"

cat >"$folder/plan.yaml" <<PLAN
task: seven shops, one model
catalogue: data/items.tsv.gz
algorithm: $algorithm
noise: $noise
epsilon: 8
delta: 1e-6
nominal-users: 7000
maximum-users: 1000
maximum-users-of: $maximum
evaluation-share: 0
reserve-attempts: 1
${rounds:+rounds: $rounds}
${features:+item-features: [$features]}
PLAN
$coordinator plan "$folder/plan.yaml" --state "$folder/coordinator" --output "$folder/plan.json"

for shop in "${shops[@]}"; do
  $client review --home "$folder/$shop" >"$folder/$shop.review"
  $client data import "$folder/data/$shop" --home "$folder/$shop" "${cap[@]}" >>"$folder/$shop.out"
  $client accept --home "$folder/$shop" --yes >>"$folder/$shop.out"
  $client run --home "$folder/$shop" --once >"$folder/$shop.log" 2>&1 &
  running+=($!)
done
echo "what ${shops[0]} was shown before it said yes: $folder/${shops[0]}.review"

for process in "${running[@]:1}"; do
  wait "$process" || { status=$?; tail -n 5 "$folder"/*.log >&2; exit "$status"; }
done
$coordinator export "$folder/run" --state "$folder/coordinator"
$tacit verify "$folder/run"
for shop in "${shops[@]}"; do $client verify --home "$folder/$shop" | tail -1; done
echo
echo "the table of the simulator, over everybody's data in one place, which only a trial can have:"
$tacit evaluate "$folder/run" --data "$data" --partners by:partner
echo
echo "what joining was worth to ${shops[0]}, computed at its home:"
$client worth --home "$folder/${shops[0]}"
echo
if [ "$noise" = none ]; then
  $tacit simulate --data "$data" --partners by:partner --algorithm "$algorithm" --noise none --baselines off \
    --nominal-users 7000 ${rounds:+--rounds "$rounds"} ${features:+--item-features "$features"} --output "$folder/simulated" >/dev/null
  cmp "$folder/run/items.safetensors" "$folder/simulated/items.safetensors"
  echo "the model has the same bytes as the simulator's"
fi
