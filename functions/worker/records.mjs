// Puts records into the KV namespace that `wrangler dev` uses on this machine: a publisher for development and tests.
//
//   node functions/worker/records.mjs [DIR]        DIR as in `wrangler dev --persist-to DIR`; .wrangler/state without it
//
// Reads lines `KEY BASE64` from stdin, and answers each with `KEY` when the record is there; a line with a key alone
// deletes. A running `wrangler dev` sees them at once. (`wrangler kv bulk put --local` takes base64 too, but stores
// the bytes as if they were UTF-8.) What the records are is functions/core/src/records.rs.

import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { getPlatformProxy } from "wrangler";

const folder = process.argv[2] ?? fileURLToPath(new URL("../../.wrangler/state", import.meta.url));
const { env, dispose } = await getPlatformProxy({
  configPath: fileURLToPath(new URL("../../wrangler.toml", import.meta.url)),
  persist: { path: join(folder, "v3") },
});

for await (const line of createInterface({ input: process.stdin })) {
  const [key, value] = line.split(" ");
  if (value === undefined) await env.RECORDS.delete(key);
  else await env.RECORDS.put(key, Uint8Array.from(Buffer.from(value, "base64")));
  console.log(key);
}
await dispose();
