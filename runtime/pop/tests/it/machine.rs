//! A host within the memory and the file descriptors that it is given. Each runs in a process of its own, whose limits
//! and peaks concern nobody else.

use std::{fs, net::TcpStream, process::Command, time::Duration};

use iridule_pop::Pop;

use crate::support::{Running, TOKEN, config, lend_code};

/// Runs an ignored test of this file in a process of its own.
fn in_a_process_of_its_own(test: &str) {
    let data = tempfile::tempdir().unwrap();
    lend_code(data.path());
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("machine::{test}"), "--ignored", "--nocapture"])
        .env("IRIDULE_POP_TEST_DATA", data.path())
        .env("RUST_LOG", "iridule_pop=info")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn many_heavy_requests_stay_within_the_memory_of_the_host() {
    in_a_process_of_its_own("child_with_little_memory");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child of `many_heavy_requests_stay_within_the_memory_of_the_host`"]
async fn child_with_little_memory() {
    const MEMORY: usize = 512 << 20;
    let mut config = config(std::env::var_os("IRIDULE_POP_TEST_DATA").unwrap().as_ref());
    config.memory = Some(MEMORY);
    config.limits.renders_disk = 0;
    config.limits.deadline = Duration::from_secs(60);
    let pop = std::sync::Arc::new(Running::around(Pop::start(config).await.unwrap()));
    // 64 at once, each of which needs 100 MiB: together more than ten times what there is.
    let asked: Vec<_> = (0..64)
        .map(|_| {
            let pop = pop.clone();
            tokio::spawn(async move { pop.get("/hold/100/20").await })
        })
        .collect();
    let mut served = 0;
    for answer in asked {
        let answer = answer.await.unwrap();
        if answer.status == 200 {
            assert_eq!(answer.text(), "held 100");
            served += 1;
        } else {
            answer.assert_problem(503);
            assert_eq!(answer.header("retry-after"), "1");
        }
    }
    assert!(served >= 16, "{served} were served");
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak << 10 < MEMORY, "{peak} KiB at the peak, with {served} served");
    // Light requests go on as before.
    assert_eq!(pop.get("/echo").await.status, 200);
}

#[test]
fn a_flood_of_connections_leaves_descriptors_for_everything_else() {
    in_a_process_of_its_own("child_with_few_descriptors");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child of `a_flood_of_connections_leaves_descriptors_for_everything_else`"]
async fn child_with_few_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    // The host raises the soft limit to the hard one by itself.
    setrlimit(Resource::Nofile, Rlimit { current: Some(128), maximum: Some(512) }).unwrap();
    let data = std::env::var_os("IRIDULE_POP_TEST_DATA").unwrap();
    let mut settings = config(data.as_ref());
    settings.limits.renders_disk = 0;
    let pop = Running::around(Pop::start(settings).await.unwrap());
    assert_eq!(getrlimit(Resource::Nofile).current, Some(512));
    // Both ends are in this process, so each connection takes two; the rest waits in the kernel's queue.
    let _held: Vec<_> = (0..150).filter_map(|_| TcpStream::connect(pop.pop.address()).ok()).collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let open = pop.metric("iridule_pop_connections").await;
    assert!(open <= 50.0, "{open} connections of one address are open");
    assert_eq!(pop.metric("iridule_pop_accept_failures_total").await, 0.0);
    // The write API needs a connection and the store a file.
    let answer = pop.admin_as(Some(TOKEN), http::Method::GET, "/v1/collections", "").await;
    assert_eq!(answer.status, 200);
}
