//! Reading what others send or keep, with a bound on its size: answers over HTTP, and files.
//!
//! How long an answer may take, and which addresses are connected to, is set on the client that sends the request.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use reqwest::{RequestBuilder, StatusCode, header};

/// Largest file with a key or a token, bytes.
pub const SECRET_BYTES: u64 = 64 << 10;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// It could not be reached, broke off or took too long.
    #[error("{0}")]
    Network(String),
    /// It sent more than it may.
    #[error("{}", too_long(*.limit, *.announced))]
    TooLong {
        /// Most bytes of an answer.
        limit: usize,
        /// How many bytes it said that it would send.
        announced: Option<u64>,
    },
    /// It sent the request elsewhere, and the client does not follow.
    #[error(
        "it answers {status} and names another address; redirects are not followed, so write the final one"
    )]
    Redirected {
        /// The HTTP status.
        status: u16,
    },
}

fn too_long(limit: usize, announced: Option<u64>) -> String {
    match announced {
        Some(bytes) => format!("its answer has {bytes} bytes, more than the {limit} that are read"),
        None => format!("its answer is longer than the {limit} bytes that are read"),
    }
}

/// Sends a request, and reads an answer of at most `limit` bytes.
///
/// # Errors
/// [`Unanswered`]. An answer of any status is an answer, except for a redirect that the client did not follow.
pub async fn read(request: RequestBuilder, limit: usize) -> Result<(StatusCode, Vec<u8>), Unanswered> {
    let network = |why: reqwest::Error| Unanswered::Network(root_cause(&why));
    let mut answer = request.send().await.map_err(network)?;
    let status = answer.status();
    if status.is_redirection() && answer.headers().contains_key(header::LOCATION) {
        return Err(Unanswered::Redirected { status: status.as_u16() });
    }
    let announced = answer.content_length();
    if announced.is_some_and(|bytes| bytes > limit as u64) {
        return Err(Unanswered::TooLong { limit, announced });
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(network)? {
        if chunk.len() > limit - body.len() {
            return Err(Unanswered::TooLong { limit, announced: None });
        }
        body.extend_from_slice(&chunk);
    }
    Ok((status, body))
}

/// Reads a file whole, if it has at most `limit` bytes. No more than that is read, also of a file that grows meanwhile or
/// does not know its size, such as a pipe.
///
/// # Errors
/// What the system says; [`io::ErrorKind::FileTooLarge`] for a longer file.
pub fn read_file(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    if size > limit {
        return Err(too_large(&format!("it has {size} bytes, at most {limit} are read")));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(too_large(&format!("it has more than the {limit} bytes that are read")));
    }
    Ok(bytes)
}

/// The same of a text.
///
/// # Errors
/// As [`read_file`]; [`io::ErrorKind::InvalidData`] for what is not UTF-8.
pub fn read_text_file(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read_file(path, limit)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

fn too_large(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, why)
}

/// The innermost reason of a failed request: the outer ones only repeat the address, which may hold a key.
#[must_use]
pub fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _, net::TcpListener, thread, time::Duration};

    use reqwest::{Client, redirect::Policy};

    use super::*;

    /// Answers every connection with these bytes, and keeps it open for a while.
    fn answering(bytes: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(bytes);
                thread::spawn(move || {
                    thread::sleep(Duration::from_secs(5));
                    drop(stream);
                });
            }
        });
        url
    }

    async fn answer_of(url: &str, limit: usize) -> Result<(StatusCode, Vec<u8>), Unanswered> {
        let client = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        read(client.get(url).timeout(Duration::from_secs(2)), limit).await
    }

    #[tokio::test]
    async fn an_answer_is_refused_by_the_length_that_it_announces() {
        let url = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 4294967296\r\n\r\n");
        let refused = Unanswered::TooLong { limit: 1000, announced: Some(1 << 32) };
        assert_eq!(answer_of(&url, 1000).await, Err(refused));
    }

    #[tokio::test]
    async fn an_answer_without_a_length_is_read_up_to_the_limit() {
        let url = answering(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n");
        assert_eq!(answer_of(&url, 5).await, Ok((StatusCode::OK, b"12345".to_vec())));
        assert_eq!(answer_of(&url, 4).await, Err(Unanswered::TooLong { limit: 4, announced: None }));
    }

    #[tokio::test]
    async fn a_redirect_is_named_and_not_followed() {
        let url = answering(b"HTTP/1.1 307 T\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(answer_of(&url, 4).await, Err(Unanswered::Redirected { status: 307 }));
    }

    #[tokio::test]
    async fn an_answer_that_does_not_end_is_given_up() {
        let url = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n123");
        assert!(matches!(answer_of(&url, 10).await, Err(Unanswered::Network(_))));
    }

    #[test]
    fn a_file_over_its_limit_is_refused_before_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_file(&path, 5).unwrap(), b"12345");
        assert_eq!(read_file(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        // A terabyte that takes no room on the disk: reading it would end the process.
        File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(read_file(&path, SECRET_BYTES).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        // A file that does not know its size.
        #[cfg(target_os = "linux")]
        assert_eq!(read_file(Path::new("/dev/zero"), 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
