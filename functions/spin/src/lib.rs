//! The Spin adapter: core's [`Platform`](iridule_edge::platform::Platform) on `spin:key-value` and `spin:variables`.
//!
//! `platform.rs` is that trait, `reply.rs` hands a finished reply to the host, and this file joins them to core's
//! `serve`. Nothing here knows of routes, pictures or headers: what a request means is core's to say. This is the only
//! crate that names `spin_sdk`; its manifest is `spin.toml` at the workspace root.
//!
//! The crate is a component for `wasm32-wasip2`. For any other target it is empty, so that workspace-wide commands
//! pass over it.

#![cfg(target_os = "wasi")]

mod platform;
mod reply;

use std::sync::{Arc, OnceLock};

use iridule_edge::{
    fault::{Defect, Fault},
    isolate::Isolate,
    serve::serve,
    settings::{NAMES, Settings},
};
use spin_sdk::{
    http::Request,
    http_service,
    variables::{self, Error},
    wasip3::http::types::{ErrorCode, Response},
};

use crate::platform::Visit;

/// What this instance remembers. A host that reuses instances, as ours does, finds it warm.
static ISOLATE: OnceLock<Arc<Isolate>> = OnceLock::new();

#[http_service]
async fn handle(request: Request) -> Result<Response, ErrorCode> {
    let visit = Visit::default();
    let response = match isolate().await {
        Ok(isolate) => serve(isolate, &visit, &request).await,
        Err(why) => {
            platform::say("error", format_args!("settings: {why}"));
            let defect = Defect::Host(why);
            iridule_edge::reply::reply(&request, Err(Fault::from(defect)), 0)
        }
    };
    reply::send(response, visit)
}

/// The isolate's memory, made at the instance's first request. Settings that do not parse are read again at the next.
async fn isolate() -> Result<&'static Arc<Isolate>, String> {
    if let Some(isolate) = ISOLATE.get() {
        return Ok(isolate);
    }
    let mut values = Vec::with_capacity(NAMES.len());
    for name in NAMES {
        match variables::get(name).await {
            Ok(value) => values.push((name, value)),
            Err(Error::Undefined(_)) => {}
            Err(why) => return Err(format!("{name}: {why}")),
        }
    }
    let settings = Settings::parse(|name| {
        values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    })?;
    Ok(ISOLATE.get_or_init(|| Arc::new(Isolate::new(settings))))
}
