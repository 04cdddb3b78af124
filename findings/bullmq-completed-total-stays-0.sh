#!/bin/sh
# bullmq 6.7.0 (npm): the counters of completed and failed jobs stay 0 unless the workers collect metrics.
#
# Behaviour: exportPrometheusMetrics always prints bullmq_job_completed_total and bullmq_job_failed_total, but only workers with
# the option metrics: {maxDataPoints} count their jobs; by default they do not. The page does not say so.
# Why it matters: rate(bullmq_job_completed_total[5m]), the throughput that workers are scaled on, is 0 however many jobs are
# done, and an alert on failed jobs never fires.
# Source: bullmq, classes/queue-getters.js, exportPrometheusMetrics and getMetrics; classes/worker.js, the option metrics.
# Seen: after ten completed jobs each, 0 without the option, and 10 with it.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
needs node npm
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund bullmq@6.7.0 ioredis@6.0.0
redis_server

cat >show.js <<'END'
const { Queue, QueueEvents, Worker } = require("bullmq");

const connection = { path: "redis.sock" };
const show = async (name, options) => {
  const queue = new Queue(name, { connection });
  const events = new QueueEvents(name, { connection });
  await events.waitUntilReady();
  new Worker(name, async () => {}, { connection, ...options });
  for (let number = 0; number < 10; number++) {
    const job = await queue.add("job", {});
    await job.waitUntilFinished(events);
  }
  const page = await queue.exportPrometheusMetrics();
  console.log(page.split("\n").filter((line) => line.startsWith("bullmq_job_completed_total")).join("\n"));
};
const main = async () => {
  await show("default", {});
  await show("metrics", { metrics: { maxDataPoints: 60 } });
  process.exit(0);
};
main();
END
expect bullmq 'bullmq_job_completed_total{queue="default"} 0
bullmq_job_completed_total{queue="metrics"} 10' "$(node show.js)"
