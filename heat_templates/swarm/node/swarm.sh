# shellcheck shell=bash
# What boot.sh and magnum-lite-agent ask of an engine, answered for Swarm over the engine's own socket.
# shellcheck disable=SC2034  # for those who source this
COE_STEP=swarm COE_PLACE='the swarm' COE_UNITS=docker.service

# coe_start: the engine, outside of any swarm yet.
# shellcheck disable=SC2154  # here is of those who source this
coe_start() { bash "$here/engine.sh"; }

# coe_install DIR: what came with an enrolment. engine-api.py shows it from its next connection on.
coe_install() {
    [ "$ROLE" != manager ] || {
        mkdir -p /etc/docker
        mv "$1/ca-cluster.pem" /etc/docker/ca.pem
        mv "$1/server.pem" /etc/docker/server.pem
        mv "$1/server.key" /etc/docker/server-key.pem
    }
    if answer .registry_auth > "$1/auth"; then
        mkdir -p /root/.docker
        jq '{auths: map_values({auth: (.username + ":" + .password | @base64)})}' "$1/auth" > /root/.docker/config.json
    fi
}

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

coe_inside() { [ "$(swarm_state)" = active ]; }
swarm_state() { engine GET /info | jq -r '.Swarm.LocalNodeState'; }

# coe_enter FILE: what the door's answer in FILE says, init or join; fails if it says neither yet.
coe_enter() {
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

# coe_facts: what a report says of engine and swarm, as one JSON object.
coe_facts() { swarm_facts | served; }
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

# served: the facts on stdin, and what a manager's API shows and trusts. The new certificates are in use then.
served() {
    local serial trust
    [ "$ROLE" = manager ] || { cat; return; }
    serial=$(timeout 10 openssl s_client -connect 127.0.0.1:2376 < /dev/null 2> /dev/null |
        openssl x509 -noout -serial 2> /dev/null | cut -d= -f2)
    trust=$(tr -d '\n' < /etc/docker/ca.pem | sha256sum | cut -d' ' -f1)
    jq -c --arg serial "$serial" --arg trust "$trust" '. + {served: {server: $serial, trust: $trust}}'
}
