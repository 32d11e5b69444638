// takumi as it runs in isolates: the traits of a card.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import init, { Renderer } from "@takumi-rs/wasm";
import { bold, forTakumi, regular, size } from "./card.mjs";

const module = createRequire(import.meta.url).resolve("@takumi-rs/wasm/takumi_wasm_bg.wasm");
await init({ module_or_path: readFileSync(module) });
const renderer = new Renderer();
await renderer.registerFont({ name: "Space Grotesk", data: regular, weight: 400 });
await renderer.registerFont({ name: "Space Grotesk", data: bold, weight: 700 });

export const make = async (traits) => ({
  bytes: await renderer.render(forTakumi(traits), { ...size, format: "png" }),
  extension: "png",
});
