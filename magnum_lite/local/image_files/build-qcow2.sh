#!/bin/sh
# Make a bootable cloud image: build-qcow2.sh ROOT.TAR TARGET.qcow2 SIZE_GIB
# Root; loop devices; sfdisk, mkfs.ext4, qemu-img. The root file system brings kernel and GRUB (BIOS).
set -eu
tar=$1 target=$2 size=$3
work=$(mktemp -d)
disk=$work/disk.raw root=$work/root
mkdir "$root"
loop=
clean() {
    for inner in dev proc sys ''; do
        if mountpoint -q "$root/$inner"; then umount "$root/$inner"; fi
    done
    if [ -n "$loop" ]; then losetup --detach "$loop"; fi
    rm -rf "$work"
}
trap clean EXIT

truncate -s "${size}G" "$disk"
# One partition behind a gap in which GRUB lies.
printf 'label: dos\nstart=2048, type=83, bootable\n' | sfdisk --quiet "$disk"
loop=$(losetup --find --show --partscan "$disk")
part=${loop}p1
if [ ! -e "$part" ]; then   # no udev here: make the partition's node by hand
    IFS=: read -r major minor < "/sys/class/block/$(basename "$loop")p1/dev"
    mknod "$part" b "$major" "$minor"
fi
mkfs.ext4 -q -L root "$part"
mount "$part" "$root"
tar -x -C "$root" --numeric-owner --xattrs -f "$tar"
for inner in dev proc sys; do mount --bind "/$inner" "$root/$inner"; done

cat > "$root/etc/fstab" <<'END'
LABEL=root / ext4 errors=remount-ro 0 1
END
mkdir -p "$root/etc/default/grub.d"
cat > "$root/etc/default/grub.d/cloud.cfg" <<'END'
GRUB_TIMEOUT=0
GRUB_CMDLINE_LINUX="root=LABEL=root console=tty0 console=ttyS0,115200 net.ifnames=0"
GRUB_DISABLE_LINUX_UUID=true
GRUB_TERMINAL="console serial"
END
cat > "$root/etc/cloud/cloud.cfg.d/90-magnum-lite-node.cfg" <<'END'
datasource_list: [ ConfigDrive, OpenStack, NoCloud, None ]
END
: > "$root/etc/machine-id"
rm -f "$root"/etc/ssh/ssh_host_*_key "$root"/etc/ssh/ssh_host_*_key.pub
chroot "$root" systemctl disable docker.service docker.socket containerd.service
chroot "$root" grub-install --target=i386-pc "$loop"
chroot "$root" update-grub
sync
for inner in sys proc dev ''; do umount "$root/$inner"; done
losetup --detach "$loop"
loop=
qemu-img convert -O qcow2 -c "$disk" "$target.part"
mv "$target.part" "$target"
