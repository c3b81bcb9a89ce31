#!/usr/bin/env bash
# One round of `sasrec` with a cohort of single users, each a client of its own: secure aggregation on and off must give the
# same model to the byte. Takes CLIENTS (256) users at random from a data folder.
# Usage: [CLIENTS=256] scripts/client-round.sh DATA-FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
data=${1:?usage: scripts/client-round.sh DATA-FOLDER}
tacit=${TACIT:-.build/release/tacit}
out=runs/client-round
rm -rf "$out"
mkdir -p "$out/data"
python3 - "$data" "$out/data" "${CLIENTS:-256}" <<'PY'
import gzip, random, shutil, sys, os
source, target, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
def rows(name):
    with gzip.open(f"{source}/{name}", "rt") as file:
        head = file.readline().rstrip("\n").split("\t")
        return head, [line.rstrip("\n").split("\t") for line in file]
def write(name, head, rows):
    with gzip.open(f"{target}/{name}", "wt") as file:
        for row in [head] + rows: print(*row, sep="\t", file=file)
head, train = rows("train.tsv.gz")
user = head.index("user")
chosen = set(random.Random(1).sample(sorted({row[user] for row in train}), count))
number = {name: str(index) for index, name in enumerate(sorted(chosen, key=int))}
for name in ("train.tsv.gz", "test.tsv.gz"):
    head, all_rows = rows(name)
    place = head.index("user")
    kept = [row for row in all_rows if row[place] in chosen]
    for row in kept: row[place] = number[row[place]]
    write(name, head, kept)
write("users.tsv.gz", ["user", "client"], [[str(index), f"client-{index:04}"] for index in range(count)])
if os.path.exists(f"{source}/items.tsv.gz"): shutil.copy(f"{source}/items.tsv.gz", f"{target}/items.tsv.gz")
PY
for way in on off; do
  "$tacit" simulate --data "$out/data" --partners by:client --algorithm sasrec --rounds 1 --set dropout=0.5 --noise none \
    --secure-aggregation "$way" --seed 1 --baselines off --top-n 10 --output "$out/$way" >/dev/null
done
cmp "$out/on/items.safetensors" "$out/off/items.safetensors"
"$tacit" verify "$out/on" | tail -n 1
echo "${CLIENTS:-256} clients, one user each: the model of the masked sums is that of the plain sums, byte for byte"
