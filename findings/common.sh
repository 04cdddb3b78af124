# shellcheck shell=sh
# Shared by the findings: a temporary folder that goes at the end, and a comparison that fails when a behaviour changes.

folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
cd "$folder" || exit

# needs COMMAND...: leaves with 77 where one is missing.
needs() {
    for command in "$@"; do
        command -v "$command" >/dev/null 2>&1 || { echo "skipped: $command is missing" && exit 77; }
    done
}

# expect NAME EXPECTED FOUND
expect() {
    [ "$2" = "$3" ] && return
    printf '%s has changed\nexpected:\n%s\nfound:\n%s\n' "$1" "$2" "$3" >&2
    exit 1
}
