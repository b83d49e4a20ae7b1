//! Requests from within the process: the same answers, without a connection and TLS.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, BodyStream, Either, Full, StreamBody};
use hyper::body::Body as _;

use crate::answer::Body;
use crate::authn::{PeerCertificate, User};
use crate::state::State;
use crate::{ApiServer, handler};

/// The server has stopped, and answers nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the API server has stopped")]
pub struct Stopped;

/// A way to the server from within its process: what a connection leads to.
#[derive(Clone)]
pub struct InProcess {
    state: Arc<State>,
    peer: Arc<PeerCertificate>,
    managed_fields: bool,
}

/// A mark on requests of those who do not read `metadata.managedFields`.
#[derive(Clone, Copy)]
pub struct WithoutManagedFields;

impl ApiServer {
    /// A way for the administrator, `kubernetes-admin` of `system:masters`.
    #[must_use]
    pub fn in_process_as_administrator(&self) -> InProcess {
        let user = User::authenticated("kubernetes-admin", vec!["system:masters".to_owned()]);
        self.in_process_of(PeerCertificate::Known { user, from: i64::MIN, until: i64::MAX })
    }

    /// A way for those who show no certificate: a request's `Authorization` header tells who it is.
    #[must_use]
    pub fn in_process(&self) -> InProcess {
        self.in_process_of(PeerCertificate::Absent)
    }

    fn in_process_of(&self, peer: PeerCertificate) -> InProcess {
        InProcess { state: Arc::clone(&self.running.state), peer: Arc::new(peer), managed_fields: true }
    }
}

impl InProcess {
    /// The same way for someone who does not read `metadata.managedFields`, the larger part of many objects: they are
    /// left out of JSON. Who writes an object without them leaves them as they are, as everywhere.
    #[must_use]
    pub fn without_managed_fields(self) -> Self {
        Self { managed_fields: false, ..self }
    }

    /// Answers `request`. What a stream has not brought when the server stops does not come.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn answer(&self, request: Request<Bytes>) -> Result<Response<Body>, Stopped> {
        let mut request = request.map(|body| Either::Right(Full::new(body)));
        if !self.managed_fields {
            request.extensions_mut().insert(WithoutManagedFields);
        }
        let stop = self.state.stop.clone();
        // In its place: it is large, and would be moved.
        let answer = pin!(handler::handle(Arc::clone(&self.state), Arc::clone(&self.peer), request));
        let answer = stop.run_until_cancelled(answer).await.ok_or(Stopped)?;
        Ok(answer.map(|body| {
            if body.size_hint().exact().is_some() {
                return body;
            }
            let frames = futures::StreamExt::take_until(BodyStream::new(body), stop.cancelled_owned());
            StreamBody::new(frames).boxed_unsync()
        }))
    }
}
