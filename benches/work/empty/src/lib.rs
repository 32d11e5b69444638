//! A component that answers at once with nothing: what is left is the host's.

use http::Response;
use spin_sdk::{
    http::{EmptyBody, Request},
    http_service,
};

#[http_service]
async fn handle(_: Request) -> Response<EmptyBody> {
    Response::new(EmptyBody::new())
}
