#!/bin/sh
# tests/nodes/machine.sh FOLDER NAME PAUSE: creates a simulated machine with its own namespaces, and cgroups below the current
# ones. FOLDER contains its state: its first process in `init`, its cgroups in `cgroups`, its disk in `disk`. It ends with its
# first process.
set -eu
folder=$1 name=$2 pause=$3

if [ "${4-}" != inside ]; then
    mkdir -p "$folder/disk"
    : >"$folder/cgroups"
    # In all hierarchies of cgroup v1, because a process that leaves a hierarchy's cgroup is no longer counted there.
    while IFS=: read -r number controllers path; do
        [ "$number" != 0 ] || continue
        group=/sys/fs/cgroup/${controllers#name=}${path%/}/$METRICLET_NODES/$name
        mkdir -p "$group"
        if [ "$controllers" = cpuset ]; then
            # A cpuset without CPUs accepts no process.
            above=$group/../..
            for of in "$group/.." "$group"; do
                for what in cpuset.cpus cpuset.mems; do cat "$above/$what" >"$of/$what"; done
            done
        fi
        echo $$ >"$group/cgroup.procs"
        echo "$group" >>"$folder/cgroups"
    done </proc/self/cgroup
    exec unshare --mount --net --uts --ipc --cgroup --pid --fork --kill-child --propagation slave \
        sh "$0" "$folder" "$name" "$pause" inside
fi

# The PID outside, because /proc is still the outer one.
read -r pid _ </proc/self/stat
hostname "$name"
# Only the folder of this run is writable, so a node leaves files only there.
mount --bind "$folder/.." "$folder/.."
mount -o remount,bind,ro /
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
while IFS=: read -r number controllers _; do
    [ "$number" != 0 ] || continue
    mkdir "/sys/fs/cgroup/${controllers#name=}"
    mount -t cgroup -o "$(case $controllers in name=*) echo "none,$controllers" ;; *) echo "$controllers" ;; esac)" \
        cgroup "/sys/fs/cgroup/${controllers#name=}"
done </proc/self/cgroup
# The kubelet requires these settings of the whole kernel. Only the values in the files are changed, not the kernel's.
for setting in vm/overcommit_memory=1 kernel/panic=10 kernel/panic_on_oops=1; do
    file=$folder/$(basename "${setting%=*}")
    echo "${setting#*=}" >"$file"
    mount --bind "$file" "/proc/sys/${setting%=*}"
done
for path in /tmp /run /var/lib /var/log; do mount -t tmpfs tmpfs "$path"; done
for path in /var/lib/kubelet /var/lib/containerd /var/lib/cni /var/log/pods; do
    mkdir -p "$folder/disk$path" "$path"
    mount --bind "$folder/disk$path" "$path"
done
mkdir -p /run/lock /var/log/containers
mount --make-rshared /
ip link set lo up
for family in ipv4/ip_forward ipv6/conf/all/forwarding; do echo 1 >"/proc/sys/net/$family"; done
echo "$pid" >"$folder/init.new"
mv "$folder/init.new" "$folder/init"
exec "$pause" pause
