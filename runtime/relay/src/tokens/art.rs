//! What a contract says of a token: metadata and picture, both inside a data URI (RFC 2397).
//!
//! Pure. Bounded by the answer's length, which `rpc.rs` bounds.

use base64::{Engine as _, engine::GeneralPurposeConfig, engine::general_purpose::GeneralPurpose};
use iridule_records::{
    limits,
    token::{RecordedAttribute, RecordedValue},
};
use serde_json::Value;

/// Standard base64 that does not insist on padding: contracts write it both ways.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);

/// What a contract says of a token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Art {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) attributes: Vec<RecordedAttribute>,
    /// The picture: an SVG document.
    pub(crate) svg: String,
}

impl Art {
    /// Reads what `tokenURI` (ERC-721) or `uri` (ERC-1155) gave.
    ///
    /// # Errors
    /// A sentence: what it is instead.
    pub(crate) fn read(uri: &str, token: u64) -> Result<Self, String> {
        // ERC-1155: clients put the number in, 64 hexadecimal digits in lower case.
        let uri = uri.replace("{id}", &format!("{token:064x}"));
        let (kind, body) = data(&uri).ok_or("its metadata is not on the chain: no data URI")?;
        if kind != "application/json" {
            return Err(format!("its metadata is {kind:?}, not application/json"));
        }
        let json = body.json()?;
        let text = |name: &str| json.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let image =
            ["image", "image_data", "svg_image_data"].into_iter().find_map(text).ok_or("it has no image")?;
        let svg = match data(image) {
            Some((kind, body)) if kind == "image/svg+xml" => {
                let bytes = body.bytes().ok_or("its image is no base64")?;
                String::from_utf8(bytes).map_err(|_| "its image is not UTF-8")?
            }
            Some((kind, _)) => return Err(format!("its image is {kind:?}; SVG is mirrored")),
            None if image.trim_start().starts_with('<') => image.to_owned(),
            None => return Err("its image is not on the chain: no data URI".into()),
        };
        let most = limits::SVG_BYTES as usize;
        if svg.len() > most {
            return Err(format!("its image has {} bytes, at most {most}", svg.len()));
        }
        let attributes = json.get("attributes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        Ok(Self {
            name: text("name").map(|name| cut(name, limits::TOKEN_NAME_BYTES)),
            description: text("description").map(|text| cut(text, limits::TEXT_BYTES)),
            attributes: attributes.iter().filter_map(attribute).take(limits::TOKEN_ATTRIBUTES).collect(),
            svg,
        })
    }
}

/// An attribute as marketplaces read it; none for what they pass over too.
fn attribute(value: &Value) -> Option<RecordedAttribute> {
    let trait_type = cut(value.get("trait_type")?.as_str()?, limits::TOKEN_NAME_BYTES);
    let value = match value.get("value")? {
        Value::Number(number) => RecordedValue::Number(number.as_f64()?),
        Value::String(text) => RecordedValue::Text(cut(text, limits::TEXT_BYTES)),
        Value::Bool(truth) => RecordedValue::Text(truth.to_string()),
        _ => return None,
    };
    Some(RecordedAttribute { trait_type, value })
}

/// The first so many bytes of a text, in whole characters.
fn cut(text: &str, most: usize) -> String {
    text[..text.floor_char_boundary(most)].to_owned()
}

/// The media type, without parameters and in lower case, and the body of a data URI.
fn data(uri: &str) -> Option<(String, Body<'_>)> {
    let (head, body) = uri.trim().strip_prefix("data:")?.split_once(',')?;
    let mut words = head.split(';').map(|word| word.trim().to_ascii_lowercase());
    let kind = words.next().unwrap_or_default();
    let body = if words.any(|word| word == "base64") { Body::Base64(body) } else { Body::Text(body) };
    Some((kind, body))
}

/// The body of a data URI.
enum Body<'a> {
    Base64(&'a str),
    Text(&'a str),
}

impl Body<'_> {
    /// Its bytes. A `%` that two hexadecimal digits do not follow is itself, as the URL standard has it: contracts write
    /// `width="100%"`.
    fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Base64(body) => {
                let body = percent_encoding::percent_decode_str(body);
                let body: Vec<u8> = body.filter(|byte| !byte.is_ascii_whitespace()).collect();
                BASE64.decode(body).ok()
            }
            Self::Text(body) => Some(percent_encoding::percent_decode_str(body).collect()),
        }
    }

    /// The JSON in it. Contracts also write it as it is, with escapes that are meant for a URI inside.
    fn json(&self) -> Result<Value, String> {
        if let Self::Text(body) = self
            && let Ok(json) = serde_json::from_str(body)
        {
            return Ok(json);
        }
        let bytes = self.bytes().ok_or("its metadata is no base64")?;
        serde_json::from_slice(&bytes).map_err(|why| format!("its metadata is no JSON: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SVG: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="100%"><rect fill="#fff"/></svg>"##;

    fn json(image: &str) -> String {
        serde_json::json!({
            "name": "Nº 7", "description": "d", "image": image,
            "attributes": [
                {"trait_type": "Sky", "value": "red"}, {"trait_type": "Age", "value": 7}, {"value": "x"}, 3,
                {"trait_type": "Rare", "value": true},
            ],
        })
        .to_string()
    }

    #[test]
    fn every_way_that_contracts_write_it_is_read() {
        let padded = base64::prelude::BASE64_STANDARD.encode(SVG);
        let escaped: String = SVG.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for image in [
            format!("data:image/svg+xml;base64,{padded}"),
            format!("data:image/svg+xml;base64,{}", padded.trim_end_matches('=')),
            format!("data:image/svg+xml;utf8,{SVG}"),
            format!("data:image/svg+xml;charset=utf-8,{escaped}"),
            format!("data:image/SVG+xml,{SVG}"),
            SVG.to_owned(),
        ] {
            let json = json(&image);
            for uri in [
                format!("data:application/json;base64,{}", base64::prelude::BASE64_STANDARD.encode(&json)),
                format!("data:application/json;utf8,{json}"),
            ] {
                let Ok(art) = Art::read(&uri, 7) else { panic!("{uri}") };
                assert_eq!((art.name.as_deref(), art.svg.as_str()), (Some("Nº 7"), SVG), "{uri}");
                assert_eq!(art.attributes.len(), 3);
                assert_eq!(art.attributes[1].value, RecordedValue::Number(7.0));
            }
        }
    }

    #[test]
    fn what_is_elsewhere_or_something_else_says_so() {
        for (uri, why) in [
            ("ipfs://x/{id}", "not on the chain"),
            ("data:text/plain,x", "not application/json"),
            ("data:application/json,x", "no JSON"),
            ("data:application/json,{}", "no image"),
            (r#"data:application/json,{"image":"https://x/1.png"}"#, "not on the chain"),
            (r#"data:application/json,{"image":"data:image/png;base64,AAAA"}"#, "SVG is mirrored"),
        ] {
            assert!(Art::read(uri, 7).unwrap_err().contains(why), "{uri}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in ".{0,200}") {
            let _ = Art::read(&text, 1);
            let _ = Art::read(&format!("data:application/json,{text}"), 1);
            let _ = Art::read(&json(&format!("data:image/svg+xml,{text}")), 1);
        }
    }
}
