//! A client whose watches break, and ask for versions that are long gone, in a fixed turn.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::StreamExt as _;
use http::{Request, Response, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Body as HttpBody, Frame};
use kube::Client;
use kube::client::{Body, ClientBuilder};
use regex::Regex;
use tower::{BoxError, Layer, Service};

use super::Cause;
use crate::servers::Access;

/// What happens to a watch, in turn.
const TURNS: [Turn; 3] = [Turn::EndsAfter(7), Turn::FromTheBeginning, Turn::EndsAfter(40)];

#[derive(Debug, Clone, Copy)]
enum Turn {
    /// Its stream ends after so many pieces.
    EndsAfter(usize),
    /// It asks for the first version of all.
    FromTheBeginning,
}

/// A client with unrest.
pub(super) async fn client(access: &Access) -> Result<Client, Cause> {
    let unrest = Unrest { watches: Arc::default(), version: Regex::new(r"resourceVersion=\d+")? };
    Ok(ClientBuilder::try_from(access.config().await?)?.with_layer(&unrest).build())
}

#[derive(Clone)]
struct Unrest {
    watches: Arc<AtomicUsize>,
    version: Regex,
}

impl<S> Layer<S> for Unrest {
    type Service = Unruly<S>;

    fn layer(&self, inner: S) -> Unruly<S> {
        Unruly { inner, unrest: self.clone() }
    }
}

struct Unruly<S> {
    inner: S,
    unrest: Unrest,
}

impl Unrest {
    /// Changes a watch's request as its turn says; returns how many pieces of the answer get through.
    fn disturb(&self, uri: &mut Uri) -> usize {
        if !uri.query().is_some_and(|query| query.contains("watch=true")) {
            return usize::MAX;
        }
        let watch = self.watches.fetch_add(1, Ordering::Relaxed);
        if let Some(Turn::EndsAfter(pieces)) = TURNS.get(watch % TURNS.len()) {
            return *pieces;
        }
        let beginning = self.version.replace(&uri.to_string(), "resourceVersion=1").into_owned();
        if let Ok(beginning) = beginning.parse() {
            *uri = beginning;
        }
        usize::MAX
    }
}

impl<S, B> Service<Request<Body>> for Unruly<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<UnsyncBoxBody<Bytes, BoxError>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let pieces = self.unrest.disturb(request.uri_mut());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await.map_err(Into::into)?;
            Ok(answer.map(|body| {
                let through = body.into_data_stream().take(pieces);
                StreamBody::new(through.map(|piece| piece.map(Frame::data).map_err(Into::into))).boxed_unsync()
            }))
        })
    }
}
