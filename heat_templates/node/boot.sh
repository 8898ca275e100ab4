#!/bin/bash
# Makes a node of a fresh machine, step by step, and tells the door about each. cloud-init runs it once;
# its unit runs it again at the next boot if it did not come to its end.
set -uo pipefail
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=door.sh
. "$here/door.sh"
# shellcheck source=/dev/null
. "$here/$COE.sh"
log=$STATE/boot.log
step=boot percent=5

say() { echo "magnum-lite: step=$step $*" | redact | tee -a "$log"; }

# run COMMAND…: its output is kept for a report of failure, and is seen on the console.
run() { "$@" 2>&1 | redact | tee -a "$log"; }

# fail MESSAGE: reports where it can; the console shows it in any case.
fail() {
    say "FAILED: $1"
    if [ -s "$ETC/identity.key" ]; then
        for _ in {1..10}; do
            code=$(tail -c 12000 "$log" | jq -Rsc '{log: .}' | report "$step" "$percent" failed "$1")
            [ "$code" != 200 ] || break
            sleep 3
        done
    fi
    exit 1
}

# reach STEP PERCENT MESSAGE: the step that begins now. A door that is away does not hold it up.
reach() {
    step=$1 percent=$2
    say "$3"
    echo '{}' | report "$step" "$percent" running "$3" > /dev/null
}

exec 9> "$STATE/lock"
flock 9 # the agent waits until the node is made

step=enrol percent=10
say "asking $DOOR_URL"
pause=1 tries=0
while [ ! -s "$ETC/identity.key" ]; do
    run enrol post
    case $? in
        "$SETTLED") break ;;
        "$REFUSED") fail 'the node door refused this node' ;;
    esac
    # "Not yet" is soon over and is asked again at once; silence is asked more and more rarely.
    if [ -s "$ANSWER" ]; then pause=1; else pause=$((pause < 16 ? pause * 2 : 16)); fi
    tries=$((tries + 1))
    [ $((tries % 20)) -ne 0 ] || say "still no certificate: $(answer .message || echo 'no answer')"
    [ "$tries" -lt 600 ] || fail 'no certificate from the node door'
    sleep "$pause"
done

reach engine 40 'configuring the engine'
run coe_start || fail 'the engine did not start'

reach "$COE_STEP" 70 "waiting for $COE_PLACE"
until coe_inside; do
    coe_facts | report "$COE_STEP" 70 running "waiting for $COE_PLACE" > "$STATE/code"
    if run coe_enter "$ANSWER"; then say "entered $COE_PLACE"; fi
    coe_inside || sleep 1
done

sed -i "s/^OnUnitInactiveSec=.*/OnUnitInactiveSec=$(cat "$STATE/interval" 2> /dev/null || echo 15)s/" \
    /etc/systemd/system/magnum-lite-agent.timer
systemctl daemon-reload
step=ready percent=100
until [ "$(coe_facts | report ready 100 ok "the node is in $COE_PLACE")" = 200 ]; do sleep 2; done
touch "$STATE/ready"
: > "$ETC/credential.new" && echo "$NODE_ID:" > "$ETC/credential.new" && mv "$ETC/credential.new" "$ETC/credential"
systemctl enable --now --no-block magnum-lite-agent.timer
say 'done'
