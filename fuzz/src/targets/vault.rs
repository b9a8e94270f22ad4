//! Requests of Vault's dialect. What is lowered has one canonical path; a token or a value shows in no debug text and in no
//! refusal; a member that stands twice is never chosen between.

use crate::json::Tree;
use crate::mark::{self, MARK};
use crate::wire;
use cardea_dialects::vault::Vault;
use cardea_model::{CanonicalPath, Credential, Method, Target};
use cardea_sdk::dialect::{Dialect, DialectConfig, RenderContext};

/// A whole wire request.
pub fn lower(data: &[u8]) -> bool {
    let (dialect, config) = (Vault, DialectConfig::default());
    let request = wire::read(data);
    let (body, target) = (request.body.expose().to_vec(), format!("{}?{}", request.path, request.query));
    let lowered = match dialect.lower(&config, wire::copy(&request)) {
        Ok(lowered) => lowered,
        Err(refusal) => {
            mark::absent(&format!("{refusal:?}"), "a refusal");
            let rendered = dialect.render(&config, &RenderContext::default(), Err(refusal));
            assert_eq!(mark::count(rendered.body.expose()), 0);
            assert!((400..600).contains(&rendered.status));
            return false;
        }
    };
    let again = dialect.lower(&config, request).map(|lowered| format!("{:?}", lowered.request)).ok();
    assert_eq!(again, Some(format!("{:?}", lowered.request)), "the same request is another one");
    if !target.contains(MARK) && !target.contains('%') {
        mark::absent(&format!("{:?}", lowered.request), "a request");
    }
    if let Credential::Token(token) = &lowered.request.credential {
        assert!(!token.expose().is_empty() && !token.expose().chars().any(char::is_control));
    }
    let Target::Path { method, path, params, help } = &lowered.request.target else { panic!("not a path") };
    assert_eq!(CanonicalPath::parse(path.as_str()).unwrap(), *path);
    assert!(!matches!(method, Method::Write | Method::Patch) || !path.is_folder(), "a write to a folder");
    assert!(*method != Method::List || path.is_folder(), "a list of what is no folder");
    let has_body = matches!(method, Method::Write | Method::Patch) && !help;
    if has_body && params.refusal().is_none() {
        let twice = Tree::read(&body).is_some_and(|tree| tree.repeats());
        assert!(!twice, "one of two members of the same name was chosen");
    }
    for name in params.names() {
        let _ = (params.value(name), params.hashable(name));
    }
    if let Ok(object) = params.body_object() {
        assert!(Tree::read(object.text().as_bytes()).is_some(), "a body does not come out as JSON");
    }
    true
}
