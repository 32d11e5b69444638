//! What a picture or style that ends instances costs: its own picture, for a while, and nobody else's.

use std::time::Duration;

use http::Method;

use crate::support::{lend_code, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_is_tried_once_more_with_the_knowledge_of_what_trapped() {
    let pop = start(|_| {}).await;
    // The visitor who meets the trap already gets the former style.
    let answer = pop.get("/risk/picture-a/trap").await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "the former style".to_owned()));
    pop.metric_becomes("iridule_pop_traps_total", 1.0).await;
    // Whoever comes next meets no trap at all, whichever instance answers.
    for _ in 0..5 {
        assert_eq!(pop.get("/risk/picture-a/trap").await.text(), "the former style");
    }
    pop.metric_becomes("iridule_pop_traps_total", 1.0).await;
    pop.metric_becomes("iridule_pop_crashes_total", 1.0).await;
    // Other variants and tokens are still tried, so one odd variant disables nothing but itself.
    assert_eq!(pop.get("/risk/picture-b/well").await.text(), "the new style");
    assert_eq!(pop.get("/risk/picture-c/trap").await.text(), "the former style");
    assert_eq!(pop.get("/risk/picture-b/well").await.text(), "the new style");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_when_the_trap_came_is_not_to_blame_and_only_gets_are_repeated() {
    let pop = start(|_| {}).await;
    pop.get("/risk/picture-a/after").await.assert_problem(500);
    assert_eq!(pop.get("/risk/picture-a/well").await.text(), "the new style");
    assert_eq!(pop.metric("iridule_pop_crashes_total").await, 0.0);
    pop.metric_becomes("iridule_pop_traps_total", 1.0).await;
    pop.ask(Method::POST, "/risk/picture-b/trap").await.assert_problem(500);
    pop.metric_becomes("iridule_pop_traps_total", 2.0).await;
    // A style concerns everybody: it is refused after its second crash only.
    pop.get("/risk/style%2Fa/trap").await;
    pop.metric_becomes("iridule_pop_traps_total", 4.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn running_out_of_time_is_noted_and_waiting_out_of_time_is_not() {
    let pop = start(|config| config.limits.deadline = Duration::from_secs(1)).await;
    pop.get("/risk/picture-a/loop").await.assert_problem(504);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(pop.get("/risk/picture-a/loop").await.text(), "the former style");
    // A guest that waits for somebody else, or for a busy machine, is not at fault.
    pop.get("/risk/picture-b/sleep").await.assert_problem(504);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(pop.get("/risk/picture-b/well").await.text(), "the new style");
    pop.metric_becomes("iridule_pop_crashes_total", 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_written_code_of_earlier_starts_is_removed() {
    let data = tempfile::tempdir().unwrap();
    lend_code(data.path());
    let draft = data.path().join("code/x.cwasm.1.draft");
    std::fs::write(&draft, b"half").unwrap();
    let pop = crate::support::start_in(data, |_| {}).await;
    assert!(!draft.exists());
    assert_eq!(pop.get("/echo").await.status, 200);
}
