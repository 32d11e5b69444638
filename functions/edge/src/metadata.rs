//! Documents about tokens and collections: ERC-721 metadata, and the list of collections.

use alloc::{
    borrow::Cow,
    format,
    string::{String, ToString},
    vec::Vec,
};

use alloy_primitives::U256;
use http::{Request, header, uri::Authority};
use serde::Serialize;

use crate::{
    fault::{Defect, Refused},
    route::STYLE,
    settings::Settings,
};
use iridule_records::{
    collection::Collection,
    gauge::{Band, Gauge, State},
    seed::Seed,
    token::{RecordedValue, TokenRecord},
};
use iridule_style::{manifest::Manifest, style::Style, traits::TraitValue};

/// ERC-721 metadata with the fields that OpenSea documents.
#[derive(Serialize)]
struct Metadata<'a> {
    name: Cow<'a, str>,
    description: &'a str,
    image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    background_color: Option<String>,
    attributes: Vec<Attribute<'a>>,
}

#[derive(Serialize)]
struct Attribute<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    display_type: Option<&'static str>,
    trait_type: &'a str,
    value: Value,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    Integer(i64),
    Number(f64),
}

/// The metadata of a token in a state; `image` is the pinned URL of that state. What a relay recorded of it goes before
/// what the collection says.
///
/// # Errors
/// [`Defect::Style`], when a trait's expression fails on this token.
pub fn token(
    base: &str,
    collection: &Collection,
    style: &Style,
    number: U256,
    seed: &Seed,
    state: &State,
    recorded: Option<&TokenRecord>,
) -> Result<Vec<u8>, Defect> {
    let drawn = style.traits(seed)?;
    let traits = style.manifest.traits.iter().zip(drawn.values).filter_map(|(t, value)| {
        let label = t.label.as_deref()?;
        let (display_type, value) = match value {
            TraitValue::Float(v) => (Some("number"), Value::Number(libm::round(v * 1e4) / 1e4)),
            TraitValue::Integer(v) => (Some("number"), Value::Integer(v)),
            TraitValue::Choice { text: v, .. }
            | TraitValue::Palette { name: v, .. }
            | TraitValue::Text(v) => (None, Value::Text(v)),
            TraitValue::Colour(v) => (None, Value::Text(v.to_string())),
        };
        Some(Attribute { display_type, trait_type: label, value })
    });
    let gauges = style.manifest.gauges.iter().zip(&state.0).map(|(gauge, band)| Attribute {
        display_type: None,
        trait_type: &gauge.label,
        value: Value::Text(band_text(gauge, *band)),
    });
    let told = recorded.iter().flat_map(|record| &record.attributes).map(|told| match &told.value {
        RecordedValue::Text(text) => {
            Attribute { display_type: None, trait_type: &told.trait_type, value: Value::Text(text.clone()) }
        }
        RecordedValue::Number(number) => Attribute {
            display_type: Some("number"),
            trait_type: &told.trait_type,
            value: Value::Number(*number),
        },
    });
    let document = Metadata {
        name: match recorded.and_then(|record| record.name.as_deref()) {
            Some(name) => name.into(),
            None => format!("{} #{number}", collection.name).into(),
        },
        description: recorded
            .and_then(|record| record.description.as_deref())
            .unwrap_or(&collection.description),
        image: format!("{base}/t/{}/{number}@{state}.png?{STYLE}={}", collection.slug, style.cid),
        background_color: style
            .manifest
            .canvas
            .background
            .map(|c| c.to_string().trim_start_matches('#').to_string()),
        attributes: told.chain(traits).chain(gauges).collect(),
    };
    to_json(&document, style)
}

/// A band as collectors read it: its name, or the values it stands for.
fn band_text(gauge: &Gauge, band: Band) -> String {
    let quantiser = &gauge.quantiser;
    let place = usize::try_from(i32::from(band) - i32::from(quantiser.low));
    if let Some(name) = place.ok().and_then(|place| gauge.names.get(place)) {
        return name.clone();
    }
    let (low, high) = quantiser.edges(band);
    match (band == quantiser.low || low.is_infinite(), band == quantiser.high || high.is_infinite()) {
        (true, true) => "any".into(),
        (true, false) => format!("below {}", short(high)),
        (false, true) => format!("{} and above", short(low)),
        (false, false) => format!("{} – {}", short(low), short(high)),
    }
}

/// A number with as many decimals as a reader needs.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.6}"),
    }
}

/// A collection as `GET /t` lists it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    slug: &'a str,
    name: &'a str,
    description: &'a str,
    first: u64,
    supply: u64,
    chain_id: u64,
    contract: String,
    style: String,
    gauges: Vec<ListedGauge<'a>>,
}

/// A gauge with the identity that snapshots carry it under: all that a relay needs to know.
#[derive(Serialize)]
struct ListedGauge<'a> {
    id: String,
    #[serde(flatten)]
    gauge: &'a Gauge,
}

/// The list of collections, each with its style's manifest.
///
/// # Errors
/// [`Defect::Record`], should a gauge not be expressible in JSON.
pub fn collections<'a>(
    listed: impl Iterator<Item = (&'a Collection, &'a Manifest)>,
) -> Result<Vec<u8>, Defect> {
    let rows: Vec<Listed<'_>> = listed
        .map(|(collection, manifest)| Listed {
            slug: &collection.slug,
            name: &collection.name,
            description: &collection.description,
            first: collection.first,
            supply: collection.supply,
            chain_id: collection.chain_id,
            contract: collection.contract.to_string(),
            style: collection.style.to_string(),
            gauges: manifest.gauges.iter().map(|gauge| ListedGauge { id: gauge.id(), gauge }).collect(),
        })
        .collect();
    serde_json::to_vec(&rows).map_err(|e| Defect::Record { key: "collections".into(), why: e.to_string() })
}

fn to_json(document: &impl Serialize, style: &Style) -> Result<Vec<u8>, Defect> {
    serde_json::to_vec(document)
        .map_err(|e| Defect::Style { style: style.cid.to_string(), why: e.to_string() })
}

/// The scheme and host that documents name pictures under: the operator's, or those of the request.
///
/// # Errors
/// [`Refused::NoHost`] for a request without a host, or with more than one.
pub fn base<B>(settings: &Settings, request: &Request<B>) -> Result<String, Refused> {
    if let Some(url) = &settings.public_url {
        return Ok(url.clone());
    }
    let mut lines = request.headers().get_all(header::HOST).iter();
    let host = match (request.uri().authority(), lines.next(), lines.next()) {
        (Some(authority), ..) => Some(authority.clone()),
        (None, Some(host), None) => host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()),
        _ => None,
    };
    let scheme = request.uri().scheme_str().unwrap_or("http");
    host.map(|host| format!("{scheme}://{host}")).ok_or(Refused::NoHost)
}
