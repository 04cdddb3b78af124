#!/bin/sh
# prom-client 15.1.3 (npm): each scrape clears the event loop's delays, so that a second reader sees none.
#
# Behaviour: nodejs_eventloop_lag_max_seconds, _mean, _p50, _p90 and _p99 come from one histogram that collecting resets. They
# describe the time since the last scrape by anybody.
# Why it matters: of Prometheus, an adapter, a probe and a person with curl, only the first to come reads a stall. An HPA on the
# p99 gets a few microseconds while the event loop blocks for seconds, and its value depends on who else reads the page.
# Source: prom-client, lib/metrics/eventLoopLag.js, collect.
# Seen: after the event loop was blocked for 600 ms, the first page has a maximum above 0.5 s, and the next one has not.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
needs node npm
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund prom-client@15.1.3

cat >show.js <<'END'
const { register, collectDefaultMetrics } = require("prom-client");
const { setTimeout: sleep } = require("node:timers/promises");

collectDefaultMetrics();
const block = () => {
  const end = performance.now() + 600;
  while (performance.now() < end);
};
const read = async () => {
  const page = await register.metrics();
  return ["max", "p99"].map((part) => {
    const [, value] = page.match(new RegExp(`^nodejs_eventloop_lag_${part}_seconds (\\S+)$`, "m"));
    return `${part} ${Number(value) > 0.5 ? "above" : "below"} 0.5`;
  }).join(", ");
};
const main = async () => {
  await sleep(100); // the histogram's timer has run
  block();
  await sleep(100);
  const pages = [await read(), await read()];
  console.log(pages.join("\n"));
};
main();
END
expect prom-client 'max above 0.5, p99 above 0.5
max below 0.5, p99 below 0.5' "$(node show.js)"
