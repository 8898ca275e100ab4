#!/bin/bash
# Mounts the data volume where the engine keeps its data; runs each time before the engine starts. Formats it only if it
# is blank, and refuses one that holds something else. volume.sh etcd: etcd's, in the same way.
set -euo pipefail
# shellcheck source=/dev/null
. /etc/magnum-lite/node.env
case ${1:-} in
    etcd) target=/var/lib/etcd label=ml-etcd file=/etc/magnum-lite/etcd-volume ;;
    *) target=${DATA_DIR:-/var/lib/docker} label=ml-docker file=/etc/magnum-lite/volume ;;
esac
volume=$(cat "$file")
[ -n "$volume" ] || exit 0

# The hypervisor shows the first 20 characters of the volume's id as the disk's serial number.
find_device() {
    local link
    for link in /dev/disk/by-id/*"${volume:0:20}"*; do
        case $link in *-part[0-9]*) continue ;; esac
        if [ -b "$link" ]; then
            readlink -f "$link"
            return
        fi
    done
    return 1
}

device=''
for _ in {1..300}; do # it is attached after the server has started
    device=$(find_device) && break
    sleep 1
done
[ -n "$device" ] || { echo "volume $volume did not appear on this node within 300 s" >&2; exit 1; }
# By device number: below it the directory may be a mount point of something else already.
[ "$(mountpoint -d "$target" 2> /dev/null)" != "$(mountpoint -x "$device")" ] || exit 0

found=0
blkid -p "$device" > /dev/null || found=$?
if [ "$found" -eq 2 ]; then
    echo "formatting $device, which is blank"
    mkfs.ext4 -q -m 1 -L "$label" "$device"
elif [ "$(blkid -p -s LABEL -o value "$device")" != "$label" ]; then
    echo "$device (volume $volume) holds data that is not this engine's: not touched" >&2
    exit 1
fi
mkdir -p "$target"
mount "$device" "$target"
