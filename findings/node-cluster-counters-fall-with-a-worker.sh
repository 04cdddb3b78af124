#!/bin/sh
# prom-client 15.1.3 (npm): the counters of a cluster fall when a worker ends.
#
# Behaviour: AggregatorRegistry.clusterMetrics requests the counts of running workers and adds them up. The counts of
# a worker that has ended are lost, so the sum, which is exported as one counter, falls to those of the other workers.
# Why it matters: Prometheus treats a falling counter as reset, and adds its whole new value. So when a worker ends,
# rate() reports all jobs that the other workers have ever done as if they had been done within one scrape interval.
# Source: prom-client, lib/cluster.js, clusterMetrics; lib/metricAggregators.js, sum.
# Seen: 2000 after two workers have counted 1000 each; 1010 after one of them was replaced and ten more were counted, which
# increase() reads as 1010.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
needs node npm
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund prom-client@15.1.3

cat >show.js <<'END'
const cluster = require("node:cluster");
const { once } = require("node:events");
const { AggregatorRegistry, Counter } = require("prom-client");

const registry = new AggregatorRegistry();
const start = async (jobs) => {
  const worker = cluster.fork({ JOBS: jobs });
  await once(worker, "message");
  return worker;
};
const show = async () => {
  const page = await registry.clusterMetrics();
  console.log(page.split("\n").filter((line) => line.startsWith("jobs_total")).join("\n"));
};
const main = async () => {
  const first = await start(1000);
  await start(1000);
  await show();
  first.kill();
  await once(first, "exit");
  await start(10);
  await show();
  process.exit(0);
};
if (cluster.isPrimary) {
  main();
} else {
  new Counter({ name: "jobs_total", help: "Done" }).inc(Number(process.env.JOBS));
  process.send("ready");
}
END
expect prom-client 'jobs_total 2000
jobs_total 1010' "$(node show.js)"
