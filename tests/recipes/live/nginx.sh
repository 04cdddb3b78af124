# shellcheck shell=sh disable=SC2034,SC2154
# Three requests to an unresponsive server behind nginx; the scrape is the fourth.

begin() {
    port=$(free_port)
    web_port=$(free_port)
    silent_server
    start_nginx <<END
    server {
        listen 127.0.0.1:$port;
        location = /stub_status { stub_status; }
    }
    server {
        listen 127.0.0.1:$web_port;
        location / {
            proxy_pass http://127.0.0.1:$server_port;
            proxy_read_timeout 600s;
        }
    }
END
    page=http://127.0.0.1:$port/stub_status
    answers "$page"
    for request in 1 2 3; do
        background curl --silent --noproxy '*' "http://127.0.0.1:$web_port/"
    done
    until_true sh -c "curl --silent --noproxy '*' $page | grep -q 'Writing: 4 '"
}

expected() {
    echo 'namespaces/shop/pods/web-0/nginx_requests_in_progress 4'
}
