//! What the command writes to its standard streams: errors, logs, and what happens when nobody reads.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without, it stops at")]

use std::{
    fs,
    io::{Read as _, Write as _, pipe},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

const SHADER: &str = "@fragment fn main() -> @location(0) vec4f { return vec4f(1.0); }\n";

fn iridule(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_iridule"));
    command.args(arguments.split(' ')).current_dir(folder).stdin(Stdio::null());
    command
}

fn output(folder: &Path, arguments: &str) -> Output {
    iridule(folder, arguments).env("RUST_BACKTRACE", "1").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A folder with a key, a table, a shader and a style.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let table = "round_id,answer,updated_at\n1,200000000000,1680734315\n2,210000000000,1680737915\n";
    fs::write(folder.path().join("rounds.csv"), table).unwrap();
    fs::write(folder.path().join("a.wgsl"), SHADER).unwrap();
    assert!(output(folder.path(), "oracle key new a.key").status.success());
    assert!(output(folder.path(), "style new fresh").status.success());
    folder
}

/// Commands that write to the standard output and end.
const COMMANDS: [&str; 11] = [
    "--help",
    "--version",
    "style new other",
    "style check fresh --tokens 8",
    "style build fresh",
    "style rarity fresh",
    "style list --to file:records --key a.key",
    "render fresh 1 --size 64 -o pictures",
    "oracle key show a.key",
    "oracle replay --csv rounds.csv --log 1 0.01",
    "shade a.wgsl --explain --stats --size 8x8 -o a.png",
];

#[test]
fn a_command_whose_output_nobody_reads_ends_quietly() {
    let folder = folder();
    for arguments in COMMANDS {
        // The reading end is closed before the command begins, so that its first write fails.
        let (_, closed) = pipe().unwrap();
        let output = iridule(folder.path(), arguments).stdout(closed).output().unwrap();
        let said = text(&output.stderr);
        assert!(output.status.success(), "{arguments}: {:?} {said}", output.status);
        assert!(!said.contains("panicked") && !said.contains("rror"), "{arguments}: {said}");
    }
    assert!(folder.path().join("a.png").is_file(), "the picture is painted all the same");
}

#[test]
fn a_command_whose_errors_and_notes_nobody_reads_does_not_panic() {
    let folder = folder();
    for (arguments, code) in [
        ("shade a.wgsl --stats --size 8x8 -o a.png", 0),
        ("oracle key show missing.key", 1),
        ("oracle key", 2),
        ("render fresh 1 --size 64 -o pictures", 0),
    ] {
        let (_, closed) = pipe().unwrap();
        let output = iridule(folder.path(), arguments).stderr(closed).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments}");
    }
}

#[test]
fn an_error_is_one_line_that_says_error_once() {
    let folder = folder();
    fs::write(folder.path().join("relay.toml"), "key = \"a.key\"\nledger = \"l\"\nx = 1\n").unwrap();
    fs::write(folder.path().join("bad.wgsl"), "@fragment fn main() { let a = b; }\n").unwrap();
    for (arguments, says) in [
        ("oracle replay --ledger nowhere", "there is no ledger in nowhere"),
        ("oracle key show missing.key", "missing.key: No such file"),
        ("oracle run --config missing.toml", "missing.toml: No such file"),
        ("oracle run", "unknown field `x`"),
        ("oracle status --relay http://127.0.0.1:1", "Connection refused"),
        ("oracle push --set eth-usd=1", "no development key"),
        ("style check nowhere", "neither a folder"),
        ("render fresh 1 -o a.wgsl", "a.wgsl: cannot be made: "),
        ("shade bad.wgsl -o a.png", "bad.wgsl:1:"),
    ] {
        let output = output(folder.path(), arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments}: {said}");
        assert!(said.starts_with("error: ") && said.contains(says), "{arguments}: {said}");
        assert_eq!(said.matches("rror:").count(), 1, "{arguments}: {said}");
        assert!(!said.contains("stack backtrace") && !said.contains("Caused by"), "{arguments}: {said}");
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that was free a moment ago.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn eventually(what: &str, is: impl Fn() -> bool) {
    let started = Instant::now();
    while !is() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// A relay that reads a feed at this provider.
fn relay(folder: &Path, provider: SocketAddr) -> SocketAddr {
    let listen = free();
    let text = format!(
        "listen = \"{listen}\"\nkey = \"relay.key\"\nledger = \"ledger\"\n\
         [[chain]]\nid = 1\nproviders = [\"http://{provider}\"]\n\
         [feed.eth-usd]\nchain = 1\nproxy = \"0x0000000000000000000000000000000000000001\"\n"
    );
    fs::write(folder.join("relay.toml"), text).unwrap();
    listen
}

#[test]
fn a_service_whose_output_and_log_nobody_reads_runs_on() {
    let folder = TempDir::new().unwrap();
    let listen = relay(folder.path(), free());
    let ((_, output), (_, errors)) = (pipe().unwrap(), pipe().unwrap());
    let mut command = iridule(folder.path(), "oracle run");
    let child = Running(command.stdout(output).stderr(errors).spawn().unwrap());
    eventually("it leads", || get(listen, "/readyz").is_some_and(|said| said.contains("leads")));
    assert!(get(listen, "/healthz").unwrap().ends_with("ok\n"));
    drop(child);
}

/// A provider that answers every question with an error whose text a terminal would obey.
fn impolite() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let error =
        r#"{"jsonrpc":"2.0","id":0,"error":{"code":-1,"message":"\u001b]0;owned\u0007\u009b31m\r\u202eno"}}"#;
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                // One question a connection, as long as it fits.
                let mut asked = [0; 16384];
                let length = stream.read(&mut asked).unwrap_or(0);
                let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
                let id = asked.split("\"id\":").nth(1).and_then(|rest| rest.split([',', '}']).next());
                let error = error.replace("\"id\":0", &format!("\"id\":{}", id.unwrap_or("0")));
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{error}",
                    error.len()
                );
            });
        }
    });
    address
}

#[test]
fn what_others_say_reaches_no_terminal_as_control_characters() {
    let folder = TempDir::new().unwrap();
    let listen = relay(folder.path(), impolite());
    let log = fs::File::create(folder.path().join("log")).unwrap();
    let mut command = iridule(folder.path(), "oracle run");
    command.env("RUST_LOG", "debug").stdout(Stdio::null()).stderr(log);
    let child = Running(command.spawn().unwrap());
    eventually("the feed is not read", || {
        get(listen, "/v1/status").is_some_and(|said| said.contains("owned"))
    });
    let obeyed = |text: &str| {
        text.chars().any(|character| character.is_control() && character != '\n' || character == '\u{202e}')
    };
    for arguments in ["", " --json"] {
        let status = output(folder.path(), &format!("oracle status --relay http://{listen}{arguments}"));
        let said = text(&status.stdout);
        assert!(status.status.success() && said.contains("owned"), "{said}");
        assert!(!obeyed(&said), "{said:?}");
    }
    drop(child);
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("owned"), "{log}");
    assert!(!obeyed(&log), "a log that is no terminal has no escapes of its own either: {log:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_graphics_driver_does_not_complain_about_a_desktop_session() {
    let folder = folder();
    let mut command = iridule(folder.path(), "shade a.wgsl --backend gpu --size 8x8 -o a.png");
    let output = command.env_remove("XDG_RUNTIME_DIR").output().unwrap();
    let said = text(&output.stderr);
    assert!(!said.contains("XDG_RUNTIME_DIR"), "{said}");
    // Without any device there is nobody to complain.
    assert!(output.status.success() || said.contains("no graphics device"), "{said}");
}
