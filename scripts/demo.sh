#!/usr/bin/env bash
# Trains twice on the embedded shop data (12 shops, 10,000 shoppers, 600 goods), privately, and says where the results lie.
# DEMO_DATA=synthetic:400x80x5 makes it small (continuous integration).
set -euo pipefail
cd "$(dirname "$0")/.."
tacit=.build/release/tacit
data=${DEMO_DATA:-synthetic}

for algorithm in mf covariance; do
  rm -rf "runs/demo-$algorithm" "runs/demo-$algorithm.partial"
  echo
  echo "==> tacit simulate --data $data --partners by:partner --algorithm $algorithm --epsilon 8 --delta 1e-6 --output runs/demo-$algorithm"
  "$tacit" simulate --data "$data" --partners by:partner --algorithm "$algorithm" --epsilon 8 --delta 1e-6 \
    --output "runs/demo-$algorithm"
done

echo
echo "==> the first list of one shopper, and why (computed where the history lies)"
user=$(awk 'NR == 2 { print $1 }' runs/demo-covariance/recommendations.tsv)
"$tacit" recommend --run runs/demo-covariance --user "$user" --top 5 --explain
echo
echo "==> ledgers, plan and ε, checked without trusting the coordinator"
"$tacit" verify runs/demo-covariance
echo
echo "Open runs/demo-covariance/report.html in a browser (and runs/demo-mf/report.html)."
