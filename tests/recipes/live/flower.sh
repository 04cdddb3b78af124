# shellcheck shell=sh disable=SC2034,SC2154
# Twenty tasks: a worker runs two, and has reserved more than it can run.

begin() {
    pypi 'celery[redis]==5.7.0' flower==2.2.0
    redis
    port=$(free_port)
    cat >app.py <<END
import time

import celery

app = celery.Celery("app", broker="redis://127.0.0.1:$redis_port")
app.conf.task_default_queue = "mail"

@app.task
def send():
    time.sleep(600)
END
    # Flower first, because it counts tasks by their events.
    background env FLOWER_UNAUTHENTICATED_API=true \
        "$bin/celery" --app app flower --address=127.0.0.1 --port="$port"
    page=http://127.0.0.1:$port/api/queues/length
    answers "$page"
    background "$bin/celery" --app app worker --events --concurrency 2 --hostname celery@mail-worker-1
    "$python" -c 'import app; [app.send.delay() for _ in range(20)]'
    until_true sh -c "curl --silent --noproxy '*' http://127.0.0.1:$port/metrics | grep -q '^flower_worker_number_of_currently_executing_tasks.* 2.0'"
    until_true sh -c "curl --silent --noproxy '*' $page | grep -q 'messages.*: 10'"
    [ -z "$pages" ] || curl --silent --noproxy '*' --dump-header "$pages/flower.metrics.head" --output "$pages/flower.metrics.body" "http://127.0.0.1:$port/metrics"
}

expected() {
    echo 'namespaces/shop/services/flower/celery_queue_length 10'
    echo 'namespaces/shop/services/flower/celery_executing_tasks 2'
    echo 'namespaces/shop/deployments.apps/mail/celery_own_queue_length 10'
}
