//! The address of a place where records are published, as it is written on a command line.

use std::{fmt, path::PathBuf, str::FromStr};

/// Where a place is, as it is written on a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `http://HOST:PORT`: a PoP's write API.
    Pop(String),
    /// `kv:ACCOUNT/NAMESPACE`: Workers KV, by the ids that Cloudflare gives them.
    Kv {
        /// The account's id.
        account: String,
        /// The namespace's id.
        namespace: String,
    },
    /// `wrangler:HOST:PORT`: the KV namespace `RECORDS` of a running `wrangler dev`.
    Wrangler(String),
    /// `redis://HOST:PORT/DB`.
    Redis(String),
    /// `file:FOLDER`: a file for each record.
    Folder(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let id = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match text.split_once(':') {
            Some(("http" | "https", _)) => Ok(Self::Pop(text.trim_end_matches('/').into())),
            Some(("redis", _)) => Ok(Self::Redis(text.into())),
            Some(("wrangler", host)) if !host.is_empty() => Ok(Self::Wrangler(host.into())),
            Some(("file", folder)) if !folder.is_empty() => Ok(Self::Folder(folder.into())),
            Some(("kv", ids)) => match ids.split_once('/') {
                Some((account, namespace)) if id(account) && id(namespace) => {
                    Ok(Self::Kv { account: account.into(), namespace: namespace.into() })
                }
                _ => Err("write kv:ACCOUNT/NAMESPACE, with the ids of both".into()),
            },
            _ => Err("a place is http://HOST:PORT (a PoP's write API), kv:ACCOUNT/NAMESPACE, \
                      wrangler:HOST:PORT, redis://HOST:PORT/DB or file:FOLDER"
                .into()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pop(url) | Self::Redis(url) => f.write_str(url),
            Self::Kv { account, namespace } => write!(f, "kv:{account}/{namespace}"),
            Self::Wrangler(host) => write!(f, "wrangler:{host}"),
            Self::Folder(folder) => write!(f, "file:{}", folder.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_kind_of_place_it_is() {
        let account = || "0a1b".to_owned();
        for (text, address) in [
            ("http://127.0.0.1:3001/", Address::Pop("http://127.0.0.1:3001".into())),
            ("kv:0a1b/0a1b", Address::Kv { account: account(), namespace: account() }),
            ("wrangler:127.0.0.1:8787", Address::Wrangler("127.0.0.1:8787".into())),
            ("file:records/here", Address::Folder("records/here".into())),
            ("redis://127.0.0.1:6379/2", Address::Redis("redis://127.0.0.1:6379/2".into())),
        ] {
            assert_eq!(text.parse(), Ok(address));
        }
        for bad in ["", "127.0.0.1:3001", "kv:a", "kv:a/", "kv:a/b/../c", "ftp://x", "wrangler:"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
