//! Contracts that tell marketplaces to look again: a call that makes one emit ERC-4906's `BatchMetadataUpdate`.
//!
//! This costs gas, so it is rare and bounded: one call in `every` at most, none while the network asks for more than
//! `max_fee`, never more gas than `gas`. <https://eips.ethereum.org/EIPS/eip-4906>

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use alloy::{
    network::{EthereumWallet, NetworkTransactionBuilder as _, TransactionBuilder as _},
    primitives::Address,
    providers::Provider as _,
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
    sol_types::SolCall as _,
};

use crate::rpc::Provider;

mod abi {
    alloy::sol! {
        function announce() external;
    }
}

/// How long a transaction is waited for.
const TAKEN_IN: Duration = Duration::from_secs(120);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(500);

/// A contract, and on which terms it is called.
#[derive(Clone)]
pub(crate) struct Announcer {
    /// Whose states it announces.
    pub(crate) collection: String,
    pub(crate) contract: Address,
    pub(crate) chain: u64,
    pub(crate) provider: Provider,
    pub(crate) signer: PrivateKeySigner,
    pub(crate) gas: u64,
    /// Most wei for a unit of gas.
    pub(crate) max_fee: u128,
    pub(crate) every: Duration,
    pub(crate) last: Arc<Mutex<Option<Instant>>>,
}

impl Announcer {
    /// Calls the contract, and waits until a block holds the call.
    pub(crate) async fn announce(&self) -> Result<(), String> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = last {
            tokio::time::sleep_until((last + self.every).into()).await;
        }
        let failed = |why: alloy::transports::TransportError| why.to_string();
        let rpc = &self.provider.rpc;
        let fees = rpc.estimate_eip1559_fees().await.map_err(failed)?;
        if fees.max_fee_per_gas > self.max_fee {
            return Err(format!("gas costs {} wei, more than {}", fees.max_fee_per_gas, self.max_fee));
        }
        let from = self.signer.address();
        let request = TransactionRequest::default()
            .with_chain_id(self.chain)
            .with_from(from)
            .with_to(self.contract)
            .with_nonce(rpc.get_transaction_count(from).await.map_err(failed)?)
            .with_gas_limit(self.gas)
            .with_max_fee_per_gas(fees.max_fee_per_gas)
            .with_max_priority_fee_per_gas(fees.max_priority_fee_per_gas)
            .with_input(abi::announceCall {}.abi_encode());
        let wallet = EthereumWallet::from(self.signer.clone());
        let signed = request.build(&wallet).await.map_err(|why| why.to_string())?;
        let hash = *signed.tx_hash();
        // One that is known already was sent by a try that did not see it through.
        match rpc.send_tx_envelope(signed).await {
            Ok(_) => {}
            Err(why) if why.to_string().contains("already known") => {}
            Err(why) => return Err(failed(why)),
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let sent = Instant::now();
        while sent.elapsed() < TAKEN_IN {
            if let Some(receipt) = rpc.get_transaction_receipt(hash).await.map_err(failed)? {
                return match receipt.status() {
                    true => Ok(()),
                    false => Err(format!("transaction {hash} was reverted")),
                };
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(format!("transaction {hash} is in no block after {} s", TAKEN_IN.as_secs()))
    }
}
