// The card of benches/work/card for takumi and for satori: absolutely placed boxes, so that nobody's layout decides.
import { readFileSync } from "node:fs";

const fonts = new URL("../../shaders-cpu/raster/fonts/", import.meta.url);
export const regular = readFileSync(new URL("SpaceGrotesk-Regular.ttf", fonts));
export const bold = readFileSync(new URL("SpaceGrotesk-Bold.ttf", fonts));
export const size = { width: 512, height: 512 };

const box = (left, top, width, height, style) => ({
  style: { position: "absolute", left, top, width, height, ...style },
});
const text = (left, top, size, color, words, weight = 400) => ({
  words,
  style: { position: "absolute", left, top, fontSize: size, lineHeight: 1, color, fontWeight: weight, whiteSpace: "nowrap" },
});

// What is painted, from the lowest up.
const parts = ({ level, score, streak, progress }) => [
  box(24, 24, 464, 464, { borderRadius: 28, backgroundColor: "rgba(255,255,255,0.08)", border: "2px solid rgba(255,255,255,0.25)", boxSizing: "border-box" }),
  box(56, 64, 96, 96, { borderRadius: 48, backgroundImage: "linear-gradient(180deg, #ffd166, #ef476f)" }),
  text(176, 72, 36, "#ffffff", "Night Market", 700),
  text(176, 120, 20, "#c9d2ff", `Level ${level}, member since 2021`),
  ...[["Score", score], ["Streak", streak], ["Level", level]].flatMap(([label, value], at) => [
    box(44 + 144 * at, 192, 136, 96, { borderRadius: 16, backgroundColor: "rgba(0,0,0,0.35)" }),
    text(60 + 144 * at, 208, 14, "#c9d2ff", label),
    text(60 + 144 * at, 236, 28, "#ffffff", String(value), 700),
  ]),
  box(44, 320, 424, 16, { borderRadius: 8, backgroundColor: "rgba(255,255,255,0.15)" }),
  box(44, 320, progress, 16, { borderRadius: 8, backgroundImage: "linear-gradient(90deg, #06d6a0, #118ab2)" }),
  ...["#ef476f", "#f78c6b", "#ffd166", "#83d483", "#06d6a0", "#0cb0a9", "#118ab2", "#073b4c"].map((backgroundColor, at) =>
    box(44 + 56 * at, 368, 32, 32, { borderRadius: 16, backgroundColor })),
  text(44, 436, 16, "#c9d2ff", "Painted where the request lands"),
];
const root = {
  position: "relative",
  display: "flex",
  width: 512,
  height: 512,
  backgroundImage: "linear-gradient(135deg, #1b2a4a, #5b2a6e)",
  fontFamily: "Space Grotesk",
};

const forTakumi = traits => ({
  type: "container",
  style: root,
  children: parts(traits).map(({ words, style }) =>
    words === undefined ? { type: "container", style } : { type: "text", text: words, style }),
});

export const forSatori = traits => ({
  type: "div",
  props: { style: root, children: parts(traits).map(({ words, style }) => ({ type: "div", props: { style, children: words } })) },
});

// How either renderer of takumi makes a card of its traits.
export const byTakumi = async (renderer) => {
  await renderer.registerFont({ name: "Space Grotesk", data: regular, weight: 400 });
  await renderer.registerFont({ name: "Space Grotesk", data: bold, weight: 700 });
  return async (traits) => ({
    bytes: await renderer.render(forTakumi(traits), { ...size, format: "png" }),
    extension: "png",
  });
};
