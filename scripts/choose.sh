#!/usr/bin/env bash
# A small grid over `ncf` and over sources of item features (on amazon-beauty: over `sasrec` and `gru` with each user a client; on gowalla: over `item-knn`;
# on online-retail: over `covariance`), on validation (each user's last training item; no test file is
# read), one seed, fewer rounds than a real run. Prints one line for each try, best full NDCG@10 last (of `covariance` best P1 NDCG@10).
# With EPSILON the grid is over what trains under that user-level ε (δ = 10⁻⁶) instead: three seeds, best P1 HR@10 last.
# Usage: [ROUNDS=30] [EPSILON=4] scripts/choose.sh SHARED-FOLDER [DATA-SET]
set -euo pipefail
cd "$(dirname "$0")/.."
data=${1:?usage: scripts/choose.sh SHARED-FOLDER [DATA-SET]}/data/${2:-ml-1m}
tacit=${TACIT:-.build/release/tacit}
out=runs/choose
mkdir -p "$out"
validation=(--validation)

try() {
  local run
  run=$out/$(echo "$*" | tr -c 'a-z0-9=.,\n-' '_')
  rm -rf "$run" "$run.partial"
  local rounds=(--rounds "${ROUNDS:-30}") privacy=(--noise none)
  [[ $* == *covariance* ]] && rounds=()
  [ -z "${EPSILON:-}" ] || rounds=() privacy=(--epsilon "$EPSILON" --delta 1e-6)
  "$tacit" simulate --data "$data" "${validation[@]}" --seed 1 --partners "${PARTNERS:-5}" --baselines off "${privacy[@]}" \
    --secure-aggregation off "${rounds[@]}" --format json --output "$run" "$@" 2>/dev/null >"$run.json"
  "$tacit" evaluate "$run" --format json |
    python3 -c '
import json, sys
row = {m["metric"]: m["value"] for m in json.load(sys.stdin)["rows"][0]["metrics"]}
print("  ".join(f"{k} {v:.4f}" for k, v in row.items()), " ", *sys.argv[1:])' "$@"
}

grid() {
  for tower in "8 16" "16 32" "32 64"; do
    for rate in 0.005 0.01 0.02; do
      try --algorithm ncf --set tower-inputs="${tower% *}" --set tower="${tower#* }" --set rate="$rate"
    done
  done
  for features in attributes text attributes,text; do
    for algorithm in ncf two-tower; do try --algorithm "$algorithm" --item-features "$features"; done
  done
}

# Each user a client, 256 of 22,363 in a round on average: see scripts/marks.sh.
clients() {
  PARTNERS=3
  for algorithm in sasrec gru; do
    for dropout in 0.2 0.5; do
      for rate in 0.005 0.01; do
        try --algorithm "$algorithm" --set participation=0.01145 --set dropout="$dropout" --set rate="$rate"
      done
    done
  done
}

# The histories of gowalla are in the order of item numbers, which are given as items first appear: the last one is the rarest, and no sample of what
# a user took. The training file names a tenth of its rows `valid`, drawn at random: those are tried on, and the others trained on.
hold_out() {
  local name=$out/gowalla-split
  mkdir -p "$name"
  for part in train valid; do
    zcat "$data/train.tsv.gz" | awk -F '\t' -v part="$part" 'NR == 1 { print "user\titem" } $3 == part { print $1 "\t" $2 }' |
      gzip >"$name/$([ "$part" = train ] && echo train || echo test).tsv.gz"
  done
  data=$name
}

neighbours() {
  hold_out
  PARTNERS=3
  validation=()
  for users in 0.5 0.7; do
    for history in 0.5 0.6; do
      for candidate in 0.3 0.4; do
        try --algorithm item-knn --set half-life=0 --set user-exponent=$users --set history-exponent=$history \
          --set candidate-exponent=$candidate
      done
    done
  done
  for number in 50 100 200 1000; do try --algorithm item-knn --set half-life=0 --set neighbours=$number; done
  for events in 0 1; do try --algorithm item-knn --set half-life=0 --set prior-events=$events; done
}

covariance() {
  for ridge in 200 300 500 1000; do
    for life in 0 10 20 30 40; do try --algorithm covariance --set ridge=$ridge --set half-life=$life; done
  done
}

private() {
  for seed in 1 2 3; do
    for life in 5 10 20 40; do
      for one in 0 1; do try --algorithm mf --set rank-one=$one --set half-life=$life --seed $seed; done
      for algorithm in hybrid covariance; do try --algorithm $algorithm --set half-life=$life --seed $seed; done
    done
  done
}

best="full NDCG@10"
case ${2:-ml-1m} in
amazon-beauty) tries=clients ;;
gowalla) tries=neighbours ;;
online-retail) tries=covariance best="P1 NDCG@10" ;;
*) tries=grid ;;
esac
[ -z "${EPSILON:-}" ] || tries=private best="P1 HR@10"
"$tries" | tee "$out/tries.txt"
echo "best last, by $best:"
sed -E "s/.*$best ([0-9.]+).*/\1 &/" "$out/tries.txt" | sort -n | cut -d' ' -f2-
