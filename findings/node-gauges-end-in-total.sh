#!/bin/sh
# prom-client 15.1.3 (npm): three of its default metrics end in _total, and are gauges.
#
# Behaviour: collectDefaultMetrics() registers nodejs_active_handles_total, nodejs_active_requests_total and
# nodejs_active_resources_total with the type gauge: how many there are now, next to gauges without the suffix that have the same
# numbers by kind. They go up and down, while Prometheus' naming rules and OpenMetrics keep _total for counters.
# Why it matters: a rule that takes the suffix at its word and applies rate() sees each fall as a restart of the process, and
# returns a rate of nothing that exists. The type is on the page, but not in an expression.
# Source: prom-client, lib/metrics/processHandles.js, processRequests.js, processResources.js.
# Seen: the output below; a server that listens adds one handle, and closing it takes it away again.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
needs node npm
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund prom-client@15.1.3

cat >show.js <<'END'
const { collectDefaultMetrics, register } = require("prom-client");
const net = require("net");
collectDefaultMetrics();
const page = async () => (await register.metrics()).split("\n");
const handles = async () => {
  const line = (await page()).find((line) => line.startsWith("nodejs_active_handles_total "));
  return Number(line.split(" ")[1]);
};
const main = async () => {
  const types = (await page()).filter((line) => /^# TYPE \S+_total /.test(line) && / gauge$/.test(line));
  console.log(types.sort().join("\n"));
  const before = await handles();
  const server = net.createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const meanwhile = await handles();
  await new Promise((done) => server.close(done));
  for (let turn = 0; turn < 1000 && (await handles()) === meanwhile; turn++) await new Promise(setImmediate);
  console.log("a server listens:", meanwhile - before, "and is closed:", (await handles()) - meanwhile);
};
main();
END
expect prom-client '# TYPE nodejs_active_handles_total gauge
# TYPE nodejs_active_requests_total gauge
# TYPE nodejs_active_resources_total gauge
a server listens: 1 and is closed: -1' "$(node show.js)"
