//! Requests that turn their connection into another protocol, as the console's watches do, on their way through.

use http::{HeaderMap, HeaderName, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

use super::proxy;
use super::respond::Answer;
use super::server::{Incoming, Server};
use crate::member::RestConfig;
use crate::member::api_client::cause_of;

/// Whether `headers` ask for it (k8s.io/apimachinery, `pkg/util/httpstream`).
#[must_use]
pub fn is_asked_for(headers: &HeaderMap) -> bool {
    let asks =
        |value: &http::HeaderValue| value.to_str().is_ok_and(|value| value.to_ascii_lowercase().contains("upgrade"));
    headers.get_all(header::CONNECTION).iter().any(asks)
}

/// Sends `request` to `target` of the server of `config`, and joins both connections where that agrees.
///
/// # Errors
/// The cause in Go's words when no answer came.
pub async fn forward(
    server: &Server,
    config: &RestConfig,
    request: Incoming,
    upgrade: OnUpgrade,
    target: &str,
    carried_as: Option<HeaderName>,
) -> Result<Answer, String> {
    let client = config.connect_for_upgrade(&server.ctx).map_err(|error| error.to_string())?;
    let asked = kept(&request.headers);
    let mut onward = proxy::onward(request, target, carried_as)?;
    onward.headers_mut().extend(asked);
    let mut answer = client.send(onward).await.map_err(|error| cause_of(&error))?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(proxy::answer_of(answer));
    }
    let theirs = hyper::upgrade::on(&mut answer);
    let agreed = kept(answer.headers());
    let stop = server.ctx.stop.clone();
    tokio::spawn(async move {
        let joined = async {
            if let (Ok(ours), Ok(theirs)) = tokio::join!(upgrade, theirs) {
                // Whichever side ends first, the other hears of it by its own end.
                let _broken = copy_bidirectional(&mut TokioIo::new(ours), &mut TokioIo::new(theirs)).await;
            }
        };
        let _stopped = stop.run_until_cancelled(joined).await;
    });
    let mut answer = proxy::answer_of(answer);
    answer.headers_mut().extend(agreed);
    Ok(answer)
}

/// The headers that ask for another protocol or agree to it, which otherwise concern one connection alone.
fn kept(headers: &HeaderMap) -> HeaderMap {
    [header::CONNECTION, header::UPGRADE]
        .into_iter()
        .filter_map(|name| headers.get(&name).cloned().map(|value| (name, value)))
        .collect()
}
