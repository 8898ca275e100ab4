#!/bin/bash
# Fetches the programs of this node's role, all at once, each checked by the checksum that its project publishes.
# Where they come from: doc/kubernetes-mirror.rst. What the image brings below $SHELF is not fetched.
set -euo pipefail
# shellcheck source=/dev/null
. /etc/magnum-lite/node.env
BIN=/opt/kubernetes/bin CNI=/opt/cni/bin SHELF=/opt/magnum-lite/mirror
mark=$BIN/.programs
wanted="$ROLE $KUBE_TAG $ETCD_VERSION $CONTAINERD_VERSION $RUNC_VERSION $CNI_VERSION"
[ "$(cat "$mark" 2> /dev/null)" != "$wanted" ] || exit 0
export http_proxy=$TENANT_HTTP_PROXY https_proxy=$TENANT_HTTPS_PROXY no_proxy=$TENANT_NO_PROXY
work=$(mktemp -d -p /var/tmp)
trap 'rm -rf "$work"' EXIT
mkdir -p "$BIN" "$CNI"
chmod 755 /opt/kubernetes "$BIN" /opt/cni "$CNI"

# address PATH: where a file of the mirror's layout is.
address() {
    if [ -e "$SHELF/$1" ]; then
        echo "file://$SHELF/$1"
    else
        echo "${KUBE_MIRROR:-https:/}/$1"
    fi
}

# fetch PATH SUMS FILE: the file PATH of the mirror as FILE, if it is what the file SUMS says.
fetch() {
    local name=${1##*/} sum
    curl --fail --fail-early --silent --show-error --location --retry 5 --retry-connrefused --max-time 1200 \
        --output "$3" "$(address "$1")" --output "$3.sums" "$(address "$2")" || return 1
    sum=$(awk -v name="$name" 'NF == 1 || $2 == name || $2 == "*" name {print $1; exit}' "$3.sums")
    if [ "$(sha256sum < "$3" | cut -d' ' -f1)" != "$sum" ]; then
        echo "$1 is not what $2 says (SHA-256): refused" >&2
        return 1
    fi
}

# put NAME: what was fetched as NAME, in its place; moved, as it is large.
put() { chmod 755 "$work/$1" && mv "$work/$1" "$BIN/$1"; }

# program NAME: one of Kubernetes' own.
program() {
    local path=dl.k8s.io/release/$KUBE_TAG/bin/linux/amd64/$1
    fetch "$path" "$path.sha256" "$work/$1" && put "$1"
}

# archive PATH SUMS DIR STRIP [MEMBER...]: what is in an archive, into DIR.
archive() {
    local file=$work/${1##*/} to=$3 strip=$4 path=$1 sums=$2
    shift 4
    fetch "$path" "$sums" "$file" && tar -xzf "$file" -C "$to" --no-same-owner --strip-components="$strip" "$@"
}

runc() {
    local path=github.com/opencontainers/runc/releases/download/$RUNC_VERSION
    fetch "$path/runc.amd64" "$path/runc.sha256sum" "$work/runc" && put runc
}

pids=()
containerd=github.com/containerd/containerd/releases/download/$CONTAINERD_VERSION/containerd-${CONTAINERD_VERSION#v}-linux-amd64.tar.gz
archive "$containerd" "$containerd.sha256sum" "$BIN" 1 bin & pids+=($!)
runc & pids+=($!)
cni=github.com/containernetworking/plugins/releases/download/$CNI_VERSION/cni-plugins-linux-amd64-$CNI_VERSION.tgz
archive "$cni" "$cni.sha256" "$CNI" 0 & pids+=($!)
programs=(kubelet kube-proxy kubectl)
if [ "$ROLE" = master ]; then
    programs+=(kube-apiserver kube-controller-manager kube-scheduler)
    etcd=github.com/etcd-io/etcd/releases/download/$ETCD_VERSION
    inside=etcd-$ETCD_VERSION-linux-amd64
    archive "$etcd/$inside.tar.gz" "$etcd/SHA256SUMS" "$BIN" 1 "$inside/etcd" "$inside/etcdctl" & pids+=($!)
fi
for name in "${programs[@]}"; do
    program "$name" & pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid"; done
echo "$wanted" > "$mark"
