# shellcheck shell=sh disable=SC2034,SC2154
# Six requests to an unresponsive server with a limit of two connections.

begin() {
    debian haproxy haproxy
    port=$(free_port)
    web_port=$(free_port)
    silent_server
    cat >haproxy.cfg <<END
global
    maxconn 100
defaults
    mode http
    timeout connect 5s
    timeout client 600s
    timeout server 600s
    timeout queue 600s
frontend metrics
    bind 127.0.0.1:$port
    http-request use-service prometheus-exporter if { path /metrics }
frontend http
    bind 127.0.0.1:$web_port
    default_backend web
backend web
    server web-0 127.0.0.1:$server_port maxconn 2
END
    background haproxy -db -f haproxy.cfg
    page="http://127.0.0.1:$port/metrics?scope=backend"
    answers "$page"
    for request in 1 2 3 4 5 6; do
        background curl --silent --noproxy '*' "http://127.0.0.1:$web_port/"
    done
    until_true sh -c "curl --silent --noproxy '*' '$page' | grep -q 'haproxy_backend_current_queue{proxy=.web.} 4'"
}

expected() {
    echo 'namespaces/shop/services/web/haproxy_sessions 6'
}
