#!/bin/bash
# What the kernel of a node must be set to, before any of Kubernetes' programs starts. Each is tried: in a system
# container some belong to the machine around it, and are as they are.
set -uo pipefail
for module in overlay br_netfilter vxlan nf_conntrack; do modprobe --quiet "$module" 2> /dev/null; done
mkdir -p /run/kubernetes
declare -A settings=(
    [net/ipv4/ip_forward]=1
    [net/bridge/bridge-nf-call-iptables]=1
    [net/bridge/bridge-nf-call-ip6tables]=1
    [vm/overcommit_memory]=1 # these four: what the kubelet's protectKernelDefaults demands
    [vm/panic_on_oom]=0
    [kernel/panic]=10
    [kernel/panic_on_oops]=1
    [kernel/keys/root_maxkeys]=1000000
    [kernel/keys/root_maxbytes]=25000000
    [fs/inotify/max_user_instances]=8192
    [fs/inotify/max_user_watches]=524288
)
for name in "${!settings[@]}"; do
    file=/proc/sys/$name
    [ "$(cat "$file" 2> /dev/null)" = "${settings[$name]}" ] && continue
    # a larger limit of the machine's owner stays
    case $name in fs/*) [ "$(cat "$file" 2> /dev/null || echo 0)" -lt "${settings[$name]}" ] || continue ;; esac
    { echo "${settings[$name]}" > "$file"; } 2> /dev/null || true
done
# the kubelet's watch for processes that ran out of memory
[ -e /dev/kmsg ] || mknod /dev/kmsg c 1 11 || true
mount --make-rshared / || true # volumes that a pod mounts are seen by others
case ${1:-} in containerd | etcd) exec bash "$(dirname "$(readlink -f "$0")")/volume.sh" "$1" ;; esac
exit 0
