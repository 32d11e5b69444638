//! The settings of an edge, by the same names on every host: Spin variables, Worker vars.

use alloc::{
    format,
    string::{String, ToString},
};

use http::Uri;

use crate::signed::TrustedKeys;

/// The settings there are. `wrangler.toml` and `spin.toml` list exactly these.
pub const NAMES: [&str; 4] = ["public_url", "trusted_keys", "publisher_keys", "refresh_ms"];

/// What an operator has set.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `public_url`: the scheme and host that metadata names pictures under, e.g. `https://img.example`. When empty,
    /// those of the request.
    pub public_url: Option<String>,
    /// `trusted_keys`: the relays' public keys, 64 hexadecimal digits each, separated by commas.
    pub trusted_keys: TrustedKeys,
    /// `publisher_keys`: the public keys of those who may publish collections, written likewise.
    pub publisher_keys: TrustedKeys,
    /// `refresh_ms`: for how long an isolate uses a record before it reads it again, 0 to 3,600,000 milliseconds.
    /// 0 reads it at every request, which is right where reading is cheap.
    pub refresh_ms: u64,
}

impl Settings {
    /// Reads the settings by name; an unset one is `None` or empty.
    ///
    /// # Errors
    /// A sentence that names the setting at fault.
    pub fn parse(get: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let get = |name| get(name).map(|value| value.trim().to_string()).filter(|value| !value.is_empty());
        let public_url = get("public_url").map(|url| check_url(&url)).transpose()?;
        let keys =
            |name| TrustedKeys::parse(&get(name).unwrap_or_default()).map_err(|why| format!("{name}: {why}"));
        let (trusted_keys, publisher_keys) = (keys("trusted_keys")?, keys("publisher_keys")?);
        let refresh_ms = match get("refresh_ms") {
            None => 0,
            Some(text) => text
                .parse()
                .ok()
                .filter(|ms| *ms <= 3_600_000)
                .ok_or_else(|| format!("refresh_ms: {text:?} is no number from 0 to 3600000"))?,
        };
        Ok(Self { public_url, trusted_keys, publisher_keys, refresh_ms })
    }
}

fn check_url(text: &str) -> Result<String, String> {
    let bad = || format!("public_url: {text:?} is no http or https address with nothing behind the host");
    let uri: Uri = text.parse().map_err(|_| bad())?;
    match (uri.scheme_str(), uri.authority(), uri.path(), uri.query()) {
        (Some(scheme @ ("http" | "https")), Some(host), "" | "/", None) => Ok(format!("{scheme}://{host}")),
        _ => Err(bad()),
    }
}
