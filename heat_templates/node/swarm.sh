# shellcheck shell=bash
# The swarm as this node sees it, over the engine's own socket. Sourced by boot.sh and magnum-lite-agent.

# engine METHOD PATH [curl options]: a call of the Docker API; fails with the engine's message.
engine() {
    local method=$1 path=$2
    shift 2
    curl --silent --show-error --fail-with-body --noproxy '*' --max-time 60 --unix-socket /var/run/docker.sock \
        --request "$method" --header 'Content-Type: application/json' "$@" "http://engine$path"
}

# own_address: the address that this node reaches the door from; its peers reach it there.
own_address() {
    curl --silent --noproxy '*' --cacert "$DOOR_CA" --connect-timeout 5 --max-time 10 \
        --output /dev/null --write-out '%{local_ip}' "$DOOR_URL/"
}

swarm_state() { engine GET /info | jq -r '.Swarm.LocalNodeState'; }

# swarm_enter FILE: what the door's answer in FILE says, init or join; fails if it says neither yet.
swarm_enter() {
    local address path filter
    [ -s "$1" ] || return 1 # jq 1.6 calls an empty file true
    if jq -e .init_swarm "$1" > /dev/null; then
        path=/swarm/init filter='{}'
    elif jq -e .join.token "$1" > /dev/null; then
        path=/swarm/join filter='{JoinToken: .join.token, RemoteAddrs: .join.addresses}'
    else
        return 1
    fi
    address=$(own_address)
    jq -c --arg address "$address" "$filter"' + {ListenAddr: ($address + ":2377"), AdvertiseAddr: $address,
        DataPathAddr: $address}' "$1" | engine POST "$path" --data-binary @- || true
    # A join that takes longer than the engine's own 20 s goes on behind its error.
    for _ in {1..30}; do
        [ "$(swarm_state)" = active ] && return
        [ "$(swarm_state)" = pending ] || return 1
        sleep 1
    done
    return 1
}

# swarm_facts: what a report says of engine and swarm, as one JSON object.
swarm_facts() {
    local free
    free=$(df --output=avail --block-size=1 /var/lib/docker 2> /dev/null | tail -n 1)
    {
        engine GET /info || echo '{}'
        if [ "$ROLE" = manager ]; then
            engine GET /swarm || true
            engine GET /nodes || true
        fi
    } 2> /dev/null | jq -cs --arg role "$ROLE" --argjson free "${free:-0}" '
        .[0] as $info | ((.[1] | objects | .JoinTokens) // null) as $tokens | ((.[2] | arrays) // null) as $nodes |
        {healthy: ($info.Swarm.LocalNodeState == "active" and ($role == "worker" or $tokens != null)),
         swarm_node_id: ($info.Swarm.NodeID // ""), storage: {docker: $info.DockerRootDir, free_bytes: $free},
         versions: {docker: $info.ServerVersion, kernel: $info.KernelVersion, os: $info.OperatingSystem}}
        + (if $tokens then {join_tokens: {worker: $tokens.Worker, manager: $tokens.Manager}} else {} end)
        + (if $nodes then {swarm_nodes: [$nodes[] | {id: .ID, hostname: .Description.Hostname,
            state: .Status.State, availability: .Spec.Availability, role: .Spec.Role,
            labels: (.Spec.Labels // {})}]} else {} end)'
}

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

# swarm_instructions FILE: labels, drains, removals and new join tokens that the door's answer asks of a manager.
swarm_instructions() {
    local id
    for id in $(jq -r '.set_labels // {} | keys[] | select(test("^[a-z0-9]+$"))' "$1"); do
        # shellcheck disable=SC2016  # jq's variables
        swarm_change "$id" '.Labels = ((.Labels // {}) + $labels[0].set_labels[$id] | del(..|nulls))' \
            --arg id "$id" --slurpfile labels "$1" || true
    done
    for id in $(jq -r '.drain // [] | .[] | select(test("^[a-z0-9]+$"))' "$1"); do
        swarm_change "$id" '.Availability = "drain"' || true
    done
    for id in $(jq -r '.remove // [] | .[] | select(test("^[a-z0-9]+$"))' "$1"); do
        engine DELETE "/nodes/$id?force=true" || true
    done
    rotate_join_tokens "$(jq -r '.rotate_join_tokens // empty' "$1")" || true
}
