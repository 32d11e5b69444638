//! A stored response, and the form in which it lies on disk.
//!
//! The form is: a version, a kind, then by kind (all numbers big-endian)
//!
//! - response: status `u16`, asked, came and the wall clock then `u64` ms, part `first` and `total` `u64` (both 0 for none), fields, body to
//!   the end. Fields are a count `u16`, then each a name (`u16` length) and a value (`u32` length);
//! - variants: identity `u64`, names as fields without values;
//! - nothing: a mark that what lay here is gone.
//!
//! What does not read as that is not there; the store's checksums find what was torn or flipped.

use std::{
    io::{Read, Write},
    sync::{Arc, OnceLock},
};

use bytes::{Buf as _, BufMut as _, Bytes};
use foyer::{Code, Error, ErrorKind};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{
    clock::Tick,
    directives::Directives,
    freshness::{Freshness, Times},
    moment::Moment,
    range::Part,
    reply::Heads,
};

/// Changes when the form does.
const VERSION: u8 = 2;
/// Largest record that is read back, bytes.
const MOST: u64 = 64 << 20;

/// What lies under a key.
#[derive(Debug)]
pub(crate) enum Record {
    Response(Arc<Response>),
    /// Several responses, by these fields of the request.
    Variants(Variants),
    /// It was removed. Written, because what is only forgotten in memory is found again when the disk is read.
    Nothing,
}

/// A response as it is kept.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Bytes,
    /// Which part of the whole the body is; `None` for all of it.
    pub(crate) part: Option<Part>,
    pub(crate) times: Times,
    pub(crate) freshness: Freshness,
    /// Not on disk.
    pub(crate) heads: OnceLock<Heads>,
}

/// Which fields select one of several responses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variants {
    pub(crate) names: Vec<HeaderName>,
    /// Part of the responses' keys: those selected by an index that is gone are out of reach.
    pub(crate) identity: u64,
}

impl Response {
    pub(crate) fn new(
        (status, fields, body): (StatusCode, HeaderMap, Bytes),
        part: Option<Part>,
        said: &Directives,
        times: Times,
    ) -> Self {
        let freshness = Freshness::of(status, &fields, said, times);
        Self { status, fields, body, part, times, freshness, heads: OnceLock::new() }
    }

    /// The same, confirmed by the origin.
    pub(crate) fn confirmed(&self, fields: HeaderMap, times: Times) -> Self {
        let said = Directives::of_response(&fields);
        Self::new((self.status, fields, self.body.clone()), self.part, &said, times)
    }

    fn encode(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(1024);
        head.put_u16(self.status.as_u16());
        head.put_u64(self.times.asked.0);
        head.put_u64(self.times.came.0);
        head.put_u64(self.times.wall.0);
        head.put_u64(self.part.map_or(0, |part| part.first));
        head.put_u64(self.part.map_or(0, |part| part.total));
        put_count(&mut head, self.fields.len());
        for (name, value) in &self.fields {
            put_name(&mut head, name);
            head.put_u32(u32::try_from(value.len()).unwrap_or(0));
            head.put_slice(value.as_bytes());
        }
        head
    }

    fn decode(mut bytes: Bytes) -> Option<Self> {
        if bytes.len() < 42 {
            return None;
        }
        let status = StatusCode::from_u16(bytes.get_u16()).ok()?;
        let times = Times {
            asked: Tick(bytes.get_u64()),
            came: Tick(bytes.get_u64()),
            wall: Moment(bytes.get_u64()),
        };
        let part =
            Some(Part { first: bytes.get_u64(), total: bytes.get_u64() }).filter(|part| part.total > 0);
        let mut fields = HeaderMap::new();
        for _ in 0..take_count(&mut bytes)? {
            let name = take_name(&mut bytes)?;
            let length = (bytes.len() >= 4).then(|| bytes.get_u32())?;
            let value = take(&mut bytes, usize::try_from(length).ok()?)?;
            fields.append(name, HeaderValue::from_maybe_shared(value).ok()?);
        }
        let said = Directives::of_response(&fields);
        Some(Self::new((status, fields, bytes), part, &said, times))
    }
}

impl Variants {
    fn encode(&self) -> Vec<u8> {
        let mut all = Vec::new();
        all.put_u64(self.identity);
        put_count(&mut all, self.names.len());
        self.names.iter().for_each(|name| put_name(&mut all, name));
        all
    }

    fn decode(mut bytes: Bytes) -> Option<Self> {
        let identity = (bytes.len() >= 8).then(|| bytes.get_u64())?;
        let count = take_count(&mut bytes)?;
        let names = (0..count).map(|_| take_name(&mut bytes)).collect::<Option<_>>()?;
        Some(Self { names, identity })
    }
}

