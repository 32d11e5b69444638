// takumi as it runs in isolates: the traits of a card.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import init, { Renderer } from "@takumi-rs/wasm";
import { byTakumi } from "./card.mjs";

const module = createRequire(import.meta.url).resolve("@takumi-rs/wasm/takumi_wasm_bg.wasm");
await init({ module_or_path: readFileSync(module) });

export const make = await byTakumi(new Renderer());
