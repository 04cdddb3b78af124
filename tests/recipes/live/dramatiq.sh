# shellcheck shell=sh disable=SC2034,SC2154
# Six messages, four of which the four threads of a worker work on.

begin() {
    pypi 'dramatiq[redis]==2.2.1' prometheus-client==0.26.0
    redis
    port=$(free_port)
    cat >app.py <<END
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware.prometheus import Prometheus

broker = RedisBroker(url="redis://127.0.0.1:$redis_port")
broker.add_middleware(Prometheus())
dramatiq.set_broker(broker)

@dramatiq.actor(queue_name="mail")
def send():
    time.sleep(600)
END
    background env dramatiq_prom_port="$port" dramatiq_prom_host=127.0.0.1 dramatiq_prom_db="$here/prom" \
        "$bin/dramatiq" app --processes 1 --threads 4
    page=http://127.0.0.1:$port/metrics
    answers "$page"
    dramatiq_prom_db="$here/prom" "$python" -c 'import app; [app.send.send() for _ in range(6)]'
    until_true sh -c "curl --silent --noproxy '*' $page | grep -q 'inprogress.* 4.0'"
}

expected() {
    echo 'namespaces/shop/pods/web-0/dramatiq_messages_inprogress 4'
}
