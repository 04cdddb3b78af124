#!/bin/sh
# prom-client 15.1.3 (npm): the quantiles of a summary with a sliding window are 0 once the window is empty.
#
# Behaviour: a Summary with maxAgeSeconds and ageBuckets forgets observations, and then reports 0 for every quantile. Prometheus'
# client for Java reports NaN in the same state, as the Go client does, so that "nothing was observed" can be told from "it was
# instant".
# Why it matters: an HPA on a latency quantile reads a service without traffic, or one too stuck to finish a request, as infinitely
# fast, and scales it down.
# Source: prom-client, lib/summary.js and lib/timeWindowQuantiles.js; its README, "Summary".
# Seen: req_seconds{quantile="0.99"} 7, and 0 after the window; the count stays 2.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
needs node npm
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund prom-client@15.1.3

cat >show.js <<'END'
const { Summary, register } = require("prom-client");
const summary = new Summary({
  name: "req_seconds", help: "Time", percentiles: [0.99], maxAgeSeconds: 1, ageBuckets: 1,
});
summary.observe(5);
summary.observe(7);
const show = async () => (await register.metrics()).split("\n").filter((line) => line.startsWith("req_"));
const main = async () => {
  console.log((await show()).join("\n"));
  let lines;
  const deadline = Date.now() + 20000;
  do {
    await new Promise((done) => setTimeout(done, 200));
    lines = await show();
  } while (lines[0].endsWith(" 7") && Date.now() < deadline);
  console.log(lines.join("\n"));
};
main();
END
expect prom-client 'req_seconds{quantile="0.99"} 7
req_seconds_sum 12
req_seconds_count 2
req_seconds{quantile="0.99"} 0
req_seconds_sum 12
req_seconds_count 2' "$(node show.js)"
