//! An API server for unit tests: it holds nothing and refuses every watch.

use http::{Request, Response, StatusCode};
use kube::client::Body;

/// A client of it.
pub(crate) fn client() -> kube::Client {
    kube::Client::new(tower::service_fn(|request: Request<Body>| async move { answer(&request) }), "default")
}

fn answer(request: &Request<Body>) -> Result<Response<Body>, http::Error> {
    if request.uri().query().is_some_and(|query| query.contains("watch=")) {
        return Response::builder().status(StatusCode::METHOD_NOT_ALLOWED).body(Body::empty());
    }
    let list =
        serde_json::json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": []});
    Response::builder().body(Body::from(list.to_string().into_bytes()))
}
