//! The relay: looks at its sources, keeps the ledger, signs snapshots, tells its sinks.
//!
//! One step is: look at every source → what is new, in the order in which it happened → the book → the ledger, in one
//! write that also holds the signed snapshot when there is one → the sinks. Nothing is published that is not in the
//! ledger, so a relay that is killed anywhere continues as if it had only been slow.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

pub use crate::leader::RelayError;
use crate::{
    config::Config,
    leader::Leader,
    ledger::{Ledger, LedgerError},
    limits,
    replay::Replayed,
    service,
};

/// How often a relay that waits looks whether the ledger is free.
const STANDBY: Duration = Duration::from_millis(250);
/// How long the step under way is waited for when the relay leaves.
const LEAVE_STEP: Duration = Duration::from_millis(limits::LEAVE_STEP_MS);
/// A relay that runs.
pub struct Relay {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), RelayError>>,
}

impl Relay {
    /// Starts a relay: its service at once, the rest as soon as it has the ledger to itself.
    ///
    /// # Errors
    /// [`RelayError::Listen`].
    pub async fn start(config: Config) -> Result<Self, RelayError> {
        let listen = |source| RelayError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(service::Shared::new(config.metrics.clone()));
        let serving = tokio::spawn(service::serve(listener, shared.clone(), stopped.clone()));
        let task = tokio::spawn(async move {
            let result = lead(config, &shared, stopped.clone()).await;
            // The service was told to stop as well, and bounds how long that takes; unless the relay ends by itself.
            if !*stopped.borrow() {
                serving.abort();
            }
            match serving.await {
                Err(why) if why.is_panic() => tracing::error!(%why, "the service ended"),
                _ => {}
            }
            result
        });
        Ok(Self { address, stop, task })
    }

    /// Where its service listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the relay ends by itself, which it does only for an error.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn ended(&mut self) -> Result<(), RelayError> {
        (&mut self.task).await.unwrap_or_else(|why| Err(RelayError::Inconsistent(why.to_string())))
    }

    /// Leaves in order and within a bound: the step under way is given a moment to finish and tokens that are being read are
    /// left alone; then the sinks are given a moment to take the last snapshot, and the answers under way to end. A step that
    /// is cut off is done again by the next start.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn shutdown(mut self) -> Result<(), RelayError> {
        // A relay that has ended already has nobody who listens.
        let _ = self.stop.send(true);
        self.ended().await
    }
}

/// Waits for the ledger, then leads until told to stop.
async fn lead(
    config: Config,
    shared: &service::Shared,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), RelayError> {
    let mut said = false;
    let ledger = loop {
        match Ledger::open(&config.ledger) {
            Ok(ledger) => break ledger,
            Err(LedgerError::InUse(_)) => {
                if !std::mem::replace(&mut said, true) {
                    tracing::info!("another relay leads on this ledger; waiting to take over");
                }
            }
            Err(why) => return Err(why.into()),
        }
        tokio::select! {
            () = tokio::time::sleep(STANDBY) => {}
            _ = stopped.wait_for(|stop| *stop) => return Ok(()),
        }
    };
    let mut replayed = Replayed::default();
    loop {
        let more = replayed.advance(&ledger).map_err(|why| RelayError::Inconsistent(why.to_string()))?;
        if *stopped.borrow() {
            return Ok(());
        }
        if !more {
            break;
        }
        // A long ledger takes a while, and others have work to do.
        tokio::task::yield_now().await;
    }
    let mut leader = Leader::new(config, ledger.clone(), replayed)?;
    shared.leads(ledger);
    loop {
        let Some(more) = until_stopped(leader.step(), &mut stopped).await.transpose()? else { break };
        leader.look_after_recorders()?;
        shared.status(leader.status());
        if *stopped.borrow() {
            break;
        }
        if !more {
            tokio::select! {
                () = tokio::time::sleep(leader.config.interval) => {}
                _ = stopped.wait_for(|stop| *stop) => break,
            }
        }
    }
    leader.leave().await;
    Ok(())
}

/// What a step gives, unless the relay is told to stop and the step does not end within [`LEAVE_STEP`]. A step writes to
/// the ledger in one go, so that one that is cut off has done nothing or has done a part that stands by itself.
async fn until_stopped<T>(step: impl Future<Output = T>, stopped: &mut watch::Receiver<bool>) -> Option<T> {
    let mut step = std::pin::pin!(step);
    tokio::select! {
        done = step.as_mut() => return Some(done),
        _ = stopped.wait_for(|stop| *stop) => {}
    }
    let done = tokio::time::timeout(LEAVE_STEP, step).await.ok();
    if done.is_none() {
        tracing::warn!("the step under way is cut off; the next start does it again");
    }
    done
}
