# shellcheck shell=sh disable=SC2034,SC2154
# Five requests for three processes: two of them wait.

begin() {
    debian php-fpm8.2 php8.2-fpm
    debian cgi-fcgi libfcgi-bin
    app_port=$(free_port)
    status_port=$(free_port)
    port=$(free_port)
    cat >fpm.conf <<END
[global]
error_log = $here/fpm.log
daemonize = no
[www]
user = www-data
group = www-data
listen = 127.0.0.1:$app_port
pm = static
pm.max_children = 3
pm.status_path = /fpm-status
pm.status_listen = 127.0.0.1:$status_port
END
    chmod 755 "$work" "$here"
    echo '<?php sleep(600);' >slow.php
    chmod 644 slow.php
    background php-fpm8.2 --allow-to-run-as-root --fpm-config "$here/fpm.conf"
    start_nginx <<END
    server {
        listen 127.0.0.1:$port;
        location = /fpm-status {
            include /etc/nginx/fastcgi.conf;
            fastcgi_pass 127.0.0.1:$status_port;
        }
    }
END
    page="http://127.0.0.1:$port/fpm-status?openmetrics"
    answers "$page"
    for request in 1 2 3 4 5; do
        background env SCRIPT_FILENAME="$here/slow.php" REQUEST_METHOD=GET cgi-fcgi -bind -connect "127.0.0.1:$app_port"
    done
    until_true sh -c "curl --silent --noproxy '*' '$page' | grep -q 'listen_queue 2'"
    [ -z "$pages" ] || curl --silent --noproxy '*' --dump-header "$pages/php-fpm.json.head" \
        --output "$pages/php-fpm.json.body" "http://127.0.0.1:$port/fpm-status?json"
}

expected() {
    echo 'namespaces/shop/pods/web-0/phpfpm_active_processes 3'
    echo 'namespaces/shop/pods/web-0/phpfpm_listen_queue 2'
    echo 'namespaces/shop/pods/web-0/phpfpm_busy_percent 100'
}
