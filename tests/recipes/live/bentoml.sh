# shellcheck shell=sh disable=SC2034,SC2154
# Three requests to an API that does not respond.

begin() {
    pypi bentoml==1.4.40
    port=$(free_port)
    cat >service.py <<'END'
import time

import bentoml

@bentoml.service(workers=1, traffic={"timeout": 900})
class Summary:
    @bentoml.api
    def summarize(self) -> str:
        time.sleep(600)
        return ""
END
    export BENTOML_HOME="$here/home" BENTOML_DO_NOT_TRACK=True PROMETHEUS_MULTIPROC_DIR="$here/prom"
    mkdir prom
    background "$bin/bentoml" serve service:Summary --host 127.0.0.1 --port "$port"
    answers "http://127.0.0.1:$port/readyz"
    for request in 1 2 3; do
        background curl --silent --noproxy '*' --request POST --header 'Content-Type: application/json' --data '{}' \
            "http://127.0.0.1:$port/summarize"
    done
    page=http://127.0.0.1:$port/metrics
    until_true sh -c "curl --silent --noproxy '*' $page | grep -q '^bentoml_service_request_in_progress.* 3.0'"
}

expected() {
    echo 'namespaces/shop/pods/web-0/bentoml_requests_in_progress 3'
}
