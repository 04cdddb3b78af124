# shellcheck shell=sh disable=SC2034,SC2154
# Three workers, and three requests that do not end.

begin() {
    pypi prometheus_client==0.26.0 gunicorn==27.0.1
    port=$(free_port)
    mkdir metrics
    cat >app.py <<'END'
import time

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest, multiprocess

in_flight = Gauge("http_requests_in_flight_live", "Requests being served", multiprocess_mode="livesum")
total = Counter("http_requests", "Requests", ["path"])

def app(environ, start_response):
    path = environ["PATH_INFO"]
    with in_flight.track_inprogress():
        body = b"ok"
        if path == "/metrics":
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)
            body = generate_latest(registry)
        elif path == "/slow":
            time.sleep(600)
        total.labels(path).inc()
    start_response("200 OK", [("Content-Type", CONTENT_TYPE_LATEST)])
    return [body]
END
    cat >conf.py <<'END'
from prometheus_client import multiprocess

def child_exit(server, worker):
    multiprocess.mark_process_dead(worker.pid)
END
    background env PROMETHEUS_MULTIPROC_DIR="$here/metrics" "$bin/gunicorn" --config conf.py --workers 3 --threads 8 \
        --bind "127.0.0.1:$port" app:app
    page=http://127.0.0.1:$port/metrics
    answers "$page"
    answers "http://127.0.0.1:$port/"
    for request in 1 2 3; do
        background curl --silent --noproxy '*' "http://127.0.0.1:$port/slow"
    done
    until_true sh -c "curl --silent --noproxy '*' $page | grep -q '^http_requests_in_flight_live 4.0'"
}

expected() {
    echo 'namespaces/shop/pods/web-0/http_requests_in_flight 3'
    echo 'namespaces/shop/pods/web-0/http_requests_per_second number'
}
