//! The node: anvil as a child process, and what can be asked of it.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use alloy::{
    primitives::{Address, Bytes, hex},
    signers::local::PrivateKeySigner,
    sol_types::{SolCall, SolConstructor, SolEvent},
};
use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap_or(Path::new(".")).to_owned()
}

/// A running anvil.
pub struct Node {
    child: Child,
    /// Where it answers.
    pub url: String,
    account: Address,
    client: reqwest::Client,
    contracts: BTreeMap<String, String>,
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Node {
    /// Starts anvil on a free port, and compiles the contracts.
    ///
    /// # Errors
    /// When anvil, Node.js or solc are missing, or fail.
    pub async fn start() -> anyhow::Result<Self> {
        let packages = root().join("node_modules/@foundry-rs");
        let platforms = std::fs::read_dir(&packages).context("npm's anvil is not installed")?;
        let mut binaries = platforms.flatten().map(|folder| folder.path().join("bin/anvil"));
        let binary = binaries.find(|file| file.is_file()).context("npm's anvil is not installed")?;
        let compiled = Command::new("node").arg(root().join("runtime/relay/contracts/compile.mjs")).output();
        let compiled = compiled.context("Node.js is not installed")?;
        ensure!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        let contracts = serde_json::from_slice(&compiled.stdout)?;

        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(binary)
            .args([
                "--host",
                "127.0.0.1",
                "--port",
                &port.to_string(),
                "--silent",
                "--gas-limit",
                "300000000",
            ])
            .stdin(Stdio::null())
            .spawn()?;
        let client = reqwest::Client::new();
        let url = format!("http://127.0.0.1:{port}");
        let mut node = Self { child, url, account: Address::ZERO, client, contracts };
        for _ in 0..200 {
            if let Ok(accounts) = node.rpc("eth_accounts", json!([])).await {
                node.account = accounts[0].as_str().context("it has no account")?.parse()?;
                return Ok(node);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("anvil does not answer")
    }

    /// Asks it.
    ///
    /// # Errors
    /// What it says.
    pub async fn rpc(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        let asked = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut answer: Value = self.client.post(&self.url).json(&asked).send().await?.json().await?;
        if let Some(error) = answer.get("error") {
            bail!("{method}: {error}");
        }
        Ok(answer["result"].take())
    }

    /// Sends a transaction, which makes a block. Gives the receipt.
    async fn send(&self, to: Option<Address>, data: Vec<u8>) -> anyhow::Result<Value> {
        let mut transaction = json!({"from": self.account, "data": Bytes::from(data), "gas": "0xbebc200"});
        if let Some(to) = to {
            transaction["to"] = json!(to);
        }
        let hash = self.rpc("eth_sendTransaction", json!([transaction])).await?;
        for _ in 0..400 {
            let receipt = self.rpc("eth_getTransactionReceipt", json!([hash])).await?;
            if !receipt.is_null() {
                ensure!(receipt["status"] == "0x1", "the transaction was reverted: {receipt}");
                return Ok(receipt);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("the transaction is not taken in")
    }

    /// Puts a contract on the chain.
    ///
    /// # Errors
    /// What the node says.
    pub async fn deploy(&self, name: &str, constructor: impl SolConstructor) -> anyhow::Result<Address> {
        let code = self.contracts.get(name).with_context(|| format!("there is no contract {name}"))?;
        let mut data = hex::decode(code)?;
        data.extend(constructor.abi_encode());
        let receipt = self.send(None, data).await?;
        Ok(receipt["contractAddress"].as_str().context("no contract was made")?.parse()?)
    }

    /// Calls a contract in a transaction.
    ///
    /// # Errors
    /// What the node says.
    pub async fn transact(&self, to: Address, call: impl SolCall) -> anyhow::Result<()> {
        self.send(Some(to), call.abi_encode()).await.map(|_| ())
    }

    /// Calls a contract without one.
    ///
    /// # Errors
    /// What the node says.
    pub async fn call<C: SolCall>(&self, to: Address, call: C) -> anyhow::Result<C::Return> {
        let data = Bytes::from(call.abi_encode());
        let answer = self.rpc("eth_call", json!([{"to": to, "data": data}, "latest"])).await?;
        let answer: Bytes = answer.as_str().context("no bytes")?.parse()?;
        Ok(C::abi_decode_returns(&answer)?)
    }

    /// Replaces the newest blocks by empty ones: what happened in them has not.
    ///
    /// # Errors
    /// What the node says.
    pub async fn reorganise(&self, depth: u64) -> anyhow::Result<()> {
        self.rpc("anvil_reorg", json!([depth, []])).await.map(|_| ())
    }

    /// Gives an account, by its secret key, enough to pay for gas.
    ///
    /// # Errors
    /// What the node says, or that it is no key.
    pub async fn fund(&self, secret: &str) -> anyhow::Result<()> {
        let signer: PrivateKeySigner = secret.parse()?;
        self.rpc("anvil_setBalance", json!([signer.address(), "0xde0b6b3a7640000"])).await.map(|_| ())
    }

    /// How many events of a kind a contract has emitted.
    ///
    /// # Errors
    /// What the node says.
    pub async fn events<E: SolEvent>(&self, of: Address) -> anyhow::Result<usize> {
        let filter = json!([{"address": of, "topics": [E::SIGNATURE_HASH], "fromBlock": "0x0"}]);
        Ok(self.rpc("eth_getLogs", filter).await?.as_array().map_or(0, Vec::len))
    }

    /// Makes empty blocks.
    ///
    /// # Errors
    /// What the node says.
    pub async fn mine(&self, blocks: u64) -> anyhow::Result<()> {
        self.rpc("anvil_mine", json!([format!("{blocks:#x}")])).await.map(|_| ())
    }
}
