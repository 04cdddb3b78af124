#!/bin/sh
# tests/nodes/enter.sh FOLDER COMMAND...: runs a command on the machine whose state is in FOLDER, in its cgroups and namespaces.
set -eu
folder=$1
shift
# Before entering the cgroup namespace: a process that joins a cgroup from inside would appear in the cgroup /.. .
while read -r group; do echo $$ >"$group/cgroup.procs"; done <"$folder/cgroups"
exec nsenter --target "$(cat "$folder/init")" --mount --net --uts --ipc --cgroup --pid -- "$@"
