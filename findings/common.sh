# shellcheck shell=sh
# Shared by the findings: a temporary folder, removed at the end, and a comparison that fails when a behaviour changes.

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

# jars GROUP:ARTIFACT:VERSION...: puts them, with what they need, into lib/.
jars() {
    needs java javac mvn
    {
        echo '<project><modelVersion>4.0.0</modelVersion>'
        echo '<groupId>finding</groupId><artifactId>finding</artifactId><version>1</version><dependencies>'
        for jar in "$@"; do
            echo '<dependency>'
            echo "$jar" | sed 's|\(.*\):\(.*\):\(.*\)|<groupId>\1</groupId><artifactId>\2</artifactId><version>\3</version>|'
            echo '</dependency>'
        done
        echo '</dependencies></project>'
    } >pom.xml
    mvn --quiet --batch-mode -Dstyle.color=never -Dmaven.repo.local="$folder/repository" \
        dependency:copy-dependencies -DoutputDirectory=lib >maven.log 2>&1 || { cat maven.log >&2 && exit 1; }
}

# go_modules MODULE@VERSION...: makes this folder a Go module that requires these.
go_modules() {
    needs go
    {
        printf 'module finding\n\ngo 1.26\n'
        for module in "$@"; do echo "require ${module%@*} ${module#*@}"; done
    } >go.mod
}

# run_go: runs the Go program here, with the modules that it requires. Nothing is left of them but Go's build cache.
run_go() {
    GOPATH="$folder/go" GOFLAGS='-mod=mod -trimpath' go run . 2>go.log || { cat go.log >&2 && exit 1; }
}

# debian_packages PACKAGE...: unpacks packages into root/, without installing them.
debian_packages() {
    needs apt-get dpkg
    for package in "$@"; do
        apt-get download -qq "$package" >apt.log 2>&1 || { echo "skipped: no package $package" && exit 77; }
    done
    for package in *.deb; do dpkg -x "$package" root; done
}

# redis_server: runs Debian's Redis 7.0.15 on the socket redis.sock, without installing it, until the script ends.
redis_server() {
    debian_packages redis-tools=5:7.0.15-1~deb12u10 libjemalloc2 liblzf1
    libraries=$(dirname -- "$(find "$folder/root" -name 'libjemalloc.so.2')")
    # The package of the server is only a link to this program, which is a server under its own name.
    ln -s redis-check-rdb root/usr/bin/redis-server
    LD_LIBRARY_PATH=$libraries root/usr/bin/redis-server --port 0 --unixsocket redis.sock --save '' >redis.log 2>&1 &
    redis=$!
    trap 'kill "$redis" 2>/dev/null; rm -rf "$folder"' EXIT
    LD_LIBRARY_PATH=$libraries
    export LD_LIBRARY_PATH
    tries=0
    until root/usr/bin/redis-cli -s redis.sock ping >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 1000 ] || { cat redis.log >&2 && exit 1; }
    done
    unset LD_LIBRARY_PATH
}
