//! Core and the painter in this very process.

use std::sync::Arc;

use http::Request;
use iridule_edge::{isolate::Isolate, platform::block_on, serve::serve, settings::Settings};
use iridule_records::record_keys;
use iridule_testkit::InProcess;

use super::{Answer, Host};
use crate::{
    script::Ask,
    world::{PUBLIC_URL, World},
};

pub struct Native {
    platform: InProcess,
    isolate: Arc<Isolate>,
}

impl Native {
    pub fn new(world: &World) -> Self {
        let settings = Settings::parse(|name| match name {
            "trusted_keys" => Some(world.trusted_keys()),
            "publisher_keys" => Some(world.publisher_keys()),
            "public_url" => Some(PUBLIC_URL.into()),
            _ => None,
        });
        let platform = InProcess::new(world.records());
        Self { platform, isolate: Arc::new(Isolate::new(settings.unwrap())) }
    }
}

impl Host for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn publish_snapshot(&mut self, signed: Vec<u8>, _good: bool) {
        self.platform.publish(record_keys::SNAPSHOT.into(), signed);
    }

    fn ask(&mut self, ask: &Ask) -> Answer {
        let mut request = Request::builder().method(&*ask.method).uri(&ask.path);
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        let response = block_on(serve(&self.isolate, &self.platform, &request.body(()).unwrap()));
        let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: response.into_body().into(),
        }
    }
}
