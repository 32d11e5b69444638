// sharp (libvips): `{file, width, height, format, quality}`. One thread and no cache, so that each answer is the work of
// one core.
import { readFileSync } from "node:fs";
import sharp from "sharp";

sharp.concurrency(1);
sharp.cache(false);

const options = {
  png: () => ({}),
  webp: () => ({ lossless: true }),
  jpeg: (quality) => ({ quality }),
  avif: (quality) => ({ quality }),
};
const masters = new Map();

export const make = async ({ file, width, height, format, quality }) => {
  if (!masters.has(file)) masters.set(file, readFileSync(file));
  const picture = sharp(masters.get(file)).resize(width, height, { kernel: "lanczos3" });
  return { bytes: await picture.toFormat(format, options[format](quality)).toBuffer(), extension: format };
};
