//! One request to one answer. The order is: address, headers, send, at most one redirect, repeat if the failure may pass,
//! bound and read the body, turn an error status into an error. It must never repeat a change whose outcome is unknown
//! because the connection broke.

use crate::{
    connect::Connector,
    error::{ApiError, ClientError, RAW_CHARS_MAX},
    options::Options,
    request::{BODY_BYTES_MAX, Method, Request},
    response::{Response, Secret},
    retry, tls,
};
use bytes::Bytes;
use cardea_model::{SecretBytes, SecretText};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Uri, body::Incoming, header::HeaderValue};
use hyper_util::{client::legacy, rt::TokioExecutor};
use serde::Deserialize;
use serde_json::Value;
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

/// A client of one server. Connections are kept and used again.
pub struct Client {
    http: legacy::Client<Connector, Full<Bytes>>,
    /// Scheme and authority, no slash at the end.
    origin: String,
    /// The path before `/v1/`, empty or starting with a slash.
    prefix: String,
    options: Options,
}

/// The wrapping time of `sys/wrapping/wrap` when nobody names one, as in Vault's clients.
const WRAP_TTL_DEFAULT: &str = "5m";

impl Client {
    /// # Errors
    /// An address that is not `http://` or `https://` with a host, or TLS files that cannot be used.
    pub fn new(options: Options) -> Result<Self, ClientError> {
        let setup = |text: &str| ClientError::Setup(text.to_owned());
        let uri: Uri = options.address.parse().map_err(|_| setup("the address is not a URL"))?;
        let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(setup("the address must start with http:// or https:// and name a host"));
        };
        if authority.as_str().contains('@') {
            return Err(setup("the address must not hold a user or a password"));
        }
        // A redirect may lead from plain HTTP to TLS, so TLS is set up wherever files were named for it.
        let named = options.tls.ca_cert.is_some() || options.tls.ca_path.is_some() || options.tls.skip_verify;
        let tls = if scheme == "https" || named { Some(tls::configuration(&options.tls)?) } else { None };
        let connector = Connector { tls, server_name: options.tls.server_name.clone() };
        Ok(Self {
            http: legacy::Client::builder(TokioExecutor::new()).build(connector),
            origin: format!("{scheme}://{authority}"),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            options,
        })
    }

    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    #[must_use]
    pub fn token(&self) -> Option<&SecretText> {
        self.options.token.as_ref()
    }

    pub fn set_token(&mut self, token: Option<SecretText>) {
        self.options.token = token;
    }

    /// The URL of a request.
    #[must_use]
    pub fn url(&self, request: &Request) -> String {
        format!("{}{}", self.origin, request.target(&format!("{}/v1/", self.prefix)))
    }

    /// The headers of a request, the token's left out.
    #[must_use]
    pub fn headers(&self, request: &Request) -> Vec<(String, String)> {
        let mut headers = vec![("X-Vault-Request".to_owned(), "true".to_owned())];
        if let Some(namespace) = &self.options.namespace {
            headers.push(("X-Vault-Namespace".to_owned(), format!("{}/", namespace.trim_matches('/'))));
        }
        if request.wrappable {
            let wrap = matches!(request.method, Method::Put | Method::Post) && request.path == "sys/wrapping/wrap";
            let wrap_ttl = self.options.wrap_ttl.clone().or_else(|| wrap.then(|| WRAP_TTL_DEFAULT.to_owned()));
            headers.extend(wrap_ttl.map(|ttl| ("X-Vault-Wrap-TTL".to_owned(), ttl)));
        }
        if request.method == Method::Patch {
            headers.push(("Content-Type".to_owned(), "application/merge-patch+json".to_owned()));
        } else if request.body.is_some() {
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        }
        headers.extend(self.options.headers.iter().cloned());
        headers
    }

    /// Sends a request and returns its answer.
    ///
    /// # Errors
    /// No answer in time, an answer beyond its bound, or an error status.
    pub async fn send(&self, request: &Request) -> Result<Response, ClientError> {
        let response = self.send_any(request).await?;
        if response.status < 400 { Ok(response) } else { Err(self.refused(request, &response)) }
    }

    /// Sends a request and returns its answer whatever its status: for routes whose error statuses mean something.
    ///
    /// # Errors
    /// No answer in time, or an answer beyond its bound.
    pub async fn send_any(&self, request: &Request) -> Result<Response, ClientError> {
        match self.options.timeout_s {
            None => self.try_and_retry(request).await,
            Some(after_s) => {
                tokio::time::timeout(Duration::from_secs(after_s), self.try_and_retry(request)).await.unwrap_or_else(
                    |_| Err(ClientError::Timeout { method: request.method.name(), url: self.url(request), after_s }),
                )
            }
        }
    }

    async fn try_and_retry(&self, request: &Request) -> Result<Response, ClientError> {
        let mut repeat = 0;
        loop {
            let last = repeat >= self.options.retries;
            let retry_after_s = match self.try_once(request).await {
                Ok(response) if last || !retry::is_passing(response.status) => return Ok(response),
                Ok(response) => header(&response.headers, "retry-after").and_then(|text| text.parse().ok()),
                Err(failure) if last || !failure.may_repeat => return Err(failure.error),
                Err(_) => None,
            };
            repeat += 1;
            tokio::time::sleep(retry::pause(repeat, retry_after_s, RandomState::new().build_hasher().finish())).await;
        }
    }

    async fn try_once(&self, request: &Request) -> Result<Response, Failure> {
        let url = self.url(request);
        let answer = self.exchange(request, &url).await?;
        if !matches!(answer.status().as_u16(), 301 | 302 | 307 | 308) || !self.options.follow_redirect {
            return self.collect(request, &url, answer).await;
        }
        let refuse =
            |reason| Failure::last(ClientError::Redirect { method: request.method.name(), url: url.clone(), reason });
        let location = answer.headers().get("location").and_then(|value| value.to_str().ok());
        let location = location.ok_or_else(|| refuse("a redirect without a location"))?;
        let next = if location.starts_with('/') && !location.starts_with("//") {
            format!("{}{location}", self.origin)
        } else if location.starts_with("https://") {
            location.to_owned()
        } else if location.starts_with("http://") {
            if self.origin.starts_with("https://") {
                return Err(refuse("a redirect would cause a downgrade from https to http"));
            }
            location.to_owned()
        } else {
            return Err(refuse("a redirect to what is neither http nor https"));
        };
        let answer = self.exchange(request, &next).await?;
        self.collect(request, &next, answer).await
    }

    async fn exchange(&self, request: &Request, url: &str) -> Result<hyper::Response<Incoming>, Failure> {
        let method = request.method.name();
        let transport = |reason: String| ClientError::Transport { method, url: url.to_owned(), reason };
        let body = match &request.body {
            Some(body) if body.len() > BODY_BYTES_MAX => {
                let what = "the request's body";
                let url = url.to_owned();
                return Err(Failure::last(ClientError::TooLarge { method, url, what, limit_bytes: BODY_BYTES_MAX }));
            }
            Some(body) => Bytes::from_owner(Wiped(body.duplicate())),
            None => Bytes::new(),
        };
        let mut wire = hyper::Request::builder().method(method).uri(url);
        for (name, value) in self.headers(request) {
            wire = wire.header(name, value);
        }
        if let Some(token) = request.token.as_ref().or(self.options.token.as_ref()) {
            let value = HeaderValue::from_str(token.expose().trim());
            let mut value = value
                .map_err(|_| Failure::last(ClientError::Setup("the token holds unprintable characters".to_owned())))?;
            value.set_sensitive(true);
            wire = wire.header("X-Vault-Token", value);
        }
        let wire = wire.body(Full::new(body)).map_err(|_| {
            Failure::last(ClientError::Setup("the path or a header holds what HTTP cannot carry".to_owned()))
        })?;
        self.http.request(wire).await.map_err(|error| Failure {
            // What never reached the server, or changes nothing there, may be sent again.
            may_repeat: error.is_connect() || request.method == Method::Get,
            error: transport(innermost(&error)),
        })
    }

    async fn collect(
        &self,
        request: &Request,
        url: &str,
        answer: hyper::Response<Incoming>,
    ) -> Result<Response, Failure> {
        let (head, body) = answer.into_parts();
        let (method, limit_bytes) = (request.method.name(), request.answer_bytes_max);
        let body = Limited::new(body, limit_bytes).collect().await.map_err(|error| {
            let url = url.to_owned();
            Failure::last(if error.is::<http_body_util::LengthLimitError>() {
                ClientError::TooLarge { method, url, what: "the answer", limit_bytes }
            } else {
                ClientError::Transport { method, url, reason: "the connection broke within the answer".to_owned() }
            })
        })?;
        let headers = head.headers.iter();
        let headers =
            headers.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
        Ok(Response {
            status: head.status.as_u16(),
            headers: headers.collect(),
            body: SecretBytes::new(body.to_bytes().to_vec()),
        })
    }

    /// The error that an answer stands for.
    #[must_use]
    pub fn refused(&self, request: &Request, response: &Response) -> ClientError {
        #[derive(Deserialize)]
        struct Said {
            errors: Option<Vec<Value>>,
            #[serde(default)]
            data: Value,
            warnings: Option<Vec<String>>,
        }
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let (errors, warnings, raw) = match response.json::<Said>() {
            Ok(Said { errors: Some(errors), .. }) => (errors.into_iter().map(text).collect(), Vec::new(), None),
            // An envelope that only warns, as about a path of the other version of kv.
            Ok(Said { data: Value::Null, warnings: Some(warnings), .. }) => (Vec::new(), warnings, None),
            _ => {
                let text = String::from_utf8_lossy(response.body.expose());
                (Vec::new(), Vec::new(), Some(text.chars().take(RAW_CHARS_MAX).collect()))
            }
        };
        ClientError::Answer(Box::new(ApiError {
            method: request.method.name(),
            url: self.url(request),
            namespace: self.options.namespace.clone(),
            status: response.status,
            errors,
            warnings,
            raw,
        }))
    }

    /// Sends a request and reads the envelope. Not found is `None`, unless the answer carries data or warnings, as for
    /// the metadata of a deleted version.
    ///
    /// # Errors
    /// As [`Client::send`]; also an answer that is not a JSON object.
    pub async fn ask(&self, request: &Request) -> Result<Option<Secret>, ClientError> {
        let response = self.send_any(request).await?;
        let malformed =
            |reason| ClientError::Malformed { method: request.method.name(), url: self.url(request), reason };
        if response.status == 404 && request.method == Method::Get {
            let Ok(Some(secret)) = response.secret() else { return Ok(None) };
            if secret.data().is_some() || !secret.warnings().is_empty() {
                return Ok(Some(secret));
            }
            let silent = secret.fields().get("errors").and_then(Value::as_array).is_none_or(Vec::is_empty);
            return if silent { Ok(None) } else { Err(self.refused(request, &response)) };
        }
        if response.status >= 400 {
            return Err(self.refused(request, &response));
        }
        response.secret().map_err(malformed)
    }

    /// # Errors
    /// As [`Client::ask`].
    pub async fn read(&self, path: &str) -> Result<Option<Secret>, ClientError> {
        self.ask(&Request::get(path)).await
    }

    /// # Errors
    /// As [`Client::ask`].
    pub async fn list(&self, path: &str) -> Result<Option<Secret>, ClientError> {
        self.ask(&Request::list(path)).await
    }

    /// # Errors
    /// As [`Client::ask`].
    pub async fn write(&self, path: &str, body: &Value) -> Result<Option<Secret>, ClientError> {
        self.ask(&Request::put(path, body)).await
    }

    /// # Errors
    /// As [`Client::ask`].
    pub async fn delete(&self, path: &str) -> Result<Option<Secret>, ClientError> {
        self.ask(&Request::delete(path)).await
    }
}

/// One try that failed.
struct Failure {
    error: ClientError,
    may_repeat: bool,
}

impl Failure {
    fn last(error: ClientError) -> Self {
        Self { error, may_repeat: false }
    }
}

/// A body that is wiped once the connection is done with it.
struct Wiped(SecretBytes);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
}

/// The words of the first cause: hyper's own say only that something failed.
fn innermost(error: &legacy::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
