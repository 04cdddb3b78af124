# shellcheck shell=sh disable=SC2034,SC2154
# Seventeen jobs that are due, five that are not, and forty done. The server does not run as root.

begin() {
    debian prometheus-postgres-exporter prometheus-postgres-exporter
    debian psql postgresql-client
    PATH=$PATH:$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
    debian initdb postgresql
    PATH=$PATH:$(find /usr/lib/postgresql -maxdepth 2 -name bin | sort -V | tail -n 1)
    port=$(free_port) exporter=$(free_port)
    as=
    folder=$here/postgresql
    if [ "$(id -u)" = 0 ]; then
        as='setpriv --reuid=postgres --regid=postgres --clear-groups'
        # Its owner must have access to the folder.
        chmod o+x "$work" "$here"
    fi
    mkdir "$folder"
    [ -z "$as" ] || chown postgres "$folder"
    # shellcheck disable=SC2086 # no word, or several
    $as initdb --pgdata "$folder/data" --auth trust --username postgres >/dev/null
    # shellcheck disable=SC2086
    background $as postgres -D "$folder/data" -p "$port" -h 127.0.0.1 -k "$folder"
    until_true psql -h 127.0.0.1 -p "$port" -U postgres -c 'SELECT 1'
    psql --quiet -h 127.0.0.1 -p "$port" -U postgres <<'END'
CREATE TABLE jobs (queue text, state text, run_at timestamptz DEFAULT now());
INSERT INTO jobs (queue, state) SELECT 'mail', 'waiting' FROM generate_series(1, 17);
INSERT INTO jobs (queue, state) SELECT 'mail', 'done' FROM generate_series(1, 40);
INSERT INTO jobs SELECT 'mail', 'waiting', now() + interval '1 day' FROM generate_series(1, 5);
END
    # The recipe's own query.
    sed -n '/^jobs:$/,/^```$/p' "$root/docs/recipes/postgresql.md" | sed '$d' >queries.yaml
    background env DATA_SOURCE_NAME="postgresql://postgres@127.0.0.1:$port/postgres?sslmode=disable" \
        prometheus-postgres-exporter --web.listen-address "127.0.0.1:$exporter" --extend.query-path queries.yaml
    page=http://127.0.0.1:$exporter/metrics
}

expected() {
    echo 'namespaces/shop/services/postgres-exporter/jobs_waiting 17'
}
