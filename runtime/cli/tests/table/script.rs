//! The table as data: acts, each with what is published and what is asked.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    #[serde(rename = "act")]
    pub acts: Vec<Act>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    pub title: String,
    pub snapshot: Option<Published>,
    #[serde(rename = "ask", default)]
    pub asks: Vec<Ask>,
    sheet: Option<Sheet>,
}

/// The same picture of many tokens: an ask for each.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sheet {
    collections: Vec<String>,
    tokens: Vec<u64>,
    query: String,
}

impl Sheet {
    fn asks(&self) -> impl Iterator<Item = Ask> {
        let tokens = |slug| self.tokens.iter().map(move |token| (slug, token));
        self.collections.iter().flat_map(tokens).map(|(slug, token)| Ask {
            name: format!("{slug} {token}"),
            method: get(),
            path: format!("/t/{slug}/{token}.png?{}", self.query),
            headers: BTreeMap::new(),
            etag: None,
            found: None,
        })
    }
}

/// A snapshot: feeds to set, or a way to be bad.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Published {
    Values(BTreeMap<String, f64>),
    Bad(Bad),
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub enum Bad {
    Torn,
    Stranger,
    Older,
    Expired,
}

impl Published {
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Values(_))
    }
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    pub name: String,
    #[serde(default = "get")]
    pub method: String,
    pub path: String,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The ask whose ETag goes into `If-None-Match`.
    pub etag: Option<String>,
    pub found: Option<String>,
}

fn get() -> String {
    "GET".into()
}

impl Script {
    pub fn read() -> Self {
        let mut script: Self = toml::from_str(include_str!("table.toml")).unwrap();
        for act in &mut script.acts {
            act.asks.extend(act.sheet.iter().flat_map(Sheet::asks));
        }
        script
    }
}
