//! The HTTP/1.1 that the benchmarks' own servers and clients need. bench/hyper includes this file as a module, too.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// A request.
pub struct Request {
    head: String,
}

impl Request {
    /// The next request of a connection, with its body; `None` at the connection's end.
    pub fn read(stream: &mut impl BufRead) -> io::Result<Option<Self>> {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let start = head.len();
            if stream.read_line(&mut head)? == 0 {
                return Ok(None);
            }
            let line = head[start..].trim_end();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("Content-Length")
            {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        // No benchmark server needs a body, but the next request follows it.
        let body = io::copy(&mut stream.take(length), &mut io::sink())?;
        Ok((body == length).then_some(Self { head }))
    }

    /// Whether it is a POST.
    pub fn is_post(&self) -> bool {
        self.head.starts_with("POST ")
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or_default()
    }

    /// The value of a query parameter, not percent-decoded.
    pub fn query(&self, name: &str) -> Option<&str> {
        let pairs = self.target().split_once('?')?.1.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(other, _)| *other == name).map(|(_, value)| value).next()
    }

    /// Whether a line of the head starts with `start`, in any case.
    pub fn has_line(&self, start: &str) -> bool {
        self.head.lines().any(|line| line.get(..start.len()).is_some_and(|line| line.eq_ignore_ascii_case(start)))
    }

    fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }
}

/// Writes a response, after which the connection stays open.
pub fn answer(stream: &mut impl Write, media_type: &str, body: &str) -> io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n", body.len())?;
    stream.write_all(body.as_bytes())?;
    stream.flush()
}

/// Writes a page of metrics. Returns the bytes written.
pub fn page(stream: &mut impl Write, parts: &[&str]) -> io::Result<usize> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {length}\r\n\r\n");
    // One write, because each write becomes a TCP segment.
    let whole = head + &parts.concat();
    stream.write_all(whole.as_bytes())?;
    Ok(whole.len())
}

/// Serves a page of metrics to every client, one connection after the other, until this process ends.
pub fn upstream(text: String) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let request = Request::read(&mut BufReader::new(&stream));
            if let Err(error) = request.and_then(|_| page(&mut stream, &[&text])) {
                eprintln!("the upstream could not answer: {error}");
            }
        }
    });
    Ok(address)
}

/// Requests a path; returns the status code and body.
pub fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    // Responses to HTTP/1.0 are not chunked.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok((code, body.to_owned()))
}
