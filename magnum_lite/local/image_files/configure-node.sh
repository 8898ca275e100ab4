#!/bin/sh
# Make a plain Debian root file system (argument 1) fit to be a node inside a container.
# An mmdebstrap customize hook: it runs outside the root, so it calls nothing inside.
set -eu
root=$1
units=$root/etc/systemd/system

# --- cloud-init: user data lies in a seed directory; no network rendering, none of the disk modules.
# Only the modules a node needs: the stock list runs more than 40.
cat > "$root/etc/cloud/cloud.cfg.d/90-magnum-lite-node.cfg" <<'END'
datasource_list: [ NoCloud, None ]
network: {config: disabled}
manage_etc_hosts: false
growpart: {mode: 'off'}
resize_rootfs: false
ssh_genkeytypes: [ed25519]
cloud_init_modules: [bootcmd, write-files, set_hostname, update_hostname, ca-certs, users-groups, ssh]
cloud_config_modules: [runcmd]
cloud_final_modules: [package-update-upgrade-install, write-files-deferred, scripts-vendor,
  scripts-per-once, scripts-per-boot, scripts-per-instance, scripts-user, phone-home, final-message]
END
: > "$root/etc/machine-id"   # each node gets an id of its own at its first boot
rm -f "$root"/etc/ssh/ssh_host_*_key "$root"/etc/ssh/ssh_host_*_key.pub

# --- units that must not run beside the host's own: they would touch its kernel or its devices,
# or only cost time at boot.
for unit in \
    systemd-udevd.service systemd-udev-trigger.service systemd-udev-settle.service \
    systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-modules-load.service \
    systemd-sysctl.service systemd-remount-fs.service systemd-random-seed.service \
    systemd-timesyncd.service systemd-logind.service systemd-hwdb-update.service \
    getty.target console-getty.service getty-static.service \
    dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    sys-kernel-config.mount sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount \
    systemd-pstore.service systemd-firstboot.service cloud-init-hotplugd.socket \
    fstrim.timer apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service \
    dpkg-db-backup.timer systemd-networkd.service systemd-networkd-wait-online.service \
    systemd-update-utmp.service systemd-update-utmp-runlevel.service \
    systemd-journal-flush.service systemd-journald-audit.socket
do
    ln -sf /dev/null "$units/$unit"
done
# Generators run again at every `systemctl daemon-reload`; ds-identify alone costs most of a second.
mkdir -p "$root/etc/systemd/system-generators"
for generator in \
    cloud-init-generator systemd-cryptsetup-generator systemd-gpt-auto-generator \
    systemd-integritysetup-generator systemd-veritysetup-generator \
    systemd-hibernate-resume-generator systemd-getty-generator systemd-debug-generator \
    systemd-system-update-generator systemd-rc-local-generator systemd-fstab-generator
do
    ln -sf /dev/null "$root/etc/systemd/system-generators/$generator"
done
ln -sf /lib/systemd/system/multi-user.target "$units/default.target"
mkdir -p "$units/multi-user.target.wants" "$units/sockets.target.wants"
ln -sf /lib/systemd/system/cloud-init.target "$units/multi-user.target.wants/cloud-init.target"
# sshd only when somebody knocks: the socket is enabled and starts the service.
rm -f "$units/multi-user.target.wants/ssh.service" "$units/sshd.service"
ln -sf /lib/systemd/system/ssh.socket "$units/sockets.target.wants/ssh.socket"

# --- the engine is started by the user data, never by the image.
rm -f "$units/multi-user.target.wants/docker.service" "$units/multi-user.target.wants/containerd.service" \
    "$units/sockets.target.wants/docker.socket" "$root/etc/init.d/docker" "$root"/etc/rc?.d/*docker
mkdir -p "$root/etc/systemd/journald.conf.d"
cat > "$root/etc/systemd/journald.conf.d/node.conf" <<'END'
[Journal]
Storage=volatile
RuntimeMaxUse=16M
ForwardToConsole=no
ReadKMsg=no
END
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb
