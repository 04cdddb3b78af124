# shellcheck shell=sh disable=SC2034,SC2154
# Three requests that do not end, and ten others per second.

begin() {
    packages prom-client@15.1.3
    port=$(free_port)
    cat >app.js <<'END'
const http = require("http"), client = require("prom-client");
const inFlight = new client.Gauge({ name: "http_requests_in_flight", help: "Requests being served" });
const total = new client.Counter({ name: "http_requests_total", help: "Requests", labelNames: ["path"] });
const duration = new client.Histogram({
  name: "http_request_duration_seconds", help: "Durations", labelNames: ["path"], buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5],
});
http.createServer(async (request, response) => {
  inFlight.inc();
  const end = duration.startTimer({ path: request.url });
  if (request.url === "/slow") return;
  let body = "ok";
  if (request.url === "/metrics") {
    response.setHeader("Content-Type", client.register.contentType);
    body = await client.register.metrics();
  }
  response.end(body);
  inFlight.dec();
  total.inc({ path: request.url });
  end();
}).listen(Number(process.argv[2]), "127.0.0.1");
END
    background env NODE_PATH="$modules/node_modules" node app.js "$port"
    page=http://127.0.0.1:$port/metrics
    answers "$page"
    for request in 1 2 3; do
        background curl --silent --noproxy '*' "http://127.0.0.1:$port/slow"
    done
    until_true sh -c "curl --silent --noproxy '*' $page | grep -q '^http_requests_in_flight 4'"
    background python3 -c "
import time, urllib.request
while True:
    urllib.request.urlopen('http://127.0.0.1:$port/').read()
    time.sleep(0.1)"
}

expected() {
    echo 'namespaces/shop/pods/web-0/http_requests_per_second number'
    echo 'namespaces/shop/pods/web-0/http_requests_in_flight number'
    echo 'namespaces/shop/pods/web-0/http_p95_seconds number'
}
