# shellcheck shell=sh disable=SC2034,SC2154
# Three requests to a server behind nginx that does not answer; the scrape is the fourth.

begin() {
    debian nginx nginx-light
    port=$(free_port)
    web_port=$(free_port)
    silent_server
    cat >nginx.conf <<END
daemon off;
pid $here/nginx.pid;
error_log $here/nginx.log;
events {}
http {
    access_log off;
    client_body_temp_path $here/body;
    fastcgi_temp_path $here/fastcgi;
    proxy_temp_path $here/proxy;
    scgi_temp_path $here/scgi;
    uwsgi_temp_path $here/uwsgi;
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
}
END
    background nginx -p "$here" -c "$here/nginx.conf"
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
