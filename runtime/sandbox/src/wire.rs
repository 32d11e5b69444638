//! The protocol between parent and child: a header of fixed size, then a body whose length is in the header.
//!
//! Both directions use one socket, which is the child's standard input. So output that a library prints on the child's
//! standard output or error cannot be mistaken for a message.

use std::{
    io::{self, Read, Write},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Maximum length of a job's name, bytes.
const MAX_NAME_BYTES: usize = 64;
/// How much memory is reserved for a body before it arrives, bytes.
const PREALLOCATED_BYTES: u64 = 1 << 20;

/// A call, from parent to child.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct JobCall {
    /// The job's name.
    pub(crate) name: String,
    /// Processor time after which the system ends the child, in case the parent does not.
    pub(crate) time: Duration,
    /// Memory limit, bytes.
    pub(crate) memory: u64,
    /// Maximum size of the reply, bytes.
    pub(crate) reply_bytes: u64,
    /// The encoded request.
    pub(crate) body: Vec<u8>,
}

/// A message, from child to parent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WorkerMessage {
    pub(crate) kind: MessageKind,
    pub(crate) body: Vec<u8>,
}

/// What the body of a message contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageKind {
    /// Empty: the child is ready for its first call.
    Ready,
    /// The job's encoded reply.
    Reply,
    /// The job's encoded error.
    JobError,
    /// The message of the job's panic. The child ends after sending it.
    Panicked,
    /// Empty: the child does not serve this job.
    Unknown,
    /// Why the request could not be decoded, or the reply not encoded.
    Undecodable,
    /// The length of the reply in decimal digits. It was longer than allowed.
    TooLarge,
    /// The activity that the job reports. More messages follow.
    Note,
}

const MESSAGE_KINDS: [MessageKind; 8] = [
    MessageKind::Ready,
    MessageKind::Reply,
    MessageKind::JobError,
    MessageKind::Panicked,
    MessageKind::Unknown,
    MessageKind::Undecodable,
    MessageKind::TooLarge,
    MessageKind::Note,
];

impl WorkerMessage {
    pub(crate) fn new(kind: MessageKind, body: Vec<u8>) -> Self {
        Self { kind, body }
    }

    /// Writes the message, in the child.
    pub(crate) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let kind = MESSAGE_KINDS.iter().position(|kind| *kind == self.kind).unwrap_or_default();
        let mut head = [u8::try_from(kind).unwrap_or_default(); 9];
        head[1..].copy_from_slice(&(self.body.len() as u64).to_le_bytes());
        to.write_all(&head)?;
        to.write_all(&self.body)?;
        to.flush()
    }

    /// Reads a message, in the parent. A body of more than `max_bytes` is an error.
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin), max_bytes: u64) -> io::Result<Self> {
        let mut head = [0; 9];
        from.read_exact(&mut head).await?;
        let [kind, length @ ..] = head;
        let kind = MESSAGE_KINDS.get(usize::from(kind)).copied();
        let kind = kind.ok_or_else(|| io::Error::other("an answer of no kind"))?;
        let length = u64::from_le_bytes(length);
        if length > max_bytes {
            return Err(io::Error::other("an answer that is too long"));
        }
        let mut body =
            Vec::with_capacity(usize::try_from(length.min(PREALLOCATED_BYTES)).unwrap_or_default());
        from.take(length).read_to_end(&mut body).await?;
        if (body.len() as u64) < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Self { kind, body })
    }
}

/// Writes a call, in the parent.
pub(crate) async fn write_call(to: &mut (impl AsyncWrite + Unpin), call: &JobCall) -> io::Result<()> {
    let name = call.name.as_bytes().get(..call.name.len().min(MAX_NAME_BYTES)).unwrap_or_default();
    let mut head = Vec::with_capacity(1 + name.len() + 4 * 8);
    head.push(u8::try_from(name.len()).unwrap_or_default());
    head.extend_from_slice(name);
    let milliseconds = u64::try_from(call.time.as_millis()).unwrap_or(u64::MAX);
    for number in [milliseconds, call.memory, call.reply_bytes, call.body.len() as u64] {
        head.extend_from_slice(&number.to_le_bytes());
    }
    to.write_all(&head).await?;
    to.write_all(&call.body).await?;
    to.flush().await
}

impl JobCall {
    /// Reads a call, in the child. The parent has limited its length.
    pub(crate) fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut length = [0; 1];
        from.read_exact(&mut length)?;
        let mut name = vec![0; usize::from(length[0])];
        from.read_exact(&mut name)?;
        let name = String::from_utf8(name).map_err(|_| io::Error::other("a job's name is not UTF-8"))?;
        let mut number = || {
            let mut bytes = [0; 8];
            from.read_exact(&mut bytes).map(|()| u64::from_le_bytes(bytes))
        };
        let (milliseconds, memory, reply_bytes, length) = (number()?, number()?, number()?, number()?);
        let mut body =
            Vec::with_capacity(usize::try_from(length.min(PREALLOCATED_BYTES)).unwrap_or_default());
        from.by_ref().take(length).read_to_end(&mut body)?;
        if (body.len() as u64) < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Self { name, time: Duration::from_millis(milliseconds), memory, reply_bytes, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_and_an_answer_arrive_as_they_were_sent() {
        let call = JobCall {
            name: "paint".into(),
            time: Duration::from_millis(2000),
            memory: 7,
            reply_bytes: u64::MAX,
            body: vec![1; 5000],
        };
        let mut bytes = Vec::new();
        write_call(&mut bytes, &call).await.unwrap();
        assert_eq!(JobCall::read(&mut bytes.as_slice()).unwrap(), call);
        for cut in 0..bytes.len() {
            assert!(JobCall::read(&mut &bytes[..cut]).is_err(), "{cut} bytes are no call");
        }
        let answer = WorkerMessage::new(MessageKind::TooLarge, b"12".to_vec());
        let mut bytes = Vec::new();
        answer.write(&mut bytes).unwrap();
        assert_eq!(WorkerMessage::read(&mut bytes.as_slice(), 2).await.unwrap(), answer);
        assert!(WorkerMessage::read(&mut bytes.as_slice(), 1).await.is_err(), "it is longer than may be");
        for cut in 0..bytes.len() {
            assert!(WorkerMessage::read(&mut &bytes[..cut], 2).await.is_err(), "{cut} bytes are no answer");
        }
    }
}
