// A peer as a process: `node peer.mjs NAME`. A line of JSON in, a line out: `{ms, out}`, how long it took and where the
// picture lies. What is measured is the peer's own work, with its fonts and its code loaded; not this process's start.
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [name, folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error("usage: node peer.mjs NAME FOLDER, where NAME is a file beside this one");
  process.exit(2);
}
const { make, stop } = await import(`./${name}.mjs`);
console.log(JSON.stringify({ ready: name }));
let number = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  const started = performance.now();
  const { bytes, extension } = await make(asked);
  const ms = performance.now() - started;
  const out = `${folder}/${name}-${number++ % 4}.${extension}`;
  writeFileSync(out, bytes);
  console.log(JSON.stringify({ ms, out }));
}
await stop?.();
