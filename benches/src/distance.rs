//! Network distance: a relay on the loopback that lets bytes through only after half of a round trip.
//!
//! A new connection's first bytes wait for a whole round trip more, as for the handshake of TCP. Bandwidth, loss and TLS
//! are not simulated.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    runtime::Builder,
    sync::mpsc,
    time::sleep_until,
};

/// Bytes that are under way at once, in pieces of a read.
const PIECES: usize = 256;
const PIECE: usize = 64 << 10;

/// Puts a distance before an address: what this gives is the address from farther away, for as long as the process runs.
///
/// # Errors
/// When nothing can be listened on.
pub fn before(address: SocketAddr, round_trip: Duration) -> anyhow::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let here = listener.local_addr()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new()
        .name("distance".into())
        .spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                while let Ok((near, _)) = listener.accept().await {
                    tokio::spawn(connect(near, address, round_trip));
                }
            });
        })
        .context("starting a relay")?;
    Ok(here)
}

async fn connect(near: TcpStream, address: SocketAddr, round_trip: Duration) -> anyhow::Result<()> {
    let opened = Instant::now() + round_trip;
    let far = TcpStream::connect(address).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    let half = round_trip / 2;
    tokio::try_join!(pass(from_near, to_far, half, opened), pass(from_far, to_near, half, opened))?;
    Ok(())
}

/// Passes bytes on, each so late; none before the connection is open.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    delay: Duration,
    opened: Instant,
) -> anyhow::Result<()> {
    let (send, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES);
    let read = async move {
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            if from.read_buf(&mut piece).await? == 0 || send.send((Instant::now(), piece)).await.is_err() {
                return anyhow::Ok(());
            }
        }
    };
    let write = async move {
        while let Some((read, piece)) = under_way.recv().await {
            sleep_until((read.max(opened) + delay).into()).await;
            to.write_all(&piece).await?;
        }
        to.shutdown().await?;
        Ok(())
    };
    tokio::try_join!(read, write)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn an_answer_takes_a_round_trip_and_the_first_one_two() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let echo = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = [0; 4];
            while stream.read_exact(&mut bytes).is_ok() {
                stream.write_all(&bytes).unwrap();
            }
        });
        let here = before(echo, Duration::from_millis(60)).unwrap();
        let mut stream = std::net::TcpStream::connect(here).unwrap();
        let mut ask = || {
            let (started, mut bytes) = (Instant::now(), [0; 4]);
            stream.write_all(b"ping").unwrap();
            stream.read_exact(&mut bytes).unwrap();
            assert_eq!(&bytes, b"ping");
            started.elapsed().as_millis()
        };
        let (first, second) = (ask(), ask());
        // A busy machine may be late, but never early.
        assert!((120..2000).contains(&first), "{first} ms");
        assert!((60..2000).contains(&second), "{second} ms");
    }
}
