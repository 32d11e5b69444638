// takumi, native: the traits of a card.
import { Renderer } from "@takumi-rs/core";
import { byTakumi } from "./card.mjs";

export const make = await byTakumi(new Renderer());
