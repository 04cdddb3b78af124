# shellcheck shell=sh
# Shared by the scripts for clusters, which set self to their own name before they read it.
# shellcheck disable=SC2034,SC2154 # they use these variables

group=custom.metrics.k8s.io
versions='v1beta1 v1beta2'
apiservices="v1beta1.$group v1beta2.$group"
# Registered only on demand: a cluster has one adapter of external metrics.
external_apiservice=v1beta1.external.metrics.k8s.io
namespace=custom-metrics
service=custom-metrics-apiserver
secret=custom-metrics-apiserver-tls
# The roles by which Metriclet reads objects, and their bindings.
reader=custom-metrics-resource-reader

context=
dry_run=

# fail CODE MESSAGE: exit codes are those of sysexits(3), like Metriclet's.
fail() {
    printf '%s: %s\n' "$self" "$2" >&2
    exit "$1"
}

say() {
    printf '==> %s\n' "$1"
}

# need TOOL HOW: fails if a required program is missing.
need() {
    command -v "$1" >/dev/null 2>&1 || fail 69 "$1 is missing, and nothing was changed: $2"
}

# kube ARGUMENTS: runs kubectl on the chosen cluster.
kube() {
    kubectl ${context:+--context "$context"} "$@"
}

# change ARGUMENTS: runs a kubectl command that changes the cluster, or prints it in a dry run.
change() {
    if [ "$dry_run" ]; then
        printf 'would run: kubectl%s\n' "$(printf ' %s' "$@" | cut -c 1-200)"
    else
        kube "$@"
    fi
}

# cluster: fails unless the cluster responds.
cluster() {
    need kubectl "see https://kubernetes.io/docs/tasks/tools/"
    kube get --raw /version --request-timeout=10s >/dev/null ||
        fail 69 "no cluster answers${context:+ in context $context}, and nothing was changed; see kubectl cluster-info"
}

# owner APISERVICE: prints "ours", or namespace/name of its Service; nothing if it does not exist. Other adapters use
# the same names, so the label is checked as well. Assign the output to a variable, because only then a failure ends the
# script.
owner() {
    found=$(kube get apiservice "$1" --ignore-not-found \
        -o jsonpath='{.spec.service.namespace}/{.spec.service.name} {.metadata.labels.app\.kubernetes\.io/part-of}') ||
        fail 69 "cannot read APIService $1"
    case $found in
    "$namespace/$service metriclet") echo ours ;;
    *) echo "${found%% *}" ;;
    esac
}

# part_of KIND NAME: prints "ours" or "another's"; nothing if it does not exist. Assign the output, too.
part_of() {
    found=$(kube -n "$namespace" get "$1" "$2" --ignore-not-found \
        -o jsonpath='{.metadata.name} {.metadata.labels.app\.kubernetes\.io/part-of}') ||
        fail 69 "cannot read $1 $2, and nothing was changed"
    case $found in
    '') ;;
    *' metriclet') echo ours ;;
    *) echo "another's" ;;
    esac
}

# condition APISERVICE: prints whether it is available, and why not.
condition() {
    kube get apiservice "$1" -o jsonpath='{range .status.conditions[?(@.type=="Available")]}{.status}: {.reason}: {.message}{end}' 2>&1
}

# find_metriclet: finds the program.
find_metriclet() {
    [ -z "${METRICLET-}" ] || [ -x "$METRICLET" ] || fail 69 "METRICLET: expected a program, found $METRICLET; nothing was changed"
    for metriclet in "${METRICLET-}" "$(command -v metriclet || true)" target/release/metriclet target/debug/metriclet; do
        if [ "$metriclet" ] && [ -x "$metriclet" ]; then return; fi
    done
    return 1
}

# need_metriclet: for the certificate.
need_metriclet() {
    find_metriclet ||
        fail 69 "metriclet, which makes the certificate, is missing, and nothing was changed: cargo install --locked --path ., or name it in METRICLET"
}

# workspace: a temporary folder, removed at the end.
workspace() {
    umask 077
    work=$(cd -- "$(mktemp -d)" && pwd -P)
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' HUP INT TERM
}

# value FLAG COUNT VALUE: rejects a flag without a value, or with an empty one: it must not select the current cluster
# by accident.
value() {
    { [ "$2" -gt 1 ] && [ "$3" ]; } || fail 64 "$1: expected a value; see --help"
}
