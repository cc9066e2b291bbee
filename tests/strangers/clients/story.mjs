// What story.py tells, for Node. `send(method, path, body, headers)` returns { status, headers (a Map or alike), body }.

const PAYMENT = { amount: 100.5, currency: "USD", description: "Payment", metadata: { order_id: "12345" } };
const PATH = "/api/transactions";

export async function tell(send, name) {
  const key = { "Idempotency-Key": `${name}-0` };
  const submit = await send("POST", PATH, PAYMENT, key);
  console.log("submit", submit.status, submit.body.status);
  const own = submit.body.transactionId;
  const again = await send("POST", PATH, PAYMENT, key);
  console.log("repeat", again.status, again.headers.get("idempotent-replayed"), again.body.transactionId === own);
  let found;
  do {
    found = (await send("GET", `${submit.headers.get("location")}?wait=20`, undefined, {})).body;
  } while (found.status === "pending" || found.status === "processing");
  console.log("wait", found.status, found.error === null ? "None" : found.error.code);
  const items = [
    { ...PAYMENT, idempotencyKey: `${name}-1` },
    { ...PAYMENT, idempotencyKey: `${name}-2` },
    { ...PAYMENT, amount: -1 },
  ];
  const { results } = (await send("POST", `${PATH}/batch`, items, {})).body;
  console.log("batch", ...results.map((one) => one.result));
  const ours = new Set([own, ...results.slice(0, 2).map((one) => one.transaction.transactionId)]);
  console.log("listed", (await listed(send, submit.body.submittedAt)).filter((one) => ours.has(one)).length);
  const conflict = await send("POST", PATH, { ...PAYMENT, amount: 7 }, key);
  console.log("conflict", conflict.status, conflict.body.code, ...conflict.body.differs);
  const invalid = await send("POST", PATH, { ...PAYMENT, currency: "usd" }, {});
  console.log("invalid", invalid.status, invalid.body.code, invalid.body.field, invalid.headers.get("content-type"));
  const missing = await send("GET", `${PATH}/${name}-nobody`, undefined, {});
  console.log("missing", missing.status, missing.body.code, missing.body.retryable);
}

async function listed(send, since) {
  const found = [];
  let cursor = undefined;
  while (cursor !== null) {
    const query = new URLSearchParams({ since, limit: "2", ...(cursor ? { cursor } : {}) });
    const page = (await send("GET", `${PATH}?${query}`, undefined, {})).body;
    found.push(...page.transactions.map((one) => one.transactionId));
    cursor = page.cursor;
  }
  return found;
}
