# shellcheck shell=sh disable=SC2034,SC2154
# Five requests that do not end, for three threads. Debian's Puma is 5.6, which has no busy_threads.

begin() {
    debian puma puma ruby-rack
    port=$(free_port)
    web_port=$(free_port)
    echo "run ->(env) { sleep 600 if env['PATH_INFO'] == '/slow'; [200, {}, ['ok']] }" >config.ru
    background puma --threads 3:3 --bind "tcp://127.0.0.1:$web_port" --control-url "tcp://127.0.0.1:$port" \
        --control-token none config.ru
    answers "http://127.0.0.1:$web_port/"
    # Puma accepts a connection only if a thread is free. These are opened before their requests; the response to the last one
    # shows that the others have been accepted.
    background python3 -c "
import socket, time

slow = [socket.create_connection(('127.0.0.1', $web_port)) for _ in range(5)]
with socket.create_connection(('127.0.0.1', $web_port)) as last:
    last.sendall(b'GET / HTTP/1.0\r\n\r\n')
    last.recv(1)
for connection in slow:
    connection.sendall(b'GET /slow HTTP/1.1\r\nHost: web\r\n\r\n')
time.sleep(3600)"
    page=http://127.0.0.1:$port/stats
    until_true sh -c "curl --silent --noproxy '*' $page | grep -q '\"backlog\":2'"
}

expected() {
    echo 'namespaces/shop/pods/web-0/puma_backlog 2'
    if curl --silent --noproxy '*' "$page" | grep -q '"busy_threads"'; then
        echo 'namespaces/shop/pods/web-0/puma_busy_threads 5'
    fi
}
