# shellcheck shell=sh disable=SC2034,SC2154
# Nine jobs, two of which are busy.

begin() {
    debian sidekiq ruby-sidekiq
    debian puma puma ruby-rack
    redis
    port=$(free_port)
    export REDIS_URL="redis://127.0.0.1:$redis_port/0"
    cat >job.rb <<'END'
class SlowJob
  include Sidekiq::Worker
  sidekiq_options queue: 'mail'

  def perform
    sleep 600
  end
end
END
    cat >config.ru <<'END'
require 'sidekiq'
require 'sidekiq/web'
use Rack::Session::Cookie, secret: 'x' * 64
map('/sidekiq') { run Sidekiq::Web }
END
    background puma --bind "tcp://127.0.0.1:$port" config.ru
    page=http://127.0.0.1:$port/sidekiq/stats
    answers "$page"
    ruby -r sidekiq -r ./job.rb -e '9.times { SlowJob.perform_async }'
    background sidekiq --require ./job.rb --queue mail --concurrency 2
    until_true sh -c "curl --silent --noproxy '*' $page | grep -q '\"busy\":2'"
    queues=http://127.0.0.1:$port/sidekiq/stats/queues
    [ -z "$pages" ] || curl --silent --noproxy '*' --dump-header "$pages/sidekiq.queues.head" \
        --output "$pages/sidekiq.queues.body" "$queues"
}

expected() {
    echo 'namespaces/shop/services/sidekiq-web/sidekiq_queue_length 7'
    echo 'namespaces/shop/services/sidekiq-web/sidekiq_busy 2'
    echo 'external/shop/sidekiq_queues?labelSelector=queue%3Dmail 7'
}
