# shellcheck shell=sh disable=SC2034,SC2154
# Two instances of a job, which push once each.

begin() {
    debian prometheus-pushgateway prometheus-pushgateway
    port=$(free_port)
    background prometheus-pushgateway --web.listen-address "127.0.0.1:$port" --persistence.file "$here/pushed"
    page=http://127.0.0.1:$port/metrics
    answers "$page"
    printf '# TYPE batch_rows_pending gauge\nbatch_rows_pending 42\n' |
        curl --silent --fail --noproxy '*' --data-binary @- "$page/job/import/instance/a"
    printf '# TYPE batch_rows_pending gauge\nbatch_rows_pending 8\n' |
        curl --silent --fail --noproxy '*' --data-binary @- "$page/job/import/instance/b"
}

expected() {
    echo 'namespaces/shop/services/pushgateway/import_rows_pending 50'
}
