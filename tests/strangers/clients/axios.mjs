// `node axios.mjs URL NAME`. axios throws what is not 2xx, and adds headers of its own.
import axios from "axios";
import { tell } from "./story.mjs";

const [url, name] = process.argv.slice(2);
const api = axios.create({ baseURL: url, timeout: 60000 });

await tell(async (method, path, data, headers) => {
  let answer;
  try {
    answer = await api.request({ method, url: path, data, headers });
  } catch (error) {
    if (!error.response) throw error;
    answer = error.response;
  }
  return { status: answer.status, headers: answer.headers, body: answer.data };
}, name);
