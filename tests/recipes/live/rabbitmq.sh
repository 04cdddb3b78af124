# shellcheck shell=sh disable=SC2034,SC2154
# Nine messages in a queue, two of which a consumer holds, and four in another.

begin() {
    debian rabbitmq-server rabbitmq-server
    pypi pika==1.4.4
    amqp=$(free_port) http=$(free_port) metrics=$(free_port) epmd=$(free_port)
    # Erlang would start a daemon that is not stopped.
    background epmd -address 127.0.0.1 -port "$epmd"
    cat >rabbitmq.conf <<END
listeners.tcp.1 = 127.0.0.1:$amqp
management.tcp.ip = 127.0.0.1
management.tcp.port = $http
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = $metrics
END
    echo '[rabbitmq_management,rabbitmq_prometheus].' >enabled_plugins
    # The script of the same name in PATH would switch to another user.
    background env HOME="$here" RABBITMQ_NODENAME="recipe-$amqp@localhost" RABBITMQ_MNESIA_BASE="$here/data" \
        RABBITMQ_LOG_BASE="$here/logs" RABBITMQ_CONFIG_FILE="$here/rabbitmq.conf" \
        RABBITMQ_ENABLED_PLUGINS_FILE="$here/enabled_plugins" RABBITMQ_PID_FILE="$here/rabbitmq.pid" \
        RABBITMQ_DIST_PORT="$(free_port)" ERL_EPMD_PORT="$epmd" ERL_EPMD_ADDRESS=127.0.0.1 \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
        /usr/lib/rabbitmq/bin/rabbitmq-server
    answers "http://guest:guest@127.0.0.1:$http/api/overview"
    # The user of the configuration, with the password that the test writes into its file.
    curl --silent --fail --noproxy '*' --user guest:guest --request PUT --data '{"password": "secret", "tags": "management"}' \
        "http://127.0.0.1:$http/api/users/metriclet"
    curl --silent --fail --noproxy '*' --user guest:guest --request PUT \
        --data '{"configure": "^$", "write": "^$", "read": "^$"}' "http://127.0.0.1:$http/api/permissions/%2F/metriclet"
    background "$python" -c "
import pika
connection = pika.BlockingConnection(pika.ConnectionParameters('127.0.0.1', $amqp, heartbeat=0))
channel = connection.channel()
channel.queue_declare('orders', durable=True)
for _ in range(9):
    channel.basic_publish('', 'orders', b'order')
channel.queue_declare('mail', durable=True)
for _ in range(4):
    channel.basic_publish('', 'mail', b'mail')
channel.basic_qos(prefetch_count=2)
channel.basic_consume('orders', lambda *message: None)
channel.start_consuming()
"
    page="http://127.0.0.1:$metrics/metrics/detailed?family=queue_coarse_metrics"
    until_true sh -c "curl --silent --noproxy '*' '$page' | grep -q 'queue_messages{.*orders.*} 9'"
    # The API has no counts of a queue until its first statistics.
    until_true sh -c "curl --silent --noproxy '*' --user metriclet:secret 'http://127.0.0.1:$http/api/queues/%2F/orders' |
        grep -q '\"messages\":9'"
    address="rabbitmq=127.0.0.1:$metrics management=127.0.0.1:$http"
}

expected() {
    echo 'namespaces/shop/deployments.apps/order-worker/rabbitmq_queue_messages 9'
    echo 'namespaces/shop/deployments.apps/mail-worker/rabbitmq_queue_messages 4'
    echo 'namespaces/shop/deployments.apps/bulk-mail-worker/rabbitmq_queue_messages 4'
    echo 'namespaces/shop/services/rabbitmq/rabbitmq_cluster_queue_messages 9'
}
