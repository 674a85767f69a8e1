#!/usr/bin/env bash
# Ours and the peers side by side, in one environment and one run; results go to benchmarks/results/.
set -euo pipefail
cd "$(dirname "$0")/.."
UV=$(command -v uv || echo "$PWD/.venv/bin/uv")
ENV=.venv-bench
if [ ! -e "$ENV/.ready" ] || [ benchmarks/peers.txt -nt "$ENV/.ready" ]; then
  "$UV" venv -q --allow-existing --python .venv/bin/python "$ENV"
  "$UV" pip install -q --python "$ENV/bin/python" --require-hashes -r benchmarks/peers.txt
  "$UV" pip install -q --python "$ENV/bin/python" --no-deps -e .
  touch "$ENV/.ready"
fi
exec "$ENV/bin/python" -m benchmarks "$@"
