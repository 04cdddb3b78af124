# shellcheck shell=sh disable=SC2034,SC2154
# Three requests to an unresponsive server behind Apache; the scrape is the fourth.

begin() {
    debian apache2 apache2
    port=$(free_port)
    silent_server
    modules=/usr/lib/apache2/modules
    cat >apache.conf <<END
ServerName shop.example
ServerRoot $here
PidFile $here/apache.pid
ErrorLog $here/apache.log
Listen 127.0.0.1:$port
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule status_module $modules/mod_status.so
LoadModule proxy_module $modules/mod_proxy.so
LoadModule proxy_http_module $modules/mod_proxy_http.so
User www-data
Group www-data
Timeout 600
<Location "/server-status">
    SetHandler server-status
</Location>
ProxyPass "/slow" "http://127.0.0.1:$server_port/"
END
    background apache2 -f "$here/apache.conf" -D FOREGROUND
    page="http://127.0.0.1:$port/server-status?auto"
    answers "$page"
    for request in 1 2 3; do
        background curl --silent --noproxy '*' "http://127.0.0.1:$port/slow"
    done
    until_true sh -c "curl --silent --noproxy '*' '$page' | grep -q 'BusyWorkers: 4'"
}

expected() {
    echo 'namespaces/shop/pods/web-0/apache_busy_workers 4'
}
