// sharp as a process: a line of JSON in ({file, width, height, format, quality}), a line out ({ms, out}).
// One thread and no cache, so that each answer is the work of one core.
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import sharp from "sharp";

sharp.concurrency(1);
sharp.cache(false);

const options = {
  png: () => ({}),
  webp: () => ({ lossless: true }),
  jpeg: (quality) => ({ quality }),
};
const masters = new Map();

for await (const line of createInterface({ input: process.stdin })) {
  const { file, width, height, format, quality } = JSON.parse(line);
  if (!masters.has(file)) masters.set(file, readFileSync(file));
  const started = performance.now();
  const picture = sharp(masters.get(file)).resize(width, height, { kernel: "lanczos3" });
  const bytes = await picture.toFormat(format, options[format](quality)).toBuffer();
  const ms = performance.now() - started;
  const out = `${file}.${width}.${format}`;
  writeFileSync(out, bytes);
  console.log(JSON.stringify({ ms, out }));
}
