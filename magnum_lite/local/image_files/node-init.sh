#!/bin/sh
# PID 1 of a node container until it becomes systemd. Without --privileged Docker mounts /sys and the
# cgroup hierarchies read-only; CAP_SYS_ADMIN lets us open them again. On cgroup v2 there is one
# hierarchy at /sys/fs/cgroup, on v1 one mount below it for each controller.
mount -o remount,bind,rw /sys
mount -o remount,bind,rw /sys/fs/cgroup
if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
    for hierarchy in /sys/fs/cgroup/*; do
        if mountpoint -q "$hierarchy"; then
            mount -o remount,bind,rw "$hierarchy"
        fi
    done
fi
# Docker in the node shares its volume mounts with its containers only below a shared root.
mount --make-rshared /
exec /sbin/init "$@"
