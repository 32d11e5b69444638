//! In whose turn the origin is asked: a client's own, or nobody's where no client waits.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
};

use http::{Request, Response, Version, uri::Scheme};
use iridule_http_cache::{
    Body, Cache, CanonicalRequest, Keying, Limits, Origin, Policy, Received, Unanswered,
};

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// An origin that notes the clients that wait for each of its answers.
#[derive(Default)]
struct Noting(Mutex<Vec<Vec<IpAddr>>>);

impl Origin for Noting {
    async fn ask(&self, mut request: CanonicalRequest<Body>) -> Result<Response<Body>, Unanswered> {
        let clients = request.waiting().subscribe().borrow().clone();
        self.0.lock().unwrap().push(clients);
        let response = Response::builder().header("cache-control", "max-age=0, stale-while-revalidate=60");
        Ok(response.body(Body::empty()).unwrap())
    }
}

#[tokio::test]
async fn a_miss_takes_its_clients_turn_and_a_refresh_in_the_background_takes_nobodys() {
    let cache = Cache::open(&Policy::default(), Keying::ANY, Limits::default(), Arc::new(())).await.unwrap();
    let origin = Arc::new(Noting::default());
    for _ in 0..2 {
        let request = Request::get("http://h/a").version(Version::HTTP_2).body(Body::empty()).unwrap();
        let received = Received { scheme: &Scheme::HTTP, host: None, client: Some(CLIENT) };
        let request = CanonicalRequest::new(request, &received, &Keying::ANY).unwrap();
        drop(cache.answer(&origin, request).await.unwrap());
    }
    while origin.0.lock().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(*origin.0.lock().unwrap(), [vec![CLIENT], vec![]]);
}
