// satori with resvg-wasm: the traits of a card.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Resvg, initWasm } from "@resvg/resvg-wasm";
import satori from "satori";
import { bold, forSatori, regular, size } from "./card.mjs";

await initWasm(readFileSync(createRequire(import.meta.url).resolve("@resvg/resvg-wasm/index_bg.wasm")));
const fonts = [
  { name: "Space Grotesk", data: regular, weight: 400, style: "normal" },
  { name: "Space Grotesk", data: bold, weight: 700, style: "normal" },
];

export const make = async (traits) => {
  const picture = new Resvg(await satori(forSatori(traits), { ...size, fonts })).render();
  const bytes = picture.asPng();
  picture.free();
  return { bytes, extension: "png" };
};
