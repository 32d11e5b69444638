//! The guest of the PoP host's tests: one route for each thing that a guest may do to its host.
//!
//! Good manners and bad ones: answering, storing, asking outside, and trapping, looping, eating memory. It must not
//! depend on any other crate of ours; the tests that drive it are in `../tests`.

use std::{
    cell::Cell,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body::{Body, Frame};
use spin_sdk::{
    http::{BoxBody, FullBody, Request, box_body},
    http_service,
    key_value::Store,
    variables, wit_bindgen,
};

thread_local! {
    /// Requests that this instance has begun.
    static SEEN: Cell<u32> = const { Cell::new(0) };
}

#[http_service]
async fn handle(request: Request) -> Response<BoxBody> {
    let seen = SEEN.with(|seen| {
        seen.set(seen.get() + 1);
        seen.get()
    });
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let mut parts = path.trim_start_matches('/').splitn(3, '/');
    let (route, first, second) =
        (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    match route {
        // What was asked, and how many requests this instance has seen.
        "echo" => text(StatusCode::OK, format!("{} {} {seen}", request.method(), request.uri())),
        "trap" => std::process::abort(),
        "loop" => spin_for_ever(),
        // Work that the host is told of before it is done, and that is not done where the host says so.
        "risk" => risk(first, second).await,
        // Holds so many MiB for so many milliseconds.
        "hold" => {
            let held = vec![1_u8; first.parse::<usize>().unwrap_or(0) << 20];
            let sum: usize =
                std::hint::black_box(&held).iter().step_by(4096).map(|byte| usize::from(*byte)).sum();
            spin_sdk::time::sleep(Duration::from_millis(second.parse().unwrap_or(0))).await;
            text(StatusCode::OK, format!("held {}", sum.div_ceil(256)))
        }
        "eat" => text(StatusCode::OK, format!("ate {} bytes", eat())),
        "slow" => {
            let ms = first.parse().unwrap_or(0);
            spin_sdk::time::sleep(Duration::from_millis(ms)).await;
            text(StatusCode::OK, format!("slept {ms} ms"))
        }
        // Misbehaviour after the reply, which nobody waits for.
        "after" => {
            let what = first.to_owned();
            wit_bindgen::spawn(async move {
                spin_sdk::time::sleep(Duration::from_millis(20)).await;
                match &*what {
                    "trap" => std::process::abort(),
                    "loop" => spin_for_ever(),
                    _ => {}
                }
            });
            text(StatusCode::OK, "replied".to_owned())
        }
        // Says that 1,000 bytes come, and dies in the middle.
        "half" => reply(box_body(Half { sent: false }), Some(1000)),
        "size" => reply(
            box_body(FullBody::new(Bytes::from(vec![b'x'; first.parse().unwrap_or(0)]))),
            first.parse().ok(),
        ),
        "events" => reply(box_body(Events { left: first.parse().unwrap_or(u32::MAX), next: None }), None),
        "kv" => kv(request.method().as_str(), first, second, &query).await,
        "keys" => keys(first).await,
        "var" => match variables::get(first).await {
            Ok(value) => text(StatusCode::OK, value),
            Err(why) => text(StatusCode::NOT_FOUND, why.to_string()),
        },
        "fetch" => match spin_sdk::http::get(&query).await {
            Ok(answer) => text(StatusCode::OK, format!("it said {}", answer.status().as_u16())),
            Err(why) => text(StatusCode::BAD_GATEWAY, format!("{why:?}")),
        },
        "say" => {
            say(first);
            text(StatusCode::OK, "said".to_owned())
        }
        _ => text(StatusCode::NOT_FOUND, "no such route".to_owned()),
    }
}

async fn risk(name: &str, what: &str) -> Response<BoxBody> {
    let name = &name.replace("%2F", "/");
    let Ok(risks) = Store::open("risks").await else {
        return text(StatusCode::NOT_FOUND, "this host keeps no account".to_owned());
    };
    if matches!(risks.get(name).await, Ok(Some(_))) {
        return text(StatusCode::OK, "the former style".to_owned());
    }
    let _ = risks.set(name, []).await;
    match what {
        "trap" => std::process::abort(),
        "loop" => spin_for_ever(),
        "sleep" => spin_sdk::time::sleep(Duration::from_secs(60)).await,
        _ => {}
    }
    let _ = risks.delete(name).await;
    if what == "after" {
        std::process::abort();
    }
    text(StatusCode::OK, "the new style".to_owned())
}

fn text(status: StatusCode, body: String) -> Response<BoxBody> {
    let length = body.len();
    let mut reply = reply(box_body(FullBody::new(Bytes::from(body))), Some(length));
    *reply.status_mut() = status;
    reply
}

fn reply(body: BoxBody, length: Option<usize>) -> Response<BoxBody> {
    let mut reply = Response::new(body);
    if let Some(length) = length {
        reply.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    reply
}

#[allow(clippy::print_stdout, reason = "what a guest prints is what is tested")]
fn say(word: &str) {
    println!("said {word}");
}

fn spin_for_ever() -> ! {
    let mut turns = 0u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}

/// Takes memory until there is none; how much it got.
fn eat() -> usize {
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    loop {
        eaten.push(std::hint::black_box(vec![1; 1 << 20]));
        if eaten.len() > 4096 {
            return eaten.len() << 20;
        }
    }
}

async fn kv(method: &str, store: &str, key: &str, value: &str) -> Response<BoxBody> {
    let failed = |why: spin_sdk::key_value::Error| text(StatusCode::BAD_REQUEST, format!("{why:?}"));
    let store = match Store::open(store).await {
        Ok(store) => store,
        Err(why) => return failed(why),
    };
    match method {
        "GET" => match store.get(key).await {
            Ok(Some(value)) => reply(box_body(FullBody::new(Bytes::from(value.clone()))), Some(value.len())),
            Ok(None) => text(StatusCode::NOT_FOUND, "no value".to_owned()),
            Err(why) => failed(why),
        },
        "HEAD" => match store.exists(key).await {
            Ok(true) => text(StatusCode::OK, String::new()),
            Ok(false) => text(StatusCode::NOT_FOUND, String::new()),
            Err(why) => failed(why),
        },
        "DELETE" => match store.delete(key).await {
            Ok(()) => text(StatusCode::OK, "gone".to_owned()),
            Err(why) => failed(why),
        },
        // `?123` stores as many bytes, anything else itself.
        _ => {
            let value = value.parse().map_or_else(|_| value.as_bytes().to_vec(), |size| vec![b'v'; size]);
            match store.set(key, value).await {
                Ok(()) => text(StatusCode::OK, "kept".to_owned()),
                Err(why) => failed(why),
            }
        }
    }
}

async fn keys(store: &str) -> Response<BoxBody> {
    let listed = async { Store::open(store).await?.get_keys().await.collect().await };
    match listed.await {
        Ok(keys) => text(StatusCode::OK, keys.join("\n")),
        Err(why) => text(StatusCode::BAD_REQUEST, format!("{why:?}")),
    }
}

/// A body that begins well and then traps.
struct Half {
    sent: bool,
}

impl Body for Half {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.sent {
            std::process::abort();
        }
        self.sent = true;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'h'; 500])))))
    }
}

/// An event every 50 ms.
struct Events {
    left: u32,
    next: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Body for Events {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let next =
            self.next.get_or_insert_with(|| Box::pin(spin_sdk::time::sleep(Duration::from_millis(50))));
        match next.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                self.next = None;
                self.left -= 1;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"data: tick\n\n")))))
            }
        }
    }
}
