// A browser that is started for each picture: `{source, uniform, width, height}`.
import { launch, shoot } from "./browser.mjs";

export const make = async (asked) => {
  const browser = await launch();
  try {
    return await shoot(browser, asked);
  } finally {
    await browser.close();
  }
};
