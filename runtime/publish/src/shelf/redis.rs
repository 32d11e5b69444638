//! Redis, as Spin's key-value provider uses it: a record lies under its own key, as a string.

use redis::{AsyncCommands as _, Client, aio::MultiplexedConnection};

use crate::{error::PlaceError, http::RECORD_BYTES};

/// A connection to a Redis.
#[derive(Debug, Clone)]
pub struct Redis {
    url: String,
    connection: MultiplexedConnection,
}

impl Redis {
    /// Connects to `redis://HOST:PORT/DB`.
    pub(crate) async fn open(url: &str) -> Result<Self, PlaceError> {
        let failed = |why: redis::RedisError| fault(url, &why);
        let client = Client::open(url).map_err(failed)?;
        let connection = client.get_multiplexed_async_connection().await.map_err(failed)?;
        Ok(Self { url: url.into(), connection })
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PlaceError> {
        // One byte more than a record may have tells that it is longer, and a value of any length costs no more than that.
        let end = isize::try_from(RECORD_BYTES).unwrap_or(isize::MAX);
        let value: Vec<u8> =
            self.connection.clone().getrange(key, 0, end).await.map_err(|why| fault(&self.url, &why))?;
        if value.len() > RECORD_BYTES {
            let why = format!("it holds more than {RECORD_BYTES} bytes, so it is no record");
            return Err(PlaceError::Malformed { at: key.into(), why });
        }
        // A key that is not there reads as an empty string, and no record is empty.
        Ok((!value.is_empty()).then_some(value))
    }

    pub(crate) async fn put(&self, key: &str, value: &[u8]) -> Result<(), PlaceError> {
        self.connection.clone().set(key, value).await.map_err(|why| fault(&self.url, &why))
    }
}

/// A URL may hold a password, so what stands before the host is left out.
fn fault(url: &str, why: &redis::RedisError) -> PlaceError {
    let host = url.rsplit_once('@').map_or(url, |(_, host)| host);
    PlaceError::Unreachable { at: host.into(), why: why.to_string() }
}
