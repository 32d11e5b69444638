// takumi, native: the traits of a card.
import { Renderer } from "@takumi-rs/core";
import { bold, forTakumi, regular, size } from "./card.mjs";

const renderer = new Renderer();
await renderer.registerFont({ name: "Space Grotesk", data: regular, weight: 400 });
await renderer.registerFont({ name: "Space Grotesk", data: bold, weight: 700 });

export const make = async (traits) => ({
  bytes: await renderer.render(forTakumi(traits), { ...size, format: "png" }),
  extension: "png",
});
