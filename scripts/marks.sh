#!/usr/bin/env bash
# The quality marks on real data, judged by an independent program. Needs the data folders and the judge of a folder given
# as the first argument (ml-1m, ml-100k, online-retail, amazon-beauty, gowalla under data/, eval_topn.py under tools/); reads no test file to choose anything.
# Usage: [MARKS=REGEX] scripts/marks.sh SHARED-FOLDER [SEED ...]
set -euo pipefail
cd "$(dirname "$0")/.."
shared=${1:?usage: scripts/marks.sh SHARED-FOLDER [SEED ...]}
shift
seeds=("${@:-1}")
[ $# -gt 0 ] || seeds=(1 2 3)
[ -f "$shared/tools/eval_topn.py" ] || { echo "marks: found no $shared/tools/eval_topn.py" >&2; exit 66; }
tacit=${TACIT:-.build/release/tacit}
out=runs/marks
mkdir -p "$out"

# name, data set, flags
mark() {
  local name=$1 data=$shared/data/$2
  [[ $name =~ ${MARKS:-.} ]] || return 0
  shift 2
  for seed in "${seeds[@]}"; do
    local run=$out/$name-$seed
    rm -rf "$run" "$run.partial"
    /usr/bin/env time -f '%e %M' -o "$out/time" "$tacit" simulate --data "$data" --partners by:partner --seed "$seed" \
      --baselines off --output "$run" "$@" >/dev/null 2>"$out/log" || { cat "$out/log" >&2; exit 1; }
    # P1 only where the data list candidates.
    local listed=()
    if [ -f "$data/negatives.tsv.gz" ]; then
      listed=(--scores "$run/scores.tsv")
      "$tacit" evaluate "$run" --data "$data" "${listed[@]}" >/dev/null
    fi
    python3 "$shared/tools/eval_topn.py" --data "$data" --topk "$run/recommendations.tsv" "${listed[@]}" >"$run/judge.json"
    python3 - "$run/judge.json" "$out/time" "$name" "$seed" <<'PY'
import json, sys
judge, time, name, seed = sys.argv[1:]
r = json.load(open(judge)); s, f = r.get("sampled"), r["full"]
p1 = f"P1 HR@10 {s['HR@10']:.4f} NDCG@10 {s['NDCG@10']:.4f}  " if s else ""
seconds, kilobytes = open(time).read().split()[-2:]
print(f"{name:28} seed {seed}  {p1}full HR@10 {f['HR@10']:.4f} NDCG@10 {f['NDCG@10']:.4f} Recall@20 {f['Recall@20']:.4f} NDCG@20 {f['NDCG@20']:.4f}"
      f"  {float(seconds):.1f} s  {int(kilobytes)/1024:.0f} MB", flush=True)
PY
  done
}

mark als-ml-1m ml-1m --algorithm als --noise none
mark mf-ml-1m ml-1m --algorithm mf --noise none
mark covariance-retail online-retail --algorithm covariance --noise none --set ridge=300 --half-life 20
mark covariance-retail-plain online-retail --algorithm covariance --noise none --set ridge=300 --set half-life=0
mark covariance-ml-1m ml-1m --algorithm covariance --noise none --set ridge=1000 --half-life 10
mark covariance-ml-1m-eps4 ml-1m --algorithm covariance --epsilon 4 --delta 1e-6
mark covariance-ml-1m-eps8 ml-1m --algorithm covariance --epsilon 8 --delta 1e-6
for epsilon in 1 2 4 8; do mark "mf-ml-1m-eps$epsilon" ml-1m --algorithm mf --epsilon "$epsilon" --delta 1e-6; done
for epsilon in 1 2 4 8; do mark "hybrid-ml-1m-eps$epsilon" ml-1m --algorithm hybrid --epsilon "$epsilon" --delta 1e-6; done
for epsilon in 4 8; do
  private=(--epsilon "$epsilon" --delta 1e-6)
  mark "mf-retail-eps$epsilon" online-retail --algorithm mf --set rank-one=1 --set half-life=20 "${private[@]}"
  for algorithm in covariance hybrid; do mark "$algorithm-retail-eps$epsilon" online-retail --algorithm "$algorithm" "${private[@]}"; done
done
mark two-tower-ml-1m ml-1m --algorithm two-tower --noise none
mark gru-ml-1m ml-1m --algorithm gru --noise none
mark ncf-ml-1m ml-1m --algorithm ncf --noise none
for algorithm in als mf; do mark "$algorithm-ml-100k" ml-100k --algorithm "$algorithm" --noise none; done
mark two-tower-features-ml-1m ml-1m --algorithm two-tower --noise none --item-features attributes,text

# No partners and no order of time in the data, several test items for each user. Nothing is drawn: every seed gives the same lists.
mark knn-gowalla gowalla --algorithm item-knn --noise none --partners 3 --set half-life=0 --top-n 20

# Each user a client, 256 of the 22,363 in a round on average: which of them take part is drawn by public coins, and what three
# partners add up is the sum over single users. scripts/client-round.sh shows a round of single users with secure aggregation on.
clients=(--partners 3 --noise none --secure-aggregation off --set participation=0.01145)
mark sasrec-beauty amazon-beauty --algorithm sasrec "${clients[@]}" --rounds 800 --set dropout=0.5
mark gru-beauty amazon-beauty --algorithm gru "${clients[@]}" --rounds 400

# Users and items that train nobody: name, data set, flags. Training events only; the table is of `tacit evaluate`.
cold() {
  local name=$1 data=$shared/data/$2
  [[ $name =~ ${MARKS:-.} ]] || return 0
  shift 2
  for seed in "${seeds[@]}"; do
    local run=$out/$name-$seed
    rm -rf "$run" "$run.partial"
    "$tacit" simulate --data "$data" --validation --partners by:partner --seed "$seed" --baselines off --noise none \
      --hold-out-users 0.1 --hold-out-items 0.1 --output "$run" "$@" >/dev/null 2>"$out/log" || { cat "$out/log" >&2; exit 1; }
    echo "$name seed $seed"
    "$tacit" evaluate "$run" --data "$data" | sed -n '/^New users/,$p'
  done
}

cold cold-two-tower-ml-1m ml-1m --algorithm two-tower --item-features attributes,text
cold cold-ncf-ml-1m ml-1m --algorithm ncf --item-features attributes,text
cold cold-two-tower-retail online-retail --algorithm two-tower --item-features text
