# shellcheck shell=sh disable=SC2034,SC2154
# Forty tasks that do not end, and a worker of one thread.

begin() {
    pypi distributed==2026.8.0
    scheduler=127.0.0.1:$(free_port)
    port=$(free_port)
    background "$bin/dask" scheduler --host 127.0.0.1 --port "${scheduler#*:}" --dashboard-address "127.0.0.1:$port"
    page=http://127.0.0.1:$port/json/counts.json
    answers "$page"
    background "$bin/dask" worker "$scheduler" --nthreads 1 --nworkers 1 --no-dashboard --local-directory "$here"
    until_true sh -c "curl --silent --noproxy '*' $page | grep -q '\"workers\": 1'"
    background "$python" -c "
import time
import distributed

client = distributed.Client('$scheduler')
futures = client.map(lambda number: time.sleep(600), range(40))
time.sleep(600)"
    until_true sh -c "curl --silent --noproxy '*' $page | grep -q '\"desired_workers\": 40'"
}

expected() {
    echo 'namespaces/shop/services/dask-scheduler/dask_desired_workers 40'
}
