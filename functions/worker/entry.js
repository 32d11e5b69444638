// What the runtime calls: starts the module, hands requests to it, and replaces an instance that has died.
//
// A trap (a panic, or memory running out) leaves an instance in no state to go on, and surfaces outside of any request
// when it happens between two steps of one. So every request that is inside is noted here; when the instance dies, all
// of them are answered by the next one, with a problem that core words. Nothing here knows what a request means.

import module from "./build/index_bg.wasm";
import * as app from "./build/index.js";

app.initSync({ module });

/** The requests inside the instance: for each, how to tell it that the instance died. */
const inside = new Set();
let dead = false;

addEventListener("error", (event) => {
  if (event.error instanceof WebAssembly.RuntimeError) bury(event.error);
});

function bury(error) {
  dead = true;
  for (const lose of inside) lose(error);
  inside.clear();
}

/** An instance to work with: a new one, when the last has died. */
function alive() {
  if (dead) {
    app.__wbg_reset_state();
    dead = false;
  }
  return app;
}

export default {
  async fetch(request, env, context) {
    let lose;
    try {
      return await new Promise((resolve, reject) => {
        inside.add((lose = reject));
        alive().fetch(request, env, context).then(resolve, reject);
      });
    } catch (error) {
      console.error(error);
      if (error instanceof WebAssembly.RuntimeError && inside.has(lose)) bury(error);
      return alive().lost(request);
    } finally {
      inside.delete(lose);
    }
  },
};
