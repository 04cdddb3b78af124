#!/bin/sh
# HAProxy 2.6.12 (Debian 12): limits and counters that do not apply to a server are NaN, among numbers of other servers.
#
# Behaviour: a server without maxconn has haproxy_server_limit_sessions NaN, and one without health checks has NaN in counters,
# haproxy_server_check_failures_total among them. Prometheus' own exporters leave such series out.
# Why it matters: sum(current_sessions) / sum(limit_sessions), the utilisation that people scale on, is NaN as soon as one server
# of the backend has no maxconn. rate() of such a counter is NaN too, rather than nothing.
# Source: HAProxy, addons/promex/service-prometheus.c, promex_metric_to_str: FF_EMPTY is printed as NaN.
# Seen: the output below.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
needs curl
debian_packages haproxy=2.6.12-1+deb12u4 liblua5.3-0 libopentracing-c-wrapper0 libopentracing1

cat >haproxy.cfg <<'END_OF_CONFIGURATION'
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
frontend metrics
  bind unix@metrics.sock
  http-request use-service prometheus-exporter
backend app
  server limited unix@metrics.sock maxconn 100 check inter 1h
  server open 127.0.0.1:9
END_OF_CONFIGURATION
libraries=$(dirname -- "$(find "$folder/root" -name 'liblua5.3.so.0')")
LD_LIBRARY_PATH=$libraries root/usr/sbin/haproxy -db -f haproxy.cfg >haproxy.log 2>&1 &
haproxy=$!
trap 'kill "$haproxy" 2>/dev/null; rm -rf "$folder"' EXIT
curl --silent --retry 20 --retry-all-errors --retry-delay 1 --unix-socket metrics.sock http://haproxy/metrics >page || cat haproxy.log
found=$(grep -E '^(# TYPE )?haproxy_server_(current_sessions|limit_sessions|check_failures_total)[ {]' page)
expect haproxy '# TYPE haproxy_server_current_sessions gauge
haproxy_server_current_sessions{proxy="app",server="limited"} 0
haproxy_server_current_sessions{proxy="app",server="open"} 0
# TYPE haproxy_server_limit_sessions gauge
haproxy_server_limit_sessions{proxy="app",server="limited"} 100
haproxy_server_limit_sessions{proxy="app",server="open"} NaN
# TYPE haproxy_server_check_failures_total counter
haproxy_server_check_failures_total{proxy="app",server="limited"} 0
haproxy_server_check_failures_total{proxy="app",server="open"} NaN' "$found"
