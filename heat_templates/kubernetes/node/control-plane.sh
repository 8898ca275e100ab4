#!/bin/bash
# etcd, API server, controller manager and scheduler of a master. control-plane.sh ORDER: the door's answer in the
# file ORDER says whether etcd begins here, or joins the members that there are.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=kube.sh
. "$here/kube.sh"
# shellcheck source=keystone.sh
. "$here/keystone.sh"
CIPHERS=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
# It signs nothing: certificates come through the node door only.
CONTROLLERS='*,-certificatesigningrequest-signing-controller,-certificatesigningrequest-approving-controller,-bootstrap-signer-controller,-token-cleaner-controller'
peer=https://$ADDRESS:2380
mkdir -p /var/lib/etcd
bash "$here/volume.sh" etcd
chmod 700 /var/lib/etcd

# A member joins as a learner, which votes only once it has all data: the others lose no quorum meanwhile. Until it has
# begun, each try asks anew who there is. Members that are there tell, by $others: a learner does not.
others=$(jq -r '.join_etcd // [] | map("https://\(.):2379") | join(",")' "$1")
if [ -d /var/lib/etcd/member ] && [ -s "$KUBE/etcd.joined" ]; then
    read -r state cluster < "$KUBE/etcd.joined"
elif jq -e .init_etcd "$1" > /dev/null; then
    cluster=$HOST=$peer state=new
else
    members=$(etcd_members "$others")
    # One learns at a time, and who votes counts: a master that failed on its way in is in nobody's way.
    while IFS='=' read -r id url; do
        jq -e --arg url "$url" '.etcd_peers | all("https://\(.):2380" != $url)' "$1" > /dev/null || continue
        etcdctl --endpoints "$others" member remove "$id" > /dev/null
    done < <(awk -F ', ' '{print $1 "=" $4}' <<< "$members")
    if ! grep -qF ", $peer, " <<< "$members"; then
        etcdctl --endpoints "$others" member add "$HOST" --learner --peer-urls "$peer" > /dev/null
    fi
    members=$(etcd_members "$others")
    cluster=$(awk -F ', ' -v me="$HOST" '{print ($3 == "" ? me : $3) "=" $4}' <<< "$members" | paste -sd,)
    state=existing
fi
echo "$state $cluster" > "$KUBE/etcd.joined"
unit etcd --name "$HOST" --data-dir /var/lib/etcd --listen-client-urls "https://$ADDRESS:2379,https://127.0.0.1:2379" \
    --advertise-client-urls "https://$ADDRESS:2379" --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" \
    --initial-cluster "$cluster" --initial-cluster-state "$state" --client-cert-auth --trusted-ca-file "$PKI/ca-etcd.pem" \
    --cert-file "$PKI/etcd-server.pem" --key-file "$PKI/etcd-server.key" --peer-client-cert-auth \
    --peer-trusted-ca-file "$PKI/ca-etcd.pem" --peer-cert-file "$PKI/etcd-peer.pem" --peer-key-file "$PKI/etcd-peer.key" \
    --listen-metrics-urls http://127.0.0.1:2381 --auto-compaction-retention 1h --quota-backend-bytes 4294967296 --tls-min-version TLS1.2

# votes: true once this master's member does, which is asked for until the others find that it has all data.
votes() {
    local id
    members=$(etcd_members "$others") || return 1
    id=$(awk -F ', ' -v peer="$peer" '$4 == peer && $6 == "true" {print $1}' <<< "$members")
    [ -z "$id" ] || etcdctl --endpoints "$others" member promote "$id" > /dev/null 2> "$KUBE/etcd.promotion"
}
if [ -n "$others" ]; then
    for try in {1..90}; do
        if votes; then break; fi
        [ "$try" -lt 90 ] || { echo 'the others do not let this member of etcd vote:' && cat "$KUBE/etcd.promotion"; exit 1; } >&2
        sleep 1
    done
fi

jq -n --rawfile key "$PKI/secret-encryption" '{apiVersion: "apiserver.config.k8s.io/v1", kind: "EncryptionConfiguration", resources: [
    {resources: ["secrets"], providers: [{secretbox: {keys: [{name: "key1", secret: ($key | rtrimstr("\n"))}]}}, {identity: {}}]}]}' > "$KUBE/encryption.json"
