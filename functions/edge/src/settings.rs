//! The settings of an edge, by the same names on every host: Spin variables, Worker vars.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use alloy_primitives::hex;
use ed25519_dalek::SigningKey;
use http::Uri;

use crate::limits;
use iridule_origin_api::pool::Member;
use iridule_records::signed::TrustedKeys;

/// The settings there are. `spin.toml` lists exactly these, `wrangler.toml` those that are no secret: a Worker's secret must
/// not be a variable too.
pub const NAMES: [&str; 8] = [
    "public_url",
    "trusted_keys",
    "publisher_keys",
    "refresh_ms",
    "origins",
    "edge_key",
    "region",
    "patience_ms",
];

/// Those of them that are secret.
pub const SECRETS: [&str; 1] = ["edge_key"];

/// How long a visitor waits for an origin when nobody says, milliseconds.
const PATIENCE_MS: u64 = 300;

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
    /// `origins`: where renders go that are too dear for an edge (see [`Member::parse`]), separated by commas. None: they
    /// are refused.
    pub origins: Vec<Member>,
    /// `edge_key`: the secret key that orders to origins are signed with, 64 hexadecimal digits. Needed with `origins`.
    pub edge_key: Option<SigningKey>,
    /// `region`: where this edge is; origins of the same region are asked first.
    pub region: String,
    /// `patience_ms`: how long a visitor waits for an origin before something else is shown, 0 to 10,000 milliseconds.
    pub patience_ms: u64,
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
        let ms = |name, most: u64, otherwise| match get(name) {
            None => Ok(otherwise),
            Some(text) => text
                .parse()
                .ok()
                .filter(|ms| *ms <= most)
                .ok_or_else(|| format!("{name}: {text:?} is no number from 0 to {most}")),
        };
        let origins = Member::parse_list(&get("origins").unwrap_or_default());
        let origins = origins.map_err(|why| format!("origins: {why}"))?;
        let edge_key = get("edge_key").map(|text| parse_secret(&text)).transpose()?;
        if !origins.is_empty() && edge_key.is_none() {
            return Err("origins: they take signed orders only; set edge_key too".into());
        }
        Ok(Self {
            public_url,
            trusted_keys,
            publisher_keys,
            refresh_ms: ms("refresh_ms", 3_600_000, 0)?,
            origins,
            edge_key,
            region: get("region").unwrap_or_default(),
            patience_ms: ms("patience_ms", limits::PATIENCE_MS, PATIENCE_MS)?,
        })
    }
}

/// What is wrong with a secret is said without saying it.
fn parse_secret(text: &str) -> Result<SigningKey, String> {
    let bytes: Option<[u8; 32]> = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    let bytes = bytes.ok_or("edge_key: not 64 hexadecimal digits")?;
    Ok(SigningKey::from_bytes(&bytes))
}

fn check_url(text: &str) -> Result<String, String> {
    let bad = || format!("public_url: {text:?} is no http or https address with nothing behind the host");
    let uri: Uri = text.parse().map_err(|_| bad())?;
    match (uri.scheme_str(), uri.authority(), uri.path(), uri.query()) {
        (Some(scheme @ ("http" | "https")), Some(host), "" | "/", None) => Ok(format!("{scheme}://{host}")),
        _ => Err(bad()),
    }
}
