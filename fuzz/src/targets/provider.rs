//! Declarations of sources that speak HTTP: where they lead is one place, and the credential that they hold is shown to nobody.

use crate::json::Tree;
use crate::mark::{self, MARK};
use crate::mount::Bench;
use cardea_engines::http_provider::HttpProvider;
use cardea_sdk::call::{Address, Call, HttpAnswer, HttpCall};
use cardea_sdk::erased::Erased;
use cardea_sdk::{ExternalError, OutsideContext, async_trait};
use std::sync::Arc;

struct Nobody;

#[async_trait]
impl Call for Nobody {
    async fn call_source(&self, _cx: &OutsideContext<'_>, _call: &HttpCall<'_>) -> Result<HttpAnswer, ExternalError> {
        panic!("a declaration called somebody")
    }
}

/// The JSON of a declaration.
pub fn declaration(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let token = Tree::read(data).and_then(|tree| Some(tree.member("admin_token")?.text()?.matches(MARK).count()));
    let is_secret = token.is_some_and(|count| count > 0 && count == mark::count(data));
    let bench = Bench::new(Box::new(Erased(HttpProvider::new(Arc::new(Nobody)))), "providers/");
    match bench.ask("config/a", text, true) {
        Ok(_) => {
            let shown = bench.read("config/a").unwrap_or_default();
            assert!(!is_secret || !shown.contains(MARK), "a declaration shows its credential");
            true
        }
        Err(error) => {
            assert!(!is_secret || !error.client.contains(MARK), "an error repeats a credential");
            false
        }
    }
}

/// An address that may be called: one host that every reader finds, TLS unless it is this machine's, and nothing beside it.
pub fn address(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Ok(address) = Address::parse("address", text) else { return false };
    let (scheme, rest) = address.as_str().split_once("://").unwrap();
    let authority = rest.split('/').next().unwrap();
    assert!(!authority.is_empty() && !authority.contains(['@', '\\', '?', '#', '%', ' ']), "{authority}");
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap(),
        None => authority.split(':').next().unwrap(),
    };
    let here =
        host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    assert!(scheme == "https" || (scheme == "http" && here), "{text}");
    assert_eq!(Address::parse("address", address.as_str()).ok().as_ref(), Some(&address));
    true
}
