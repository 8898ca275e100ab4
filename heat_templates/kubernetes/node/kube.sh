# shellcheck shell=bash
# Kubernetes on this node: where things are and how its programs are run. Sourced by the other scripts.
# shellcheck disable=SC2034  # for those who source this
KUBE=/etc/kubernetes PKI=$KUBE/pki BIN=/opt/kubernetes/bin
# shellcheck source=/dev/null
. /etc/magnum-lite/node.env
export PATH=$BIN:$PATH
# itself: who this node is, by the door's word
itself() { HOST=$(jq -r .hostname "$KUBE/node.json" 2> /dev/null || true) ADDRESS=$(jq -r .kubelet.address "$KUBE/node.json" 2> /dev/null || true); }
itself

# kubeconfig NAME: for the certificate NAME, at this node's way to the API.
kubeconfig() {
    jq -n --arg name "$1" --arg pki "$PKI" '{apiVersion: "v1", kind: "Config", "current-context": "bay",
        clusters: [{name: "bay", cluster: {server: "https://127.0.0.1:6443", "certificate-authority": ($pki + "/ca-cluster.pem")}}],
        users: [{name: $name, user: {"client-certificate": ($pki + "/" + $name + ".pem"), "client-key": ($pki + "/" + $name + ".key")}}],
        contexts: [{name: "bay", context: {cluster: "bay", user: $name}}]}' > "$KUBE/$1.conf"
}

# unit NAME ARGUMENT...: (re)starts one of Kubernetes' programs with these arguments, if they are new.
unit() {
    local name=$1 file=$KUBE/units/$1
    shift
    mkdir -p "$KUBE/units"
    echo "ARGS=\"$*\"" > "$file.new"
    if [ "$name" = containerd ]; then proxies >> "$file.new"; fi
    if cmp -s "$file.new" "$file" && systemctl is-active --quiet "kubernetes@$name"; then
        rm "$file.new"
        return
    fi
    mv "$file.new" "$file"
    systemctl enable --quiet "kubernetes@$name"
    systemctl restart "kubernetes@$name"
}

# proxies: the tenant's, as lines of systemd's EnvironmentFile, for what pulls images: from its first start on.
# Nothing of the bay's own goes through them.
proxies() {
    [ -n "$TENANT_HTTP_PROXY$TENANT_HTTPS_PROXY" ] || return 0
    jq -nr --arg http "$TENANT_HTTP_PROXY" --arg https "$TENANT_HTTPS_PROXY" \
        --arg near "${TENANT_NO_PROXY:+$TENANT_NO_PROXY,}localhost,127.0.0.1,.svc,.cluster.local,$PODS_CIDR,$SERVICE_RANGE" '
        {HTTP_PROXY: $http, HTTPS_PROXY: $https, NO_PROXY: $near} | to_entries[] | "\(.key)=\(.value | tojson)"'
}

etcdctl() { timeout 20 "$BIN/etcdctl" --cacert "$PKI/ca-etcd.pem" --cert "$PKI/etcd-client.pem" --key "$PKI/etcd-client.key" "$@"; }
# etcd_members ENDPOINTS: a line each: id, status, name, peer URL, client URL, is learner. Of those who vote only: a
# learner says nothing of others.
etcd_members() { etcdctl --endpoints "$1" member list; }

# etcd_remove NAME: the member of a master that is gone or goes.
etcd_remove() {
    local members id
    members=$(etcd_members https://127.0.0.1:2379) || return 1
    id=$(awk -F ', ' -v name="$1" '$3 == name {print $1}' <<< "$members")
    [ -z "$id" ] || etcdctl --endpoints https://127.0.0.1:2379 member remove "$id" > /dev/null
}

# api NAME PATH: a look at the API as the bearer of the certificate NAME; cheaper than kubectl, at each beat of each node.
api() {
    curl --silent --fail --noproxy '*' --max-time 20 --cacert "$PKI/ca-cluster.pem" --cert "$PKI/$1.pem" --key "$PKI/$1.key" "https://127.0.0.1:6443$2"
}
api_ready() { api kubelet /readyz; }
