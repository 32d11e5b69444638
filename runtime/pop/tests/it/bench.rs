//! A host to measure from outside: `cargo test --release -p iridule-pop -- --ignored --nocapture host_to_measure`, then
//! `wrk -t2 -c64 http://127.0.0.1:3900/kv/default/a`. `IRIDULE_POP_COMPONENT=FILE` measures another component than the test
//! guest.

#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs until interrupted"]
#[allow(clippy::print_stdout, reason = "it says what to ask")]
async fn host_to_measure() {
    let data = tempfile::tempdir().unwrap();
    let mut config = crate::support::config(data.path());
    if let Some(file) = std::env::var_os("IRIDULE_POP_COMPONENT") {
        config.component = std::fs::read(file).unwrap().into();
    }
    config.listen.set_port(3900);
    config.admin.set_port(3901);
    let pop = iridule_pop::Pop::start(config).await.unwrap();
    pop.records().set("a".into(), vec![b'a'; 4096]).await.unwrap();
    println!("http://{}/kv/default/a, http://{}/metrics", pop.address(), pop.admin_address());
    std::future::pending::<()>().await;
}