jq -n '{apiVersion: "audit.k8s.io/v1", kind: "Policy", omitStages: ["RequestReceived"], rules: [
    {level: "None", users: ["system:kube-proxy"], verbs: ["watch"]}, {level: "None", nonResourceURLs: ["/healthz*", "/livez*", "/readyz*", "/version"]},
    {level: "None", resources: [{group: "", resources: ["events"]}, {group: "coordination.k8s.io", resources: ["leases"]}]},
    {level: "Metadata", resources: [{group: "", resources: ["secrets", "configmaps", "serviceaccounts/token"]}, {group: "authentication.k8s.io", resources: ["tokenreviews"]}]},
    {level: "Metadata"}]}' > "$KUBE/audit.json"
openssl pkey -in "$PKI/secret-service-account" -pubout -out "$PKI/service-account.pub"
install -d -m 700 /var/log/kubernetes
kubeconfig controller-manager
kubeconfig scheduler
kubeconfig admin
keystone=()
if [ -n "$KEYSTONE_PROJECT" ]; then keystone_start && read -ra keystone < <(keystone_flags); fi
unit kube-apiserver --advertise-address "$ADDRESS" --secure-port 6443 --anonymous-auth=false --authorization-mode Node,RBAC "${keystone[@]}" ${CLOUD_PROVIDER:+--allow-privileged} \
    --enable-admission-plugins NodeRestriction --profiling=false --tls-min-version VersionTLS12 --tls-cipher-suites "$CIPHERS" \
    --tls-cert-file "$PKI/server.pem" --tls-private-key-file "$PKI/server.key" --client-ca-file "$PKI/ca-cluster.pem" \
    --etcd-servers https://127.0.0.1:2379 --etcd-cafile "$PKI/ca-etcd.pem" --etcd-certfile "$PKI/etcd-client.pem" --etcd-keyfile "$PKI/etcd-client.key" \
    --kubelet-certificate-authority "$PKI/ca-cluster.pem" --kubelet-client-certificate "$PKI/apiserver-kubelet.pem" \
    --kubelet-client-key "$PKI/apiserver-kubelet.key" --kubelet-preferred-address-types InternalIP,Hostname \
    --requestheader-client-ca-file "$PKI/ca-front-proxy.pem" --requestheader-allowed-names front-proxy-client \
    --requestheader-extra-headers-prefix X-Remote-Extra- --requestheader-group-headers X-Remote-Group --requestheader-username-headers X-Remote-User \
    --proxy-client-cert-file "$PKI/front-proxy.pem" --proxy-client-key-file "$PKI/front-proxy.key" \
    --service-account-issuer https://kubernetes.default.svc.cluster.local --service-account-key-file "$PKI/service-account.pub" \
    --service-account-signing-key-file "$PKI/secret-service-account" --service-cluster-ip-range "$SERVICE_RANGE" \
    --encryption-provider-config "$KUBE/encryption.json" --audit-policy-file "$KUBE/audit.json" \
    --audit-log-path /var/log/kubernetes/audit.log --audit-log-maxage 30 --audit-log-maxbackup 10 --audit-log-maxsize 100
unit kube-controller-manager --bind-address 127.0.0.1 --profiling=false --kubeconfig "$KUBE/controller-manager.conf" --leader-elect \
    --use-service-account-credentials --controllers "$CONTROLLERS" --service-account-private-key-file "$PKI/secret-service-account" --root-ca-file "$PKI/ca-cluster.pem" \
    --allocate-node-cidrs --cluster-cidr "$PODS_CIDR" --service-cluster-ip-range "$SERVICE_RANGE" --terminated-pod-gc-threshold 1000
unit kube-scheduler --bind-address 127.0.0.1 --profiling=false --kubeconfig "$KUBE/scheduler.conf" --leader-elect
for _ in {1..120}; do
    [ "$(api_ready)" != ok ] || exit 0
    sleep 0.5
done
echo 'the API server does not get ready' >&2
journalctl --unit kubernetes@kube-apiserver --unit kubernetes@etcd --no-pager --lines 30 --output cat
exit 1