fn put_count(into: &mut Vec<u8>, count: usize) {
    into.put_u16(u16::try_from(count).unwrap_or(u16::MAX));
}

fn put_name(into: &mut Vec<u8>, name: &HeaderName) {
    put_count(into, name.as_str().len());
    into.put_slice(name.as_str().as_bytes());
}

fn take_count(bytes: &mut Bytes) -> Option<u16> {
    (bytes.len() >= 2).then(|| bytes.get_u16())
}

fn take_name(bytes: &mut Bytes) -> Option<HeaderName> {
    let length = take_count(bytes)?;
    HeaderName::from_bytes(&take(bytes, length.into())?).ok()
}

fn take(bytes: &mut Bytes, length: usize) -> Option<Bytes> {
    (bytes.len() >= length).then(|| bytes.split_to(length))
}

impl Record {
    /// Bytes that it takes in memory, about.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Response(response) => {
                let fields: usize =
                    response.fields.iter().map(|(name, value)| name.as_str().len() + value.len() + 64).sum();
                // Once as they came, and once for each of two heads.
                size_of::<Response>() + 3 * fields + response.body.len()
            }
            Self::Variants(variants) => size_of::<Self>() + variants.names.len() * 64,
            Self::Nothing => size_of::<Self>(),
        }
    }
}

/// A record as the store holds it.
#[derive(Debug, Clone)]
pub(crate) struct Stored(pub(crate) Arc<Record>);

impl Code for Stored {
    fn encode(&self, writer: &mut impl Write) -> foyer::Result<()> {
        let (kind, head, body) = match &*self.0 {
            Record::Nothing => (0, Vec::new(), Bytes::new()),
            Record::Response(response) => (1, response.encode(), response.body.clone()),
            Record::Variants(variants) => (2, variants.encode(), Bytes::new()),
        };
        writer.write_all(&[VERSION, kind]).map_err(Error::io_error)?;
        writer.write_all(&head).map_err(Error::io_error)?;
        writer.write_all(&body).map_err(Error::io_error)
    }

    fn decode(reader: &mut impl Read) -> foyer::Result<Self> {
        let mut all = Vec::new();
        reader.take(MOST).read_to_end(&mut all).map_err(Error::io_error)?;
        let mut all = Bytes::from(all);
        let form = take(&mut all, 2);
        let record = match form.as_deref() {
            Some([VERSION, 0]) => Some(Record::Nothing),
            Some([VERSION, 1]) => Response::decode(all).map(|response| Record::Response(Arc::new(response))),
            Some([VERSION, 2]) => Variants::decode(all).map(Record::Variants),
            _ => None,
        };
        record
            .map(|record| Self(record.into()))
            .ok_or_else(|| Error::new(ErrorKind::Parse, "a stored response in another form"))
    }

    fn estimated_size(&self) -> usize {
        64 + self.0.weight()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn there_and_back(record: Record) -> Record {
        let mut bytes = Vec::new();
        Stored(Arc::new(record)).encode(&mut bytes).unwrap();
        Arc::into_inner(Stored::decode(&mut bytes.as_slice()).unwrap().0).unwrap()
    }

    #[test]
    fn a_response_comes_back_as_it_was() {
        let mut fields = HeaderMap::new();
        for (name, value) in
            [("cache-control", "max-age=60"), ("age", "7"), ("set-cookie", "a"), ("set-cookie", "b")]
        {
            fields.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let times = Times { asked: Tick(1000), came: Tick(2000), wall: Moment(5000) };
        let said = Directives::of_response(&fields);
        let part = Some(Part { first: 4, total: 10 });
        let whole = (StatusCode::PARTIAL_CONTENT, fields, Bytes::from_static(b"picture"));
        let response = Response::new(whole, part, &said, times);
        let (fields, freshness) = (response.fields.clone(), response.freshness);
        let Record::Response(back) = there_and_back(Record::Response(Arc::new(response))) else {
            panic!("no response")
        };
        assert_eq!((&back.fields, back.freshness, back.part), (&fields, freshness, part));
        assert_eq!((back.status.as_u16(), &*back.body, back.times), (206, &b"picture"[..], times));
    }

    #[test]
    fn variants_come_back_as_they_were() {
        let variants = Variants { names: vec![http::header::ACCEPT], identity: 7 };
        let Record::Variants(back) = there_and_back(Record::Variants(variants.clone())) else { panic!() };
        assert_eq!(back, variants);
        assert!(matches!(there_and_back(Record::Nothing), Record::Nothing));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_an_error(kind in 0..3u8, bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let all = [&[VERSION, kind][..], &bytes].concat();
            let _ = Stored::decode(&mut all.as_slice());
            let _ = Stored::decode(&mut bytes.as_slice());
        }
    }
}
