// The same job on BullMQ and undici: a GET, and a POST if the row is not there. At least once: a job whose worker dies
// is run again, and may post twice.
//
//   node bullmq.mjs fill COUNT     queue so many
//   node bullmq.mjs work           deliver, IN_FLIGHT at a time
//
// Told by REDIS_PORT, POSTING_URL and IN_FLIGHT.

import { Queue, Worker } from "bullmq";
import Redis from "ioredis";
import { Pool } from "undici";

const BATCH = 500;
const QUEUE = "deliver";
const [mode, count] = process.argv.slice(2);
const connection = new Redis(Number(process.env.REDIS_PORT), "127.0.0.1", { maxRetriesPerRequest: null });

async function fill(total) {
  const queue = new Queue(QUEUE, { connection });
  for (let first = 0; first < total; first += BATCH) {
    const jobs = [];
    for (let number = first; number < Math.min(first + BATCH, total); number += 1) {
      const id = `peer-${number}`;
      const data = { id, amount: "100.50", currency: "USD", description: "Payment", metadata: { order_id: "12345" } };
      jobs.push({ name: "deliver", data, opts: { jobId: id } });
    }
    await queue.addBulk(jobs);
  }
  await queue.close();
  connection.disconnect();
}

function work() {
  const inFlight = Number(process.env.IN_FLIGHT);
  const pool = new Pool(process.env.POSTING_URL, { connections: inFlight, bodyTimeout: 5000, headersTimeout: 5000 });
  const deliver = async (job) => {
    const found = await pool.request({ method: "GET", path: `/transactions/${job.data.id}` });
    await found.body.text();
    if (found.statusCode === 200) return;
    const posted = await pool.request({
      method: "POST",
      path: "/transactions",
      headers: { "content-type": "application/json", "idempotency-key": job.data.id },
      body: JSON.stringify({ ...job.data, timestamp: "2026-01-01T00:00:00.000Z" }),
    });
    await posted.body.text();
    if (posted.statusCode >= 300) throw new Error(`answered ${posted.statusCode}`);
  };
  const worker = new Worker(QUEUE, deliver, { connection, concurrency: inFlight });
  process.on("SIGTERM", async () => {
    await worker.close();
    process.exit(0);
  });
}

if (mode === "fill") await fill(Number(count));
else work();
