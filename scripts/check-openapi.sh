#!/usr/bin/env bash
# Lets schemathesis (PyPI, into a virtual environment of its own) ask `tacit-client serve` everything that its OpenAPI document allows,
# and what it does not: every answer must be of a status and a form that the document says, and nothing may be a fault of the server.
#
#   scripts/check-openapi.sh [HOME]      a home with a released model; without one a federation of seven is trained first (a minute)
# OPENAPI_EXAMPLES=N: requests per operation and phase (100). The home is copied: posted events stay out of it.
set -euo pipefail
cd "$(dirname "$0")/.."
version=4.32.5
work=$(mktemp -d)
server=
stop() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap stop EXIT
home=${1:-}
if [ -z "$home" ]; then
  PARTNERS_NOISE=none PARTNERS_ALGORITHM=als PARTNERS_DATA=synthetic:1400x300x7 scripts/partners.sh "$work/federation" >"$work/federation.out" 2>&1 ||
    { cat "$work/federation.out" >&2; exit 1; }
  home=$work/federation/Lyon
fi
cp -r "$home" "$work/home"
chmod 700 "$work/home"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "schemathesis==$version"
cat >"$work/rules.json" <<'RULES'
{ "scenes": { "goods": { "lambda": 0.8, "cap": { "column": "title", "max": 3 } }, "ads": { "eventWeights": { "browse": 2 } } } }
RULES
.build/release/tacit-client serve --home "$work/home" --listen 127.0.0.1:0 --rules "$work/rules.json" >"$work/serve.out" 2>"$work/serve.err" &
server=$!
for _ in $(seq 100); do
  grep -q '^Serving on' "$work/serve.out" && break
  kill -0 "$server" 2>/dev/null || { cat "$work/serve.err" >&2; exit 1; }
  sleep 0.2
done
address=$(sed -n 's/^Serving on //p' "$work/serve.out")
cd "$work" # schemathesis leaves a folder where it runs
"$work/venv/bin/st" run "$address/openapi.json" --max-examples "${OPENAPI_EXAMPLES:-100}"
kill -TERM "$server"
wait "$server"
server=
