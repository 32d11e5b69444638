// A browser that runs already, and a new tab for each picture: `{source, uniform, width, height}`.
import { launch, shoot } from "./browser.mjs";

const browser = await launch();

export const make = (asked) => shoot(browser, asked);
export const stop = () => browser.close();
