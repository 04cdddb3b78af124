# shellcheck shell=sh disable=SC2034,SC2154
# A counter that grows by five per second, imported for the last ten minutes.

begin() {
    debian victoria-metrics victoria-metrics
    port=$(free_port)
    background victoria-metrics -storageDataPath "$here/data" -httpListenAddr "127.0.0.1:$port" -search.latencyOffset 1s
    answers "http://127.0.0.1:$port/health"
    python3 -c "
import time
now = int(time.time()) // 15 * 15
for step in range(41):
    print('http_requests_total{namespace=\"shop\",pod=\"web-0\",code=\"200\"}', 75 * step, 1000 * (now - 15 * (40 - step)))
" | curl --silent --fail --noproxy '*' --data-binary @- "http://127.0.0.1:$port/api/v1/import/prometheus"
    page="http://127.0.0.1:$port/api/v1/query?query=sum(rate(http_requests_total%5B2m%5D))"
    until_true sh -c "curl --silent --noproxy '*' '$page' | grep -q '\"5\"'"
}

expected() {
    echo 'namespaces/shop/pods/web-0/http_requests_per_second 5'
}
