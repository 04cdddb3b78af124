//! Sends requests, caches responses, and records all exchanges.

use std::collections::HashMap;
use std::rc::Rc;

use super::exchange::{Exchange, Request, Response};
use super::limits;

/// A server that responds to requests.
pub(crate) trait Server {
    /// Sends a request and returns the response.
    ///
    /// # Errors
    /// Why there is no response.
    fn send(&mut self, request: &Request) -> Result<Response, String>;
}

/// The session with a server.
pub(crate) struct Session<S> {
    server: S,
    kept: HashMap<Request, Rc<Exchange>>,
    kept_bytes: u64,
    log: Vec<Exchange>,
}

impl<S: Server> Session<S> {
    pub(crate) fn new(server: S) -> Self {
        Self { server, kept: HashMap::new(), kept_bytes: 0, log: Vec::new() }
    }

    /// The response, which may be cached.
    pub(crate) fn send(&mut self, request: &Request) -> Rc<Exchange> {
        match self.kept.get(request) {
            Some(kept) => kept.clone(),
            None => self.request_again(request),
        }
    }

    /// A fresh response.
    pub(crate) fn request_again(&mut self, request: &Request) -> Rc<Exchange> {
        let exchange = Rc::new(Exchange { request: request.clone(), result: self.server.send(request) });
        self.note(&exchange);
        let length = exchange.result.as_ref().map_or(0, |response| response.body.len() as u64);
        if self.kept_bytes.saturating_add(length) <= limits::KEPT {
            self.kept_bytes += length;
            self.kept.insert(request.clone(), exchange.clone());
        }
        exchange
    }

    /// All exchanges; bodies of successful responses are truncated.
    pub(crate) fn log(&self) -> &[Exchange] {
        &self.log
    }

    fn note(&mut self, exchange: &Exchange) {
        let mut noted = exchange.clone();
        if let Ok(response) = &mut noted.result {
            response.body.truncate(if response.status < 400 { limits::NOTED_GOOD } else { limits::NOTED });
        }
        if self.log.len() < limits::EXCHANGES {
            self.log.push(noted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(usize);

    impl Server for Counting {
        fn send(&mut self, _: &Request) -> Result<Response, String> {
            self.0 += 1;
            let body = vec![b'x'; 1_000];
            Ok(Response { status: 200, headers: vec![("n".to_owned(), self.0.to_string())], body })
        }
    }

    #[test]
    fn caches_responses() {
        let mut session = Session::new(Counting(0));
        let number = |exchange: Rc<Exchange>| exchange.result.clone().unwrap().header("n").map(str::to_owned);
        let request = Request::get("/a");
        assert_eq!(number(session.send(&request)).as_deref(), Some("1"));
        assert_eq!(number(session.send(&request)).as_deref(), Some("1"));
        assert_eq!(number(session.request_again(&request)).as_deref(), Some("2"));
        assert_eq!(number(session.send(&request)).as_deref(), Some("2"));
        assert_eq!(number(session.send(&Request::get("/b"))).as_deref(), Some("3"));
        assert_eq!(session.log().len(), 3);
        assert_eq!(session.log()[0].result.as_ref().unwrap().body.len(), limits::NOTED_GOOD);
    }
}
