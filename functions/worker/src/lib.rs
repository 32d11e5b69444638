//! The Cloudflare Workers adapter: core's [`Platform`](iridule_edge::platform::Platform) on Workers KV and the Cache
//! API.
//!
//! `platform.rs` is that trait, `exchange.rs` turns the runtime's requests and replies into core's and back, and this
//! file joins them to core's `serve`. Nothing here knows of routes, pictures or headers: what a request means is core's
//! to say. This is the only crate that names `worker`; its manifest is `wrangler.toml` at the workspace root, and
//! `entry.js` beside this folder is what the runtime calls.
//!
//! The crate is a module for `wasm32-unknown-unknown`. For any other target it is empty, so that workspace-wide
//! commands pass over it.

#![cfg(all(target_arch = "wasm32", target_os = "unknown"))]

mod exchange;
mod platform;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{Request, Response};
use iridule_edge::{
    fault::{Defect, Fault, Refused},
    isolate::Isolate,
    reply::reply,
    serve::serve,
    settings::{NAMES, Settings},
};
use worker::{
    Context, Env, Error, console_error, event,
    js_sys::{JsString, Reflect},
    wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen},
    web_sys,
};

use crate::platform::Visit;

/// What this isolate remembers from one request to the next.
static ISOLATE: OnceLock<Arc<Isolate>> = OnceLock::new();

#[event(fetch)]
async fn fetch(request: web_sys::Request, env: Env, context: Context) -> Result<web_sys::Response, Error> {
    exchange::outward(&answer(&request, env, context).await)
}

async fn answer(request: &web_sys::Request, env: Env, context: Context) -> Response<Bytes> {
    let request = match exchange::inward(request) {
        Ok(request) => request,
        // An address that does not read as one is an address of nothing here.
        Err(_) => return fault(&Request::new(()), Refused::UnknownPath),
    };
    match isolate(&env) {
        Ok(isolate) => serve(isolate, &Visit::new(env, context), &request).await,
        Err(why) => {
            console_error!("settings: {why}");
            fault(&request, Defect::Host(why))
        }
    }
}

/// The answer to a request that was in an instance when it died. `entry.js` asks the next instance for it.
///
/// # Errors
/// When the runtime does not take the reply.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
pub fn lost(request: &web_sys::Request) -> Result<web_sys::Response, JsValue> {
    let request = exchange::inward(request).unwrap_or_default();
    let defect = Defect::Host("the instance died".into());
    exchange::outward(&fault(&request, defect)).map_err(JsValue::from)
}

fn fault(request: &Request<()>, fault: impl Into<Fault>) -> Response<Bytes> {
    reply(request, Err(fault.into()), 0)
}

/// The isolate's memory, made at its first request. Settings that do not parse are read again at the next.
fn isolate(env: &Env) -> Result<&'static Arc<Isolate>, String> {
    if let Some(isolate) = ISOLATE.get() {
        return Ok(isolate);
    }
    let mut values = Vec::with_capacity(NAMES.len());
    for name in NAMES {
        let value = Reflect::get(env, &name.into()).unwrap_or_default();
        if !value.is_undefined() {
            let text = value.dyn_into::<JsString>().map_err(|_| format!("{name}: write it as a text"))?;
            values.push((name, String::from(text)));
        }
    }
    let settings = Settings::parse(|name| {
        values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    })?;
    Ok(ISOLATE.get_or_init(|| Arc::new(Isolate::new(settings))))
}
