#!/bin/bash
# Every static check; the argument is the directory of the environment's programs.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${1:?directory of programs}
export PYTHONWARNINGS=ignore
python_files=(magnum_lite tests alembic heat_templates tools)
"$bin/ruff" check "${python_files[@]}"
"$bin/ruff" format --check "${python_files[@]}"
"$bin/mypy"
"$bin/lint-imports"
"$bin/bandit" --quiet --recursive --configfile pyproject.toml --severity-level medium magnum_lite 2> >(grep -v WARNING >&2)
mapfile -t scripts < <(git ls-files | while read -r f; do
    head -c 64 "$f" | head -n 1 | grep -qE '^#!.*\b(ba)?sh$|^# shellcheck shell=' && echo "$f"
done)
shellcheck --external-sources --source-path=SCRIPTDIR "${scripts[@]}"
echo "lint: clean (${#scripts[@]} scripts)"
