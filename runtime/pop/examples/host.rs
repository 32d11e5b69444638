//! The host around any component that exports `wasi:http/handler@0.3.0`, without a cache before it:
//! `cargo run --release -p iridule-pop --example host -- COMPONENT ADDRESS`.

use std::{env, fs, future, net::SocketAddr};

use iridule_pop::{Config, Pop};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = env::args().skip(1);
    let (Some(component), Some(address)) = (words.next(), words.next()) else {
        return Err("usage: host COMPONENT ADDRESS".into());
    };
    let data = tempfile::tempdir()?;
    let mut config = Config::new(fs::read(component)?, data.path());
    config.listen = address.parse()?;
    config.admin = SocketAddr::from(([127, 0, 0, 1], 0));
    config.cache = None;
    let pop = Pop::start(config).await?;
    eprintln!("serves on http://{}", pop.address());
    future::pending().await
}
