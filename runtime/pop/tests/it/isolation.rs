//! What a guest's misbehaviour costs: that request, and nothing else.

use std::time::{Duration, Instant};

use http::Method;

use crate::support::{Running, start};

/// Asks for a page of good requests while `bad` is under way; all of them succeed.
async fn good_beside(pop: &Running, bad: &str, times: usize) -> Vec<crate::support::Answer> {
    let goods = async {
        let mut asked = 0;
        let end = Instant::now() + Duration::from_millis(400);
        while Instant::now() < end {
            let round = futures_join((0..8).map(|_| pop.get("/slow/1"))).await;
            for answer in round {
                assert_eq!(answer.text(), "slept 1 ms");
                assert_eq!(answer.status, 200);
                asked += 1;
            }
        }
        assert!(asked > 0);
    };
    let bads = futures_join((0..times).map(|_| pop.get(bad)));
    tokio::join!(goods, bads).1
}

async fn futures_join<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, done) in futures.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(cx)
            {
                *done = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_answers_and_its_instances_are_reused() {
    let pop = start(|_| {}).await;
    let first = pop.get("/echo/a?b=c").await;
    assert_eq!(first.status, 200);
    assert_eq!(first.text(), format!("GET http://{}/echo/a?b=c 1", pop.pop.address()));
    let mut oldest = 1;
    for request in 2..=300 {
        let text = pop.get("/echo").await.text();
        let seen: u32 = text.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(seen <= 128, "request {request} was the {seen}th of its instance");
        oldest = oldest.max(seen);
    }
    // Now and then a request comes before the last one's instance is quite done, and finds or makes another.
    assert!(oldest >= 64, "no instance saw more than {oldest} requests");
    let instances = pop.metric("iridule_pop_instantiated_total").await;
    assert!((3.0..=10.0).contains(&instances), "{instances} instances");
    assert_eq!(pop.metric("iridule_pop_traps_total").await, 0.0);
    assert_eq!(pop.metric("iridule_pop_replies_total{class=\"2xx\"}").await, 300.0);

    let head = pop.ask(Method::HEAD, "/echo").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_ne!(head.header("content-length"), "0");
    assert_eq!(pop.get("/nowhere").await.status, 404);
    assert_eq!(pop.get("/size/3000000").await.body.len(), 3_000_000);
    pop.pop.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_costs_one_request() {
    let pop = start(|_| {}).await;
    for answer in good_beside(&pop, "/trap", 50).await {
        answer.assert_problem(500);
    }
    pop.metric_becomes("iridule_pop_traps_total", 50.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_costs_one_request() {
    let pop = start(|config| config.limits.deadline = Duration::from_millis(300)).await;
    let start = Instant::now();
    for answer in good_beside(&pop, "/loop", 4).await {
        answer.assert_problem(504);
    }
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    pop.metric_becomes("iridule_pop_expired_total", 4.0).await;
    pop.metric_becomes("iridule_pop_instances", live(&pop).await).await;
}

/// Instances made that have not died: expired ones must be gone.
async fn live(pop: &Running) -> f64 {
    pop.metric("iridule_pop_instantiated_total").await
        - pop.metric("iridule_pop_expired_total").await
        - pop.metric("iridule_pop_traps_total").await
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_past_the_deadline_costs_one_request_and_its_instance() {
    let pop = start(|config| config.limits.deadline = Duration::from_millis(200)).await;
    for answer in good_beside(&pop, "/slow/60000", 3).await {
        answer.assert_problem(504);
    }
    pop.metric_becomes("iridule_pop_expired_total", 3.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_glutton_costs_one_request() {
    let pop = start(|_| {}).await;
    for answer in good_beside(&pop, "/eat", 4).await {
        answer.assert_problem(500);
    }
    assert!(pop.metric("iridule_pop_memory_refused_total").await >= 4.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_dies_in_its_reply_is_an_error_and_not_half_a_picture() {
    let pop = start(|_| {}).await;
    for answer in good_beside(&pop, "/half", 10).await {
        answer.assert_problem(500);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn misbehaviour_after_the_reply_costs_nobody_anything() {
    let pop = start(|config| config.limits.deadline = Duration::from_millis(300)).await;
    for what in ["trap", "loop"] {
        for answer in good_beside(&pop, &format!("/after/{what}"), 8).await {
            assert_eq!(answer.text(), "replied");
        }
    }
    tokio::time::sleep(Duration::from_millis(800)).await;
    pop.metric_becomes("iridule_pop_traps_total", 8.0).await;
    pop.metric_becomes("iridule_pop_expired_total", 8.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_capacity_is_told_to_come_back() {
    let pop = start(|config| {
        config.limits.max_in_flight = 4;
        config.limits.instances = 2;
    })
    .await;
    let answers = futures_join((0..12).map(|_| pop.get("/slow/300"))).await;
    let (good, busy): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    // Two run, two wait for them, the rest is sent away.
    assert_eq!(good.len(), 4);
    for answer in &busy {
        answer.assert_problem(503);
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert_eq!(pop.metric("iridule_pop_turned_away_total").await, 8.0);
    assert_eq!(pop.metric("iridule_pop_instantiated_total").await, 2.0);
    assert_eq!(pop.get("/echo").await.status, 200);
}
