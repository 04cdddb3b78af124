# shellcheck shell=sh disable=SC2034,SC2154
# Three requests to a model that does not respond.

begin() {
    pypi mlserver==1.7.1
    port=$(free_port)
    http_port=$(free_port)
    cat >model.py <<'END'
import asyncio

from mlserver import MLModel

class Slow(MLModel):
    async def load(self):
        return True

    async def predict(self, payload):
        await asyncio.sleep(600)
END
    cat >model-settings.json <<'END'
{"name": "slow", "implementation": "model.Slow"}
END
    cat >settings.json <<END
{"host": "127.0.0.1", "http_port": $http_port, "grpc_port": $(free_port), "metrics_port": $port, "parallel_workers": 0,
 "metrics_dir": "$here/prom"}
END
    background "$bin/mlserver" start .
    answers "http://127.0.0.1:$http_port/v2/health/ready"
    for request in 1 2 3; do
        background curl --silent --noproxy '*' --request POST --header 'Content-Type: application/json' \
            --data '{"inputs": [{"name": "x", "shape": [1], "datatype": "INT32", "data": [1]}]}' \
            "http://127.0.0.1:$http_port/v2/models/slow/infer"
    done
    page=http://127.0.0.1:$port/metrics
    until_true sh -c "curl --silent --noproxy '*' $page | grep -q '^rest_server_requests_in_progress.* 3.0'"
}

expected() {
    echo 'namespaces/shop/pods/web-0/mlserver_requests_in_progress 3'
}
