#!/bin/bash
# suites.sh BIN PATH…: the suites below these. All of them are two runs side by side: those with a cloud, or with servers
# that are killed, wait much of their time; the others fill it, and give way where both want the same core.
set -euo pipefail
bin=$1
shift
[ "$*" = tests ] || exec "$bin/python" -m pytest "$@"

log=$(mktemp) quick=''
trap '[ -z "$quick" ] || kill "$quick"; rm -f "$log"' EXIT
nice -n 10 "$bin/python" -m pytest -p no:cacheprovider -m "not local and not openstack and not crash and not long" \
    > "$log" 2>&1 &
quick=$!
code=0
"$bin/python" -m pytest -m "(local or openstack or crash) and not long" || code=$?
wait "$quick" || code=$?
quick=''
cat "$log"
exit "$code"
