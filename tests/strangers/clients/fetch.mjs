// `node fetch.mjs URL NAME`, with Node's own fetch.
import { tell } from "./story.mjs";

const [url, name] = process.argv.slice(2);

await tell(async (method, path, body, headers) => {
  const json = body === undefined ? {} : { "Content-Type": "application/json" };
  const answer = await fetch(url + path, { method, headers: { ...json, ...headers }, body: JSON.stringify(body) });
  return { status: answer.status, headers: answer.headers, body: await answer.json() };
}, name);
