#!/bin/bash
# Takes container images from the image or the mirror, where there is a list of them (doc/kubernetes-mirror.rst);
# what is not there is pulled from registries when it is needed.
set -euo pipefail
# shellcheck source=/dev/null
. /etc/magnum-lite/node.env
SHELF=/opt/magnum-lite/mirror
export CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS=true # ctr tells of cgroup v1 at each call
export http_proxy=$TENANT_HTTP_PROXY https_proxy=$TENANT_HTTPS_PROXY no_proxy=$TENANT_NO_PROXY
work=$(mktemp -d -p /var/tmp)
trap 'rm -rf "$work"' EXIT

get() { curl --fail --silent --show-error --location --retry 3 --retry-connrefused --max-time 1200 --output "$2" "$1"; }

if [ -e "$SHELF/images/index.txt" ]; then
    from=file://$SHELF/images
elif [ -n "$KUBE_MIRROR" ]; then
    from=$KUBE_MIRROR/images
else
    exit 0
fi
code=0
get "$from/index.txt" "$work/index" 2> "$work/why" || code=$?
[ "$code" -ne 22 ] || exit 0 # a mirror without images says 404
[ "$code" -eq 0 ] || { cat "$work/why" >&2; exit 1; }
while read -r file nodes reference; do
    case $nodes in
        every | addon) ;;
        cloud) [ -n "$CLOUD_PROVIDER" ] || continue ;;
        *) continue ;;
    esac
    [ -z "$(/opt/kubernetes/bin/ctr --namespace k8s.io images list --quiet "name==$reference")" ] || continue
    get "$from/$file" "$work/$file"
    get "$from/$file.sha256" "$work/sum"
    if [ "$(sha256sum < "$work/$file" | cut -d' ' -f1)" != "$(awk '{print $1; exit}' "$work/sum")" ]; then
        echo "image $file is not what its checksum says: refused" >&2
        exit 1
    fi
    /opt/kubernetes/bin/ctr --namespace k8s.io images import "$work/$file" > /dev/null
    rm -f "$work/$file"
done < "$work/index"
