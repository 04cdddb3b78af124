# shellcheck shell=sh disable=SC2034,SC2154
# Seven requests to an unresponsive deployment of one replica, which accepts two at a time.

begin() {
    pypi 'ray[serve]==2.60.0'
    metrics=$(free_port) http=$(free_port)
    cat >app.py <<END
import asyncio, time, ray
from ray import serve

@serve.deployment(name="Model", max_ongoing_requests=2)
class Model:
    async def __call__(self, request):
        await asyncio.sleep(600)

ray.init(_node_ip_address="127.0.0.1", _metrics_export_port=$metrics, include_dashboard=False, num_cpus=2,
         _temp_dir="$here", log_to_driver=False)
serve.start(http_options={"host": "127.0.0.1", "port": $http})
serve.run(Model.bind(), name="llm", route_prefix="/")
time.sleep(900)
END
    export RAY_USAGE_STATS_ENABLED=0
    background "$python" app.py
    page=http://127.0.0.1:$metrics/metrics
    answers "$page"
    until_true sh -c "curl --silent --max-time 1 --noproxy '*' http://127.0.0.1:$http/-/healthz | grep -q success"
    for request in 1 2 3 4 5 6 7; do
        background curl --silent --noproxy '*' "http://127.0.0.1:$http/"
    done
    until_true sh -c "curl --silent --noproxy '*' $page | grep -q '^ray_serve_deployment_queued_queries.* 5.0'"
}

expected() {
    echo 'namespaces/shop/pods/web-0/ray_serve_requests 7'
}
