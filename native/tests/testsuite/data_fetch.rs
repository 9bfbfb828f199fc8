//! `lastbit data fetch` from a server on this machine, which can also misbehave.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use md5::{Digest, Md5};

#[cfg(unix)]
use crate::common::child::{spawn, stop};
use crate::common::{Ended, assert_refused, command, lastbit, names_in, scratch, text};

const ARCHIVE: &str = "cifar-10-binary.tar.gz";
const FASHION: [&str; 4] = [
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
];

/// How the server answers a request.
#[derive(Clone, Copy)]
enum Manner {
    /// Serves files and ranges of them.
    Good,
    /// Always sends the whole file.
    NoRanges,
    /// Promises the whole file and closes the connection after this many bytes.
    CutAfter(usize),
    /// Promises this many bytes.
    Promises(u64),
    /// Sends endless data without a length.
    Endless,
    /// Sends another range than the requested one.
    WrongRange,
    /// Sends half of the file and keeps the connection open.
    #[cfg(unix)]
    Stalls,
}

/// A server with files. It records its requests.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
    manner: Arc<Mutex<Manner>>,
}

impl Server {
    fn new(manner: Manner, files: &[(&str, Vec<u8>)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/mirror", listener.local_addr().unwrap());
        let server = Self { url, requests: Arc::default(), manner: Arc::new(Mutex::new(manner)) };
        let (requests, manner) = (server.requests.clone(), server.manner.clone());
        let files: Vec<(String, Vec<u8>)> =
            files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.clone())).collect();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (requests, manner, files) = (requests.clone(), *manner.lock().unwrap(), files.clone());
                // A client that closes the connection is not an error.
                std::thread::spawn(move || answer(&stream.unwrap(), &requests, manner, &files));
            }
        });
        server
    }

    fn set(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// The requests since the last call, each as `NAME` or `NAME bytes=N-`.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

fn answer(
    mut stream: &TcpStream,
    requests: &Mutex<Vec<String>>,
    manner: Manner,
    files: &[(String, Vec<u8>)],
) -> std::io::Result<()> {
    let head: Vec<String> =
        BufReader::new(stream).lines().map_while(Result::ok).take_while(|l| !l.is_empty()).collect();
    let path = head[0].split(' ').nth(1).unwrap();
    let name = path.strip_prefix("/mirror/").unwrap_or("outside");
    let range = head.iter().find_map(|line| line.to_lowercase().strip_prefix("range: ").map(str::to_owned));
    requests
        .lock()
        .unwrap()
        .push([Some(name.to_owned()), range.clone()].into_iter().flatten().collect::<Vec<_>>().join(" "));
    let mut reply = |status: &str, headers: &str, body: &[u8]| {
        write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\n{headers}\r\n")?;
        stream.write_all(body)
    };
    let Some((_, bytes)) = files.iter().find(|(file, _)| file == name) else {
        return reply("404 Not Found", "content-length: 4\r\n", b"gone");
    };
    let length = format!("content-length: {}\r\n", bytes.len());
    let from: Option<usize> =
        range.map(|range| range.strip_prefix("bytes=").unwrap().trim_end_matches('-').parse().unwrap());
    match (manner, from) {
        (Manner::Good, Some(from)) if from >= bytes.len() => reply(
            "416 Range Not Satisfiable",
            &format!("content-range: bytes */{}\r\ncontent-length: 0\r\n", bytes.len()),
            b"",
        ),
        (Manner::Good | Manner::WrongRange, Some(from)) => {
            let from = if matches!(manner, Manner::WrongRange) { from / 2 } else { from };
            let rest = &bytes[from..];
            let range = format!("content-range: bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
            reply("206 Partial Content", &format!("{range}\r\ncontent-length: {}\r\n", rest.len()), rest)
        }
        (Manner::Good | Manner::NoRanges | Manner::WrongRange, _) => reply("200 OK", &length, bytes),
        (Manner::CutAfter(n), _) => reply("200 OK", &length, &bytes[..n]),
        (Manner::Promises(n), _) => reply("200 OK", &format!("content-length: {n}\r\n"), bytes),
        (Manner::Endless, _) => {
            reply("200 OK", "", bytes)?;
            loop {
                stream.write_all(&[0; 4096])?;
            }
        }
        #[cfg(unix)]
        (Manner::Stalls, _) => {
            reply("200 OK", &length, &bytes[..bytes.len() / 2])?;
            loop {
                std::thread::park();
            }
        }
    }
}

fn md5(bytes: &[u8]) -> String {
    format!("{:x}", Md5::digest(bytes))
}

/// Random bytes. Their checksum makes them a valid download.
fn content(n: usize) -> Vec<u8> {
    (0..n as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn fetch_command(name: &str, server: &Server, md5s: &[String], folder: &Path) -> std::process::Command {
    let md5s = md5s.join(",");
    let mut command =
        command(["data", "fetch", name, "--url", &server.url, "--md5", &md5s, "--data-dir", text(folder)]);
    for proxy in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    command
}

/// Fetches CIFAR-10's archive and expects `bytes`.
fn fetch(server: &Server, bytes: &[u8], folder: &Path) -> Ended {
    fetch_command("cifar10", server, &[md5(bytes)], folder).output().unwrap().into()
}

/// Checks that the folder contains the complete file and nothing else.
fn assert_complete(ended: &Ended, folder: &Path, bytes: &[u8]) {
    assert!(ended.code == Some(0) && ended.err.is_empty(), "{ended:?}");
    assert_eq!(names_in(folder), [ARCHIVE]);
    assert!(fs::read(folder.join(ARCHIVE)).unwrap() == bytes);
}

#[test]
fn a_file_is_downloaded_once() {
    let folder = scratch("fetch-whole").join("made").join("on-the-way");
    let bytes = content(300_000);
    let server = Server::new(Manner::Good, &[(ARCHIVE, bytes.clone())]);
    let ended = fetch(&server, &bytes, &folder);
    assert_complete(&ended, &folder, &bytes);
    for part in ["292.97 KiB", "with the right checksum", "Krizhevsky", "2009"] {
        assert!(ended.out.contains(part), "{part}: {ended:?}");
    }
    assert!(!ended.out.contains('\u{1b}') && !ended.out.contains('\r'), "a progress bar in a pipe: {ended:?}");
    assert_eq!(server.asked(), [ARCHIVE]);
    let again = fetch(&server, &bytes, &folder);
    assert_complete(&again, &folder, &bytes);
    assert!(again.out.contains("is there already"), "{again:?}");
    assert!(server.asked().is_empty());
    // Only a complete download replaces a damaged file.
    fs::write(folder.join(ARCHIVE), "damaged").unwrap();
    server.set(Manner::CutAfter(1000));
    assert_eq!(fetch(&server, &bytes, &folder).code, Some(1));
    assert_eq!(fs::read(folder.join(ARCHIVE)).unwrap(), b"damaged");
    server.set(Manner::Good);
    assert_complete(&fetch(&server, &bytes, &folder), &folder, &bytes);
}

#[test]
fn a_broken_download_resumes() {
    let folder = scratch("fetch-resume");
    let bytes = content(300_000);
    let part = folder.join(format!("{ARCHIVE}.part"));
    let server = Server::new(Manner::CutAfter(200_000), &[(ARCHIVE, bytes.clone())]);
    let ended = fetch(&server, &bytes, &folder);
    assert_eq!(ended.out.lines().count(), 3, "one line, and one for each quarter received: {ended:?}");
    let ended = Ended { out: String::new(), ..ended };
    assert_refused(&ended, 1, &["after 200000 bytes", ".part", "same command again"]);
    assert!(fs::read(&part).unwrap() == bytes[..200_000]);
    server.set(Manner::Good);
    let ended = fetch(&server, &bytes, &folder);
    assert_complete(&ended, &folder, &bytes);
    assert!(ended.out.contains("resuming after 195.31 KiB"), "{ended:?}");
    assert_eq!(server.asked(), [ARCHIVE.to_owned(), format!("{ARCHIVE} bytes=200000-")]);

    // A complete part needs no server. A part that is too long is downloaded again.
    fs::rename(folder.join(ARCHIVE), &part).unwrap();
    assert_complete(&fetch(&server, &bytes, &folder), &folder, &bytes);
    assert!(server.asked().is_empty());
    fs::remove_file(folder.join(ARCHIVE)).unwrap();
    fs::write(&part, content(300_001)).unwrap();
    assert_complete(&fetch(&server, &bytes, &folder), &folder, &bytes);
    assert_eq!(server.asked(), [format!("{ARCHIVE} bytes=300001-"), ARCHIVE.to_owned()]);

    // A server without ranges sends the whole file, whatever the part contains.
    fs::remove_file(folder.join(ARCHIVE)).unwrap();
    fs::write(&part, "something else").unwrap();
    server.set(Manner::NoRanges);
    assert_complete(&fetch(&server, &bytes, &folder), &folder, &bytes);
    // A server that sends another range is refused, and the part stays.
    fs::remove_file(folder.join(ARCHIVE)).unwrap();
    fs::write(&part, &bytes[..1000]).unwrap();
    server.set(Manner::WrongRange);
    assert_refused(&fetch(&server, &bytes, &folder), 1, &["206", "--url"]);
    assert_eq!(fs::read(&part).unwrap(), bytes[..1000]);
}

#[test]
fn wrong_downloads_are_removed() {
    let folder = scratch("fetch-wrong");
    let bytes = content(5000);
    let server = Server::new(Manner::Good, &[(ARCHIVE, bytes.clone())]);
    let refused = |expected: &[u8], parts: &[&str]| {
        let ended = fetch(&server, expected, &folder);
        assert_refused(&Ended { out: String::new(), ..ended }, 1, parts);
        assert!(names_in(&folder).is_empty(), "{:?}", names_in(&folder));
    };
    let other = content(6000);
    refused(&other, &[ARCHIVE, &md5(&bytes), &md5(&other), "removed"]);
    // A part of another file, to which the rest does not fit.
    fs::write(folder.join(format!("{ARCHIVE}.part")), "something else").unwrap();
    refused(&bytes, &[ARCHIVE, &md5(&bytes), "removed"]);
    server.set(Manner::Promises(1 << 40));
    refused(&bytes, &["1099511627776 bytes", "170052171", "--url"]);
}

#[test]
fn an_endless_download_is_refused() {
    let folder = scratch("fetch-endless");
    let files: Vec<_> = FASHION.iter().map(|name| (*name, content(1000))).collect();
    let md5s = vec![md5(&content(1000)); 4];
    let server = Server::new(Manner::Good, &files);
    let run = || -> Ended { fetch_command("fashion-mnist", &server, &md5s, &folder).output().unwrap().into() };
    assert_eq!(run().code, Some(0));
    // The last file is the smallest: 5148 bytes.
    fs::remove_file(folder.join("fashion-mnist").join(FASHION[3])).unwrap();
    server.set(Manner::Endless);
    assert_refused(&Ended { out: String::new(), ..run() }, 1, &[FASHION[3], "5149 bytes or more", "has 5148"]);
    assert_eq!(names_in(&folder.join("fashion-mnist")).len(), 3);
}

#[test]
fn missing_files_and_servers_are_named() {
    let folder = scratch("fetch-missing");
    let server = Server::new(Manner::Good, &[]);
    let bytes = content(10);
    let remedies = [ARCHIVE, &md5(&bytes), text(&folder), "another machine"];
    let ended = fetch(&server, &bytes, &folder);
    assert_refused(&ended, 1, &[&remedies[..], &["404 Not Found", "--url", &server.url]].concat());
    assert!(names_in(&folder).is_empty());

    // A port without a server.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = Server { url: format!("http://{port}"), requests: Arc::default(), manner: server.manner.clone() };
    assert_refused(&fetch(&nobody, &bytes, &folder), 1, &[&remedies[..], &["cannot download", &nobody.url]].concat());
    for url in ["no-such-host.invalid", "ftp://127.0.0.1", "not a url"] {
        let odd = Server { url: url.to_owned(), requests: Arc::default(), manner: server.manner.clone() };
        assert_refused(&fetch(&odd, &bytes, &folder), 1, &["cannot download", url]);
    }
    assert!(names_in(&folder).is_empty());

    fs::write(folder.join("file"), "").unwrap();
    assert_refused(&fetch(&server, &bytes, &folder.join("file")), 1, &["file", "in the way"]);
}

#[test]
fn fashion_mnist_is_found_after_its_download() {
    let folder = scratch("fetch-fashion");
    let idx = |magic: u32, dimensions: &[u32], items: usize| {
        let head = std::iter::once(&magic).chain(dimensions).flat_map(|word| word.to_be_bytes());
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&head.chain(vec![1; items]).collect::<Vec<_>>()).unwrap();
        encoder.finish().unwrap()
    };
    let contents: Vec<_> = [20, 10]
        .into_iter()
        .flat_map(|n| [idx(0x0803, &[n, 28, 28], n as usize * 784), idx(0x0801, &[n], n as usize)])
        .collect();
    let files: Vec<_> = FASHION.into_iter().zip(contents.clone()).collect();
    let md5s: Vec<_> = contents.iter().map(|bytes| md5(bytes)).collect();
    let server = Server::new(Manner::Good, &files);
    let ended: Ended = fetch_command("fashion-mnist", &server, &md5s, &folder).output().unwrap().into();
    assert!(ended.code == Some(0) && ended.out.contains("MIT") && ended.out.contains("Vollgraf"), "{ended:?}");
    assert_eq!(server.asked(), FASHION);
    let info = lastbit(&["data", "info", "fashion-mnist", "--json", "--data-dir", text(&folder)]);
    let info: serde_json::Value = serde_json::from_str(&info.out).unwrap();
    assert_eq!((&info["train"], &info["classes"][1]["test"]), (&20.into(), &10.into()));
}

#[test]
fn bad_command_lines_are_refused() {
    assert_refused(&lastbit(&["data", "fetch", "folder"]), 2, &["folder", "cifar10, fashion-mnist"]);
    assert_refused(&lastbit(&["data", "fetch"]), 2, &["NAME"]);
    assert_refused(&lastbit(&["data", "fetch", "fashion-mnist", "--md5", "1,2"]), 2, &["--md5", "4 files"]);
    assert_eq!(lastbit(&["data"]).code, Some(2));
}

#[test]
#[cfg(unix)]
fn ctrl_c_keeps_the_partial_download() {
    let folder = scratch("fetch-stopped");
    let bytes = content(300_000);
    let part = folder.join(format!("{ARCHIVE}.part"));
    let server = Server::new(Manner::Stalls, &[(ARCHIVE, bytes.clone())]);
    let mut child = spawn(fetch_command("cifar10", &server, &[md5(&bytes)], &folder));
    while fs::metadata(&part).map_or(0, |data| data.len()) < 150_000 {
        assert!(child.try_wait().unwrap().is_none(), "the download ended too early");
        std::thread::yield_now();
    }
    // A second download into the same file is refused.
    assert_refused(&fetch(&server, &bytes, &folder), 1, &["another lastbit", ".part"]);
    let ended = stop(child, "INT");
    assert!(ended.code == Some(130) && ended.err.contains("run the same command again"), "{ended:?}");
    server.set(Manner::Good);
    assert_complete(&fetch(&server, &bytes, &folder), &folder, &bytes);
}
