// What the runtime calls: starts the module, hands requests to it, and replaces an instance that has died.
//
// An instance dies of a panic, of a full stack or of full memory. What was inside it then is lost, and its promises are
// never settled: left alone, the runtime would cut those requests off with an error page of its own. Here each of them
// learns of the death in its own context (another request's must not settle a promise) and is answered by the next
// instance, with a problem that core words. Nothing here knows what a request means.

import { AsyncLocalStorage } from "node:async_hooks";
import module from "./build/index_bg.wasm";
import * as app from "./build/index.js";

app.initSync({ module });

/** How to tell the request that the running code belongs to that it is lost. */
const visit = new AsyncLocalStorage();

/** Runs code of the instance, and puts a new one in its place should it die of it. */
function inside(step) {
  try {
    return step();
  } catch (error) {
    replace(error);
    throw error;
  }
}

function replace(error) {
  if (error instanceof WebAssembly.RuntimeError || error instanceof RangeError) app.__wbg_reset_state();
}

// Most code runs between two steps of a request, where nobody is there to catch: its death surfaces here.
addEventListener("error", ({ error }) => {
  replace(error);
  visit.getStore()?.(error);
});

// A request that was waiting while another's code killed the instance: what it waited for finds nobody to tell.
addEventListener("unhandledrejection", ({ reason }) => visit.getStore()?.(reason));

export default {
  async fetch(request, env, context) {
    try {
      return await new Promise((resolve, lose) => {
        visit.run(lose, () => inside(() => app.fetch(request, env, context)).then(resolve, lose));
      });
    } catch (error) {
      console.error(error);
      return inside(() => app.lost(request));
    }
  },
};
