#!/bin/bash
# containerd, kubelet and kube-proxy of a node of either role: their configuration and their units.
# node.sh containerd: before the node has joined; node.sh kubelet: once it knows an API server.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=kube.sh
. "$here/kube.sh"
bash "$here/host.sh"
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then version=2; else version=1; fi
driver=${CGROUP_DRIVER:-$([ "$version" = 2 ] && echo systemd || echo cgroupfs)}
mtu=$(ip -json address show to "$ADDRESS/32" | jq -e 'map(select(.mtu))[0].mtu - 50') # VXLAN's header

containerd() {
    mkdir -p /etc/containerd/certs.d /etc/cni/net.d
    cat > /etc/containerd/config.toml << EOF
version = 3
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "$PAUSE_IMAGE"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "/etc/containerd/certs.d"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = $([ "$(systemd-detect-virt --container)" = none ] && echo false || echo true)
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/opt/cni/bin"]
    conf_dir = "/etc/cni/net.d"
    conf_template = "/etc/containerd/cni.template"
    max_conf_num = 1
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "$BIN/runc"
      SystemdCgroup = $([ "$driver" = systemd ] && echo true || echo false)
EOF
    cat > /etc/containerd/cni.template << EOF
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "mtu": $mtu, "isGateway": true, "isDefaultGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "{{.PodCIDR}}"}]]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
EOF
    for registry in ${INSECURE_REGISTRY//,/ }; do
        mkdir -p "/etc/containerd/certs.d/$registry"
        printf '[host."http://%s"]\n  capabilities = ["pull", "resolve"]\n' "$registry" > "/etc/containerd/certs.d/$registry/hosts.toml"
    done
    unit containerd --config /etc/containerd/config.toml
    for _ in {1..120}; do
        if "$BIN/ctr" version > /dev/null 2>&1; then exec bash "$here/images.sh"; fi
        sleep 0.5
    done
    echo 'containerd does not answer' >&2
    journalctl --unit kubernetes@containerd --no-pager --lines 30 --output cat
    exit 1
}

kubelet() {
    local resolv=/run/systemd/resolve/resolv.conf
    [ -e "$resolv" ] || resolv=/etc/resolv.conf
    # In a system container the kubelet sees all memory of the machine around it: what is above the limit is not its own.
    local limit total reserved=104857600
    limit=$(cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2> /dev/null | grep -E '^[0-9]+$' | head -n 1 || true)
    total=$(($(awk '/^MemTotal/ {print $2}' /proc/meminfo) * 1024))
    [ -z "$limit" ] || [ "${#limit}" -gt 15 ] || [ "$limit" -ge "$total" ] || reserved=$((reserved + total - limit))
    kubeconfig kubelet
    kubeconfig kube-proxy
    # by which cluster-autoscaler knows its server
    local provider
    provider=$(sed -n 's|^[0-9a-f]\{8\}\(-[0-9a-f]\{4\}\)\{3\}-[0-9a-f]\{12\}$|openstack:///&|p' /var/lib/cloud/data/instance-id 2> /dev/null || true)
    # kernel.* stay as they are in a system container: the kubelet must not insist there
    jq -n --arg provider "$provider" --argjson told "$(jq .kubelet "$KUBE/node.json")" --arg pki "$PKI" --arg dns "$DNS_ADDRESS" --arg resolv "$resolv" \
        --arg driver "$driver" --arg reserved "$reserved" --argjson strict "$([ "$(cat /proc/sys/kernel/panic_on_oops)" = 1 ] && [ "$(cat /proc/sys/kernel/panic)" = 10 ] && echo true || echo false)" '{
        apiVersion: "kubelet.config.k8s.io/v1beta1", kind: "KubeletConfiguration",
        authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: ($pki + "/ca-cluster.pem")}},
        authorization: {mode: "Webhook"}, readOnlyPort: 0, rotateCertificates: false, serverTLSBootstrap: false,
        tlsCertFile: ($pki + "/kubelet-server.pem"), tlsPrivateKeyFile: ($pki + "/kubelet-server.key"), tlsMinVersion: "VersionTLS12",
        clusterDNS: [$dns], clusterDomain: "cluster.local", resolvConf: $resolv, cgroupDriver: $driver, failCgroupV1: false,
        containerRuntimeEndpoint: "unix:///run/containerd/containerd.sock", failSwapOn: false, oomScoreAdj: 0,
        protectKernelDefaults: $strict, makeIPTablesUtilChains: true, seccompDefault: true, eventRecordQPS: 50,
        streamingConnectionIdleTimeout: "5m0s", podPidsLimit: 4096, registerWithTaints: $told.taints,
        systemReserved: {memory: $reserved}, serializeImagePulls: false, providerID: $provider}' > "$KUBE/kubelet.json"
    jq -n --arg conf "$KUBE/kube-proxy.conf" --arg cidr "$PODS_CIDR" --arg host "$HOST" '{apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
        kind: "KubeProxyConfiguration", clientConnection: {kubeconfig: $conf}, clusterCIDR: $cidr, mode: "iptables",
        hostnameOverride: $host, conntrack: {maxPerCore: 0, min: 0}, healthzBindAddress: "127.0.0.1:10256",
        metricsBindAddress: "127.0.0.1:10249"}' > "$KUBE/kube-proxy.json"
    # Until the cloud controller manager has found the server, a node is tainted: its pods would not know their zone.
    unit kubelet ${CLOUD_PROVIDER:+--cloud-provider "$CLOUD_PROVIDER"} --config "$KUBE/kubelet.json" --kubeconfig "$KUBE/kubelet.conf" --hostname-override "$HOST" --node-ip "$ADDRESS" \
        --node-labels "$(jq -r '.kubelet.labels | to_entries | map("\(.key)=\(.value)") | join(",")' "$KUBE/node.json")"
    unit kube-proxy --config "$KUBE/kube-proxy.json"
}

"$1"
