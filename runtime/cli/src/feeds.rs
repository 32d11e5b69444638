//! `FEED=VALUE` on the command line.

use iridule_records::gauge::is_feed;

/// One feed's value.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The feed, e.g. `eth-usd`.
    pub feed: String,
    /// Its value, a finite number.
    pub value: f64,
}

impl std::str::FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (feed, value) = text.split_once('=').ok_or("write FEED=VALUE, e.g. eth-usd=2345.67")?;
        if !is_feed(feed) {
            return Err(format!("{feed:?} is no feed name: a-z, 0-9 and -"));
        }
        let value: f64 = value.parse().map_err(|_| format!("{value:?} is no number"))?;
        if !value.is_finite() {
            return Err("a value is a finite number".into());
        }
        Ok(Self { feed: feed.into(), value })
    }
}
