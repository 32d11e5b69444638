//! Where guests may send requests.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::support::start;

/// A server on the loopback that answers everything with 204; its port.
async fn inner_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
                }
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_reached_that_the_list_does_not_name() {
    let port = inner_server().await;
    let pop =
        start(|config| config.allowed_hosts = vec![format!("http://inner.example:{port}").parse().unwrap()])
            .await;
    for url in [format!("http://127.0.0.1:{port}/"), "http://[::1]/".into(), "https://example.com/".into()] {
        let answer = pop.get(&format!("/fetch?{url}")).await;
        assert!(answer.text().contains("HttpRequestDenied"), "{url}: {}", answer.text());
    }
    assert_eq!(pop.metric("iridule_pop_outbound_refused_total").await, 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_name_does_not_lead_inside_unless_it_may() {
    let port = inner_server().await;
    // `ip6-localhost` and `localhost.` style names differ between systems; the machine's own name is in every hosts
    // file or resolves to an inner address, and is not spelled as one.
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    let resolves =
        tokio::net::lookup_host((&*name, port)).await.is_ok_and(|mut found| found.next().is_some());
    if !resolves {
        eprintln!("skipped: this machine's name {name:?} does not resolve");
        return;
    }
    let rule = || format!("http://{name}:{port}").parse::<iridule_pop::AllowedHost>().unwrap();
    let url = format!("/fetch?http://{name}:{port}/");
    let pop = start(|config| config.allowed_hosts = vec![rule()]).await;
    let answer = pop.get(&url).await;
    assert!(answer.text().contains("DestinationIpProhibited"), "{}", answer.text());
    let pop = pop.restart(|config| config.allowed_hosts = vec![rule().inner()]).await;
    let answer = pop.get(&url).await;
    assert!(!answer.text().contains("DestinationIpProhibited"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_on_the_list_is_reached() {
    let port = inner_server().await;
    let pop =
        start(|config| config.allowed_hosts = vec![format!("http://127.0.0.1:{port}").parse().unwrap()])
            .await;
    for _ in 0..3 {
        assert_eq!(pop.get(&format!("/fetch?http://127.0.0.1:{port}/a?b")).await.text(), "it said 204");
    }
    let other = port.wrapping_add(1);
    assert!(pop.get(&format!("/fetch?http://127.0.0.1:{other}/")).await.text().contains("HttpRequestDenied"));
}
