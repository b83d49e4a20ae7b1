//! How the handlers of Clusters refuse.

use http::StatusCode;
use nodes::network::serve::Abort;

use crate::apiserver::respond::{self, Answer};
use crate::apiserver::server::Server;

/// A refusal: the line of KubeSphere's handler that reports it, and its text.
pub struct Refusal {
    line: u32,
    text: String,
}

impl Refusal {
    /// `text`, reported by `line` of v3.3.2.
    pub fn new(line: u32, text: impl std::fmt::Display) -> Self {
        Self { line, text: text.to_string() }
    }

    /// Configurations that do not fit.
    pub fn configuration(line: u32, text: &str) -> Self {
        Self::new(line, format!("failed to validate member cluster configuration, err: {text}"))
    }

    /// The answer.
    pub fn answer(&self, server: &Server) -> Answer {
        self.log(server);
        respond::text_error(StatusCode::BAD_REQUEST, &self.text)
    }

    /// The answer of a handler that wrote this one and went on to `next`: Go's `http.Error` twice.
    pub fn and(&self, next: &Self, server: &Server) -> Answer {
        self.log(server);
        next.log(server);
        respond::text_error(StatusCode::BAD_REQUEST, &format!("{}\n{}", self.text, next.text))
    }

    fn log(&self, server: &Server) {
        server.log('E', "utils.go:76", &format!("handler.go:{} {}", self.line, self.text));
    }
}

/// Where the handler follows a pointer that is nil.
pub fn panics(server: &Server) -> Abort {
    server.log(
        'E',
        "server.go",
        "http: panic serving: runtime error: invalid memory address or nil pointer dereference",
    );
    Abort
}
