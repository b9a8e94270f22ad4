//! Calls to sources that speak HTTP: what an owner configured is asked, once. What went wrong before a byte of the request
//! was sent did not happen; everything after that may have. It must never follow a redirect, use a proxy, or put a byte of
//! the request or the answer into an error.

use super::{Outside, handshake, open};
use bytes::Bytes;
use cardea_model::SecretBytes;
use cardea_sdk::call::{ANSWER_BYTES_MAX, Call, HttpAnswer, HttpCall};
use cardea_sdk::{ExternalError, OutsideContext, async_trait};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::Request;
use hyper::header::{ACCEPT, HOST, HeaderValue, USER_AGENT};
use std::time::Duration;
use zeroize::Zeroizing;

/// Longest that an answer may take once the request is on its way: a provider makes a key in less, and a step of a rotation
/// has room for a few calls.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(20);

#[async_trait]
impl Call for Outside {
    async fn call_source(&self, _cx: &OutsideContext<'_>, call: &HttpCall<'_>) -> Result<HttpAnswer, ExternalError> {
        self.send(call).await
    }
}

impl Outside {
    pub(super) async fn send(&self, call: &HttpCall<'_>) -> Result<HttpAnswer, ExternalError> {
        let unreachable = |why: String| ExternalError::unreachable("the source cannot be reached", why);
        let address = format!("{}{}", call.address.as_str(), call.target);
        let opened = tokio::time::timeout(self.limit, open(&address, call.ca_pem)).await;
        let (wire, uri) = match opened {
            Ok(opened) => opened.map_err(|error| unreachable(error.0))?,
            Err(_) => return Err(unreachable("no connection in time".to_owned())),
        };
        let mut request = Request::builder()
            .method(call.method.as_str())
            .uri(uri.path_and_query().map_or("/", |path| path.as_str()))
            .header(HOST, uri.authority().map_or("", |authority| authority.as_str()))
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, "cardea");
        for (name, value) in &call.headers {
            let mut value = HeaderValue::from_str(value.expose()).map_err(|_| {
                ExternalError::refused("a header of the request cannot be sent", "not a header's value")
            })?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        let body = Bytes::from_owner(Zeroizing::new(call.body.expose().to_vec()));
        let request = request
            .body(Full::new(body))
            .map_err(|_| ExternalError::refused("the request cannot be sent", "no request of HTTP"))?;
        match tokio::time::timeout(self.answer_limit, exchange(wire, request)).await {
            Ok(answer) => answer,
            Err(_) => Err(ExternalError::unknown("the source did not answer in time", "no whole answer in time")),
        }
    }
}

async fn exchange(wire: Box<dyn super::Wire>, request: Request<Full<Bytes>>) -> Result<HttpAnswer, ExternalError> {
    let unknown = |why: String| ExternalError::unknown("the source did not give a whole answer", why);
    let (mut sender, _driver) = handshake(wire)
        .await
        .map_err(|error| ExternalError::unreachable("the source cannot be reached", format!("HTTP failed: {error}")))?;
    let answer = sender.send_request(request).await.map_err(|error| unknown(error.to_string()))?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| match error.downcast::<LengthLimitError>() {
        Ok(_) => unknown(format!("an answer of more than {ANSWER_BYTES_MAX} bytes")),
        Err(error) => unknown(error.to_string()),
    })?;
    Ok(HttpAnswer { status, body: SecretBytes::new(body.to_bytes().to_vec()) })
}
