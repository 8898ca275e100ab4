# shellcheck shell=bash
# What a node does when the door's answer says so. Sourced by magnum-lite-agent after swarm.sh.

# swarm_change ID FILTER [jq options]: sets a swarm node's spec; FILTER turns the old spec into the new.
swarm_change() {
    local id=$1 filter=$2 node
    shift 2
    node=$(engine GET "/nodes/$id") || return 1
    jq -c "$@" ".Spec as \$old | .Spec | $filter | if . == \$old then empty else . end" <<< "$node" \
        > "$STATE/spec.json"
    [ -s "$STATE/spec.json" ] || return 0 # it is so already
    engine POST "/nodes/$id/update?version=$(jq .Version.Index <<< "$node")" --data-binary "@$STATE/spec.json"
}

# rotate_join_tokens DIGEST: replaces both, if they are still those that DIGEST names.
rotate_join_tokens() {
    local swarm
    [ -n "$1" ] && swarm=$(engine GET /swarm) || return 1
    [ "$(jq -j .JoinTokens.Worker <<< "$swarm" | sha256sum | cut -d' ' -f1)" = "$1" ] || return 0
    jq -c .Spec <<< "$swarm" | engine POST "/swarm/update?version=$(jq .Version.Index <<< "$swarm")&rotateWorkerToken=true&rotateManagerToken=true" --data-binary @-
}

# coe_leave: out of the swarm for good.
coe_leave() { engine POST '/swarm/leave?force=true' || true; }

# coe_obey FILE: into the swarm again, if it fell out or the engine's data was lost; of a manager also labels,
# drains, removals and new join tokens.
coe_obey() {
    local id
    [ "$(swarm_state)" != inactive ] || coe_enter "$1" || true
    [ "$ROLE" = manager ] || return 0
    for id in $(jq -r '.set_labels // {} | keys[] | select(test("^[a-z0-9]+$"))' "$1"); do
        # shellcheck disable=SC2016  # jq's variables
        swarm_change "$id" '.Labels = ((.Labels // {}) + $labels[0].set_labels[$id] | del(..|nulls))' \
            --arg id "$id" --slurpfile labels "$1" || true
    done
    for id in $(jq -r '.drain // [] | .[] | select(test("^[a-z0-9]+$"))' "$1"); do
        swarm_change "$id" '.Availability = "drain"' || true
    done
    for id in $(jq -r '.remove // [] | .[] | select(test("^[a-z0-9]+$"))' "$1"); do
        swarm_change "$id" '.Role = "worker"' || true # a manager has to leave Raft first
        engine DELETE "/nodes/$id?force=true" || true
    done
    rotate_join_tokens "$(jq -r '.rotate_join_tokens // empty' "$1")" || true
}
