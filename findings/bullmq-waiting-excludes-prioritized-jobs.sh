#!/bin/sh
# bullmq 6.7.0 (npm): jobs with a priority are not waiting; in its predecessor, bull 4.16.5, they are.
#
# Behaviour: a job that is added with a priority is in the state "prioritized" instead of "waiting", although workers take it
# before the waiting ones. getWaitingCount() and bullmq_job_count{state="waiting"} leave it out.
# Why it matters: an HPA on the waiting jobs sees 3 while 1,003 jobs wait, and scales down. An exporter that was moved from bull
# to bullmq still has the same metric, with another meaning.
# Source: bullmq, classes/queue-getters.js, getWaitingCount and getPrioritizedCount; bull, lib/getters.js, getWaitingCount.
# Seen: the output below.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
needs node npm
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund bullmq@6.7.0 ioredis@6.0.0 bull@4.16.5
redis_server

cat >show.js <<'END'
const Bull = require("bull");
const { Queue } = require("bullmq");

const jobs = (count, opts) => Array.from({ length: count }, () => ({ name: "mail", data: {}, opts }));
const main = async () => {
  const old = new Bull("old", { redis: { path: "redis.sock" } });
  const queue = new Queue("new", { connection: { path: "redis.sock" } });
  for (const either of [old, queue]) {
    await either.addBulk([...jobs(3, {}), ...jobs(1000, { priority: 1 })]);
    console.log(`${either.name}: ${await either.getWaitingCount()} waiting`);
  }
  const page = await queue.exportPrometheusMetrics();
  const isZero = (line) => line.endsWith(" 0");
  console.log(page.split("\n").filter((line) => line.startsWith("bullmq_job_count") && !isZero(line)).join("\n"));
  process.exit(0);
};
main();
END
expect bullmq 'old: 1003 waiting
new: 3 waiting
bullmq_job_count{queue="new", state="prioritized"} 1000
bullmq_job_count{queue="new", state="waiting"} 3' "$(node show.js)"
