# shellcheck shell=sh disable=SC2034,SC2154
# A service that answers after a quarter of a second. No name of a cluster exists here, so the exporter sends its requests to
# the service as if it were a proxy.

begin() {
    debian prometheus-blackbox-exporter prometheus-blackbox-exporter
    port=$(free_port)
    web_port=$(free_port)
    background python3 -c "
import http.server, time

class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.25)
        found = self.path in ('/', 'http://web.shop.svc/healthz')
        self.send_response(200 if found else 404)
        self.end_headers()

http.server.ThreadingHTTPServer(('127.0.0.1', $web_port), Web).serve_forever()"
    answers "http://127.0.0.1:$web_port/"
    cat >blackbox.yml <<END
modules:
  http_2xx:
    prober: http
    http:
      proxy_url: http://127.0.0.1:$web_port
      skip_resolve_phase_with_proxy: true
END
    background prometheus-blackbox-exporter --config.file blackbox.yml --web.listen-address "127.0.0.1:$port"
    answers "http://127.0.0.1:$port/-/healthy"
    page="http://127.0.0.1:$port/probe?module=http_2xx&target=http://web.shop.svc/healthz"
}

expected() {
    echo 'namespaces/shop/services/web/probe_answer_seconds number'
}
