#!/usr/bin/env bash
# Runs every `.build/release/tacit` line of README.md. A line whose comment says "exit code N" must end with N, all others with 0.
set -uo pipefail
cd "$(dirname "$0")/.."
rm -rf runs/first* runs/lied-to* runs/from-yaml* runs/tried* runs/audited* runs/auto* runs/cold* runs/tuned* runs/ledgers* runs/plan.yaml
count=0
while IFS= read -r line; do
  expected=0
  [[ $line =~ exit\ code\ ([0-9]+) ]] && expected=${BASH_REMATCH[1]}
  command=${line%%#*}
  echo "==> $command"
  bash -c "$command" >/tmp/readme.$$ 2>&1 </dev/null
  status=$?
  if [ "$status" -ne "$expected" ]; then
    cat /tmp/readme.$$
    echo "README: exit code $status, expected $expected: $command" >&2
    exit 1
  fi
  count=$((count + 1))
done < <(grep '^\.build/release/tacit ' README.md)
rm -f /tmp/readme.$$
[ "$count" -gt 0 ] || { echo "README: found no command to run" >&2; exit 1; }
echo "$count commands of README.md ran as it says"
