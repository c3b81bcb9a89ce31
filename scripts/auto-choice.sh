#!/usr/bin/env bash
# What the bounds of `--algorithm auto` rest on: popularity, covariance and hybrid on validation items, at several ε, on generated shops
# of several sizes and, where a folder of data sets is given, on its ml-1m; beside what auto chooses there. Reads no test file.
# Usage: scripts/auto-choice.sh [SHARED-FOLDER]      (SEEDS="1 2 3" EPSILONS="1 2 4 8" SHOPS="6000x600x8 …" to change what is tried)
set -euo pipefail
cd "$(dirname "$0")/.."
tacit=${TACIT:-.build/release/tacit}
out=runs/auto-choice
data=()
for shop in ${SHOPS:-6000x600x8 6000x2400x8 20000x600x8 20000x2400x8}; do data+=("synthetic:$shop"); done
[ -z "${1:-}" ] || data+=("$1/data/ml-1m")
for data in "${data[@]}"; do
  for epsilon in ${EPSILONS:-1 2 4 8}; do
    for seed in ${SEEDS:-1}; do
      for algorithm in popularity covariance hybrid auto; do
        rm -rf "$out" "$out.partial"
        partners=8
        compgen -G "$data/users.tsv*" >/dev/null && partners=by:partner
        "$tacit" simulate --data "$data" --partners "$partners" --algorithm "$algorithm" --epsilon "$epsilon" --delta 1e-6 --seed "$seed" \
          --validation --baselines off --output "$out" --format json >"$out.json" 2>"$out.log" || { cat "$out.log" >&2; exit 1; }
        python3 - "$out.json" "${data##*/}" "$epsilon" "$seed" "$algorithm" <<'PY'
import json, sys
path, data, epsilon, seed, name = sys.argv[1:]
report = json.load(open(path))
row = next(r for r in report["utility"]["quality"]["rows"] if r["method"] == "federated-private" and "partner" not in r)
metrics = {m["metric"]: m["value"] for m in row["metrics"]}
reading = report["utility"]["noiseReading"]
ratio = reading["nominalUsers"] / reading["noiseMultiplier"]
chosen = f" (chose {report['identity']['algorithm']})" if name == "auto" else ""
print(f"{data:24} eps {epsilon:3} seed {seed}  N/z {ratio:8.0f}  {name:10}  P1 HR@10 {metrics['P1 HR@10']:.4f}"
      f"  full NDCG@10 {metrics['full NDCG@10']:.4f}{chosen}", flush=True)
PY
      done
    done
  done
done
