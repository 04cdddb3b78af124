# shellcheck shell=sh disable=SC2034,SC2154
# Four tasks of Celery. Debian's redis_exporter has no lag of groups yet, so streams are left out.

begin() {
    debian prometheus-redis-exporter prometheus-redis-exporter
    pypi celery==5.7.0 redis==8.1.0 packaging==26.4
    redis
    "$python" -c "
import celery

app = celery.Celery(broker='redis://127.0.0.1:$redis_port/0')
for _ in range(4):
    app.send_task('mail.send')
"
    port=$(free_port)
    background prometheus-redis-exporter --redis.addr "redis://127.0.0.1:$redis_port" --web.listen-address "127.0.0.1:$port" \
        --check-single-keys db0=celery
    page=http://127.0.0.1:$port/metrics
}

expected() {
    echo 'namespaces/shop/services/redis-exporter/celery_queue_length 4'
}
