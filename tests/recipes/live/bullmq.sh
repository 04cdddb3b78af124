# shellcheck shell=sh disable=SC2034,SC2154
# Twelve jobs that wait, one with a priority, one delayed; two more are done, and one runs.

begin() {
    packages bullmq@6.7.0 ioredis@6.0.0
    redis
    port=$(free_port)
    cat >"$here/app.js" <<'END'
const { Queue, Worker } = require('bullmq');
const http = require('http');
const connection = { port: Number(process.argv[2]) };
const queue = new Queue('mail', { connection });

async function main() {
  const worker = new Worker('mail', async (job) => {
    if (job.name === 'slow') await new Promise(() => {});
  }, { connection });
  await queue.addBulk([{ name: 'fast', data: {} }, { name: 'fast', data: {} }, { name: 'slow', data: {} }]);
  while ((await queue.getJobCounts('completed')).completed < 2 || (await queue.getActiveCount()) < 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await queue.addBulk(Array.from({ length: 12 }, () => ({ name: 'slow', data: {} })));
  await queue.add('slow', {}, { priority: 1 });
  await queue.add('slow', {}, { delay: 3600000 });
  http.createServer(async (request, response) => {
    const page = await queue.exportPrometheusMetrics();
    response.setHeader('Content-Type', 'text/plain; version=0.0.4');
    response.end(page);
  }).listen(Number(process.argv[3]), '127.0.0.1');
}

main();
END
    background env NODE_PATH="$modules/node_modules" node "$here/app.js" "$redis_port" "$port"
    page=http://127.0.0.1:$port/metrics
}

expected() {
    echo 'namespaces/shop/services/mail-queue/bullmq_jobs 14'
}
