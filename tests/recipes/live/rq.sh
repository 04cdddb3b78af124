# shellcheck shell=sh disable=SC2034,SC2154
# Nine jobs, one of which a worker runs.

begin() {
    pypi rq==2.12.0 rq-exporter==3.1.0
    redis
    cat >jobs.py <<'END'
import time

def slow():
    time.sleep(600)
END
    "$python" -c "
import jobs, redis, rq
queue = rq.Queue('mail', connection=redis.Redis(port=$redis_port))
for _ in range(9):
    queue.enqueue(jobs.slow)
"
    background "$bin/rq" worker --url "redis://127.0.0.1:$redis_port" --name worker-1 mail
    until_true "$python" -c "
import redis, rq
assert rq.Queue('mail', connection=redis.Redis(port=$redis_port)).started_job_registry.count == 1
"
    port=$(free_port)
    background "$bin/rq-exporter" --host 127.0.0.1 --port "$port" --redis-port "$redis_port"
    page=http://127.0.0.1:$port/metrics
}

expected() {
    echo 'namespaces/shop/services/rq-exporter/rq_jobs_queued 9'
}
