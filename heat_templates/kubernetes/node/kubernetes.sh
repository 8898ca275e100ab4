# shellcheck shell=bash
# What boot.sh and magnum-lite-agent ask of an engine, answered for Kubernetes (swarm.sh does it for Swarm).
# shellcheck source=kube.sh disable=SC2154  # of those who source this
. "$here/kube.sh"
# shellcheck disable=SC2034  # for those who source this
COE_STEP=kubernetes COE_PLACE='the cluster' COE_UNITS='kubernetes@*'
PROXY=/etc/magnum-lite-masters
admin() { timeout 60 "$BIN/kubectl" --kubeconfig "$KUBE/admin.conf" "$@"; }

# coe_install DIR: certificates, CAs and secrets that came with an enrolment; processes take them up.
coe_install() {
    local file
    mkdir -p "$PKI"
    chmod 700 "$KUBE" "$PKI"
    jq '{hostname, kubelet}' "$ANSWER" > "$KUBE/node.json"
    for file in "$1"/ca-*.pem "$1"/secret-* "$1"/*.pem "$1"/*.key; do
        case $file in */identity.*) ;; *) [ ! -e "$file" ] || mv "$file" "$PKI/" ;; esac
    done
    [ -e "$STATE/ready" ] || return 0
    if [ "$ROLE" = master ] && [ -n "$KEYSTONE_PROJECT" ]; then systemctl restart keystone-webhook; fi
    # What they have open goes on; the API of a single master is away for some seconds.
    for file in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy; do
        [ ! -e "$KUBE/units/$file" ] || systemctl restart "kubernetes@$file"
    done
}

# coe_start: programs and containers, before there is a cluster.
coe_start() { bash "$here/programs.sh" && bash "$here/node.sh" containerd; }

# coe_enter FILE: into the cluster, as the door's answer in FILE says; fails if it does not say yet.
coe_enter() {
    [ -s "$1" ] || return 1
    if systemctl is-active --quiet kubernetes@kubelet && [ "$(api_ready)" = ok ]; then return; fi # soon Ready
    if [ "$ROLE" = master ]; then
        jq -e '.init_etcd or .join_etcd' "$1" > /dev/null || [ -e "$KUBE/etcd.joined" ] || return 1
        bash "$here/control-plane.sh" "$1" || return 1
    else
        coe_masters "$1"
        [ -s "$PROXY" ] || return 1
        # its own user, who reads nothing else of ours
        install -D -m 755 "$here/api-proxy.py" /usr/local/libexec/magnum-lite-api-proxy
        systemctl enable --now --quiet api-proxy.service
    fi
    [ "$(api_ready)" = ok ] || return 1
    bash "$here/node.sh" kubelet
}

# coe_masters FILE: where the masters are now, for api-proxy.py.
coe_masters() {
    jq -r '.masters // [] | .[] | select(test("^[0-9a-f.:]+$"))' "$1" > "$STATE/masters.new"
    [ -s "$STATE/masters.new" ] || return 0
    cmp -s "$STATE/masters.new" "$PROXY" || install -m 644 "$STATE/masters.new" "$PROXY"
}

# credential_id: of the bay's application credential, as this master has it.
credential_id() { sed -n 's/^application-credential-id="\([0-9a-f]*\)"$/\1/p' "$PKI/secret-cloud-config" 2> /dev/null; }

# coe_node: the node as the API has it, JSON.
coe_node() { api kubelet "/api/v1/nodes/$HOST"; }
coe_inside() { itself && [ -e "$KUBE/kubelet.conf" ] && coe_node | jq -e '.status.conditions[]? | select(.type == "Ready" and .status == "True")' > /dev/null; }

# coe_facts: what a report says of it, as one JSON object. Nodes come through a pipe: of a large cluster they are more
# than a command line holds.
coe_facts() {
    local serial='' trust='' addons='' applied='' credential=''
    itself
    if [ "$ROLE" = master ] && [ -e "$KUBE/admin.conf" ]; then
        serial=$(timeout 10 openssl s_client -connect 127.0.0.1:6443 < /dev/null 2> /dev/null | openssl x509 -noout -serial 2> /dev/null | cut -d= -f2)
        trust=$(tr -d '\n' < "$PKI/ca-cluster.pem" | sha256sum | cut -d' ' -f1)
        addons=$(cat "$STATE/addons" 2> /dev/null)
        applied=$(cat "$STATE/addons.applied" 2> /dev/null)
        credential=$(credential_id)
    fi
    {
        coe_node
        [ -z "$trust" ] || api admin /api/v1/nodes
    } | jq -cs --arg role "$ROLE" --arg host "$HOST" --arg serial "$serial" --arg trust "$trust" --arg addons "$addons" --arg applied "$applied" --arg credential "$credential" \
        --arg api "$(api_ready)" --arg etcd "$ETCD_VERSION" '
        def ready: any(.status.conditions[]?; .type == "Ready" and .status == "True");
        (map(select(.kind == "Node"))[0]) as $node | ($node.status.nodeInfo // {}) as $info |
        {healthy: (($node | ready) and $api == "ok"), versions: {kubernetes: $info.kubeletVersion, containerd: $info.containerRuntimeVersion, kernel: $info.kernelVersion, os: $info.osImage}}
        + (if $node then {engine_id: $host} else {} end)
        + (if $role == "master" then {served: {server: $serial, trust: $trust, addons: $addons, applied: $applied, credential: $credential},
            engine_nodes: [.[] | select(.kind == "NodeList") | .items[] | {id: .metadata.name, hostname: .metadata.name, role: "",
                state: (if ready then "ready" else "down" end), availability: (if .spec.unschedulable then "drain" else "active" end),
                labels: (.metadata.labels // {})}]} else {} end)
        | if $role == "master" then .versions.etcd = $etcd else . end'
}

# coe_leave: out of the cluster for good; a master's member of etcd first, while it can still say so.
coe_leave() {
    [ "$ROLE" != master ] || etcd_remove "$HOST" || true
    systemctl disable --now --quiet kubernetes@kubelet kubernetes@kube-proxy kubernetes@kube-apiserver kubernetes@etcd 2> /dev/null || true
}
