//! What several tests of the cache share.

use http::{Request, Version, uri::Scheme};
use iridule_http_cache::{CanonicalRequest, Keying, Received};

/// A request in canonical form; its URL holds the host, as over HTTP/2.
pub fn canonical<B>(mut request: Request<B>, keying: &Keying) -> CanonicalRequest<B> {
    *request.version_mut() = Version::HTTP_2;
    let received = Received { scheme: &Scheme::HTTP, host: None, client: None };
    CanonicalRequest::new(request, &received, keying).expect("the test's request names a resource")
}
