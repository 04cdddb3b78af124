#!/bin/sh
# tests/nodes/build.sh newest|older: builds or unpacks the programs of nodes that scripts/controlplane and scripts/image do not
# build. Prints the folders with the programs, separated by colons, like PATH. Each program is built only once, outside the tree;
# nothing is installed on this machine.
set -eu
cd -- "$(dirname -- "$0")"
here=$PWD
cache=${XDG_CACHE_HOME:-$HOME/.cache}/metriclet
containerd=2.4.2
# The newest version on Go's module proxy.
kube_router=2.1.0
debian='runc containernetworking-plugins nftables iptables ipset conntrack busybox-static libnftables1 libnftnl11 libmnl0
libxtables12 libip4tc2 libip6tc2 libjansson4 libnetfilter-conntrack3 libnfnetlink0 libipset13'

mkdir -p "$cache"
export CGO_ENABLED=0

# once FOLDER WHAT FUNCTION: creates a folder in the cache with a function that fills $new. The folder appears only when complete,
# even if another build runs.
once() {
    folder=$cache/$1
    paths=${paths:+$paths:}$folder
    [ ! -d "$folder" ] || return 0
    echo "    building $2, once" >&2
    new=$folder.new.$$
    rm -rf "$new"
    mkdir -p "$new"
    ("$3") >"$new.log" 2>&1 || { cat "$new.log" >&2 && rm -rf "$new" && exit 69; }
    rm -f "$new.log"
    mv -T "$new" "$folder" 2>/dev/null || rm -rf "$new"
}

# sum FILE...: a checksum of their content.
sum() {
    cat "$@" | cksum | cut -d ' ' -f 1
}

# The module's go.sum pins its dependencies, so the version identifies the build.
containerd() {
    commands=github.com/containerd/containerd/v2/cmd
    GOBIN=$new go install -trimpath -ldflags "-s -w -X github.com/containerd/containerd/v2/version.Version=v$containerd" \
        "$commands/containerd@v$containerd" "$commands/containerd-shim-runc-v2@v$containerd" "$commands/ctr@v$containerd"
}

kubernetes() {
    cd "$here/kubernetes"
    about=k8s.io/component-base/version
    minor=${version#*.}
    go build -modfile="$file" -trimpath -buildvcs=false -o "$new/kubernetes" -ldflags "-s -w -X $about.gitVersion=v$version \
        -X $about.gitMajor=${version%%.*} -X $about.gitMinor=${minor%%.*} -X $about.gitTreeState=clean" .
    for name in kubelet kube-proxy kube-scheduler; do ln -s kubernetes "$new/$name"; done
}

coredns() {
    cd "$here/coredns"
    go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$new/coredns" .
}

# Enforces NetworkPolicies, which the bridge plugin does not.
kube_router() {
    GOBIN=$new go install -trimpath -ldflags '-s -w' "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router@v$kube_router"
}

# The test's app, and the process that holds a pod's namespaces.
app() {
    cd "$here/app"
    go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$new/app" .
}

# debian: unpacked packages. A script with the name of each program sets its library path.
debian() {
    mkdir "$new/packages" "$new/root" "$new/cni"
    cd "$new/packages"
    # shellcheck disable=SC2086 # a word each
    apt-get download -qq $debian
    for package in *.deb; do dpkg -x "$package" "$new/root"; done
    rm -r "$new/packages"
    cp "$new/root/usr/sbin/runc" "$new/root/bin/busybox" "$new/"
    for plugin in bridge host-local loopback portmap; do cp "$new/root/usr/lib/cni/$plugin" "$new/cni/"; done
    libraries=$(dirname "$(find "$new/root" -name 'libmnl.so.0')")
    libraries=$folder/root${libraries#"$new/root"}
    wrap nft nft
    wrap ipset ipset
    wrap conntrack conntrack
    for name in iptables ip6tables iptables-save ip6tables-save iptables-restore ip6tables-restore; do
        wrap "$name" "xtables-nft-multi $name"
    done
}

# wrap NAME COMMAND: a program from the unpacked packages.
wrap() {
    printf '#!/bin/sh\nexport LD_LIBRARY_PATH=%s XTABLES_LIBDIR=%s/xtables\nexec %s/root/usr/sbin/%s "$@"\n' \
        "$libraries" "$libraries" "$folder" "$2" >"$new/$1"
    chmod +x "$new/$1"
}

case ${1-} in
newest) file=go.mod ;;
older) file=older.mod ;;
*) echo "build.sh: expected newest or older, found ${1-nothing}" >&2 && exit 64 ;;
esac
version=$(sed -n 's/^.*k8s.io\/kubernetes v//p' "kubernetes/$file")
paths=
once "nodes-debian-$(echo "$debian" | sum)" "Debian's part of a node" debian
once "nodes-app-$(sum app/*)" 'the app' app
once "containerd-$containerd" "containerd $containerd, which takes some minutes" containerd
once "nodes-$version-$(sum kubernetes/main.go "kubernetes/$file" "kubernetes/${file%.mod}.sum")" \
    "the kubelet of Kubernetes $version, which takes a quarter of an hour" kubernetes
once "coredns-$(sum coredns/*)" CoreDNS coredns
once "kube-router-$kube_router" "kube-router $kube_router" kube_router
echo "$paths"
