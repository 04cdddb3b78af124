#!/bin/sh
# tests/nodes/enter.sh FOLDER COMMAND...: runs a command on the machine whose state is in FOLDER, in its cgroups and namespaces.
set -eu
folder=$1
shift
# Before the cgroups' namespace is entered: a process from outside it would be seen as in the cgroup /.. .
while read -r group; do echo $$ >"$group/cgroup.procs"; done <"$folder/cgroups"
exec nsenter --target "$(cat "$folder/init")" --mount --net --uts --ipc --cgroup --pid -- "$@"
