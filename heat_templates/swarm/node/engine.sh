#!/bin/bash
# Configures dockerd as the tenant asked, and starts it. On every node it listens on its own socket only; on
# managers engine-api.py serves that on 2376 to client certificates of this bay's CA. Works with the units of
# Debian, Ubuntu and Fedora: what they pass on dockerd's command line stays, the rest is in daemon.json.
set -euo pipefail
# shellcheck source=/dev/null
. /etc/magnum-lite/node.env
here=$(dirname "$(readlink -f "$0")")
config=/etc/docker/daemon.json
dropin=/etc/systemd/system/docker.service.d

unit=$(systemctl show --property FragmentPath --value docker.service)
[ -n "$unit" ] || { echo 'this image has no docker.service: see "What an image must hold"' >&2; exit 1; }
bash "$here/volume.sh"
mkdir -p /etc/docker "$dropin"
[ -s "$config" ] || echo '{}' > "$config"
jq --arg driver "$STORAGE_DRIVER" --arg insecure "$INSECURE_REGISTRY" --arg mirror "$REGISTRY_MIRROR" '
    def words: split(",") | map(gsub("^\\s+|\\s+$"; "")) | map(select(. != ""));
    . + {"log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "3"}}
    + (if $driver == "" then {} else {"storage-driver": $driver} end)
    + (if $insecure == "" then {} else {"insecure-registries": ($insecure | words)} end)
    + (if $mirror == "" then {} else {"registry-mirrors": [$mirror]} end)' "$config" > "$config.new"
mv "$config.new" "$config"

# environment NAME VALUE: a line of an EnvironmentFile. systemd undoes backslashes within double quotes.
environment() {
    [ -n "$2" ] || return 0
    # shellcheck disable=SC2001  # bash versions differ on & in a replacement
    printf '%s="%s"\n' "$1" "$(sed 's/[\\"`$]/\\&/g' <<< "$2")"
}
# Swarm's own traffic and the door must never go through a proxy.
near=$(ip -json -4 address show scope global | jq -r '[.[].addr_info[]? | "\(.local)/\(.prefixlen)"] | join(",")')
door=${DOOR_URL#*://}
{
    environment HTTP_PROXY "$TENANT_HTTP_PROXY"
    environment HTTPS_PROXY "$TENANT_HTTPS_PROXY"
    if [ -n "$TENANT_HTTP_PROXY$TENANT_HTTPS_PROXY" ]; then
        environment NO_PROXY "${TENANT_NO_PROXY:+$TENANT_NO_PROXY,}localhost,127.0.0.1,${door%%:*},$near"
    fi
} > /etc/magnum-lite/engine.env

{
    echo '[Service]'
    echo 'EnvironmentFile=/etc/magnum-lite/engine.env'
    echo "ExecStartPre=/bin/bash $here/volume.sh"
} > "$dropin/magnum-lite.conf"

systemctl daemon-reload
systemctl enable docker.service
if ! systemctl restart docker.service; then
    journalctl --unit docker.service --no-pager --lines 40 --output cat
    exit 1
fi
[ "$ROLE" != manager ] || systemctl enable --now engine-api.service
# Old-style volume plug-ins must be known before the node describes itself to the swarm.
curl --silent --max-time 30 --unix-socket /var/run/docker.sock http://engine/volumes > /dev/null
