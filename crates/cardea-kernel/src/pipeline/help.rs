//! What is said about a path, or about a mount as a whole, to whoever asks for help: the words of its routes and nothing of
//! its state.

use super::record::Pending;
use cardea_model::{Body, Method, Payload};
use cardea_sdk::erased::MOUNT_HELP;
use cardea_sdk::route::RouteFacts;
use serde::Serialize;
use std::fmt::Write as _;

/// The answer to a request for help.
pub(super) fn body(pending: &Pending) -> Body {
    #[derive(Serialize)]
    struct Help<'a> {
        help: &'a str,
        see_also: Option<&'a str>,
        openapi: Option<&'a str>,
    }
    let routes = pending.engine.route_facts();
    let text = match std::ptr::eq(pending.facts, &MOUNT_HELP) {
        true => mount(&pending.mount.kind, &pending.mount.path, &routes),
        false => path(pending.facts.pattern, &routes),
    };
    Payload::of(&Help { help: &text, see_also: None, openapi: None }).map_or(Body::Empty, Body::Object)
}

/// Every path of a mount, with what may be done there.
fn mount(kind: &str, place: &str, routes: &[&'static RouteFacts]) -> String {
    let mut out = format!("{kind}, mounted at {place}. Below it:\n");
    let mut shown: Vec<&str> = Vec::new();
    for pattern in routes.iter().map(|facts| facts.pattern) {
        if !shown.contains(&pattern) {
            shown.push(pattern);
            let name = if pattern.is_empty() { "(the mount itself)" } else { pattern };
            // Writing to a text does not fail.
            let _ = write!(out, "\n{name}\n{}", path(pattern, routes));
        }
    }
    out
}

/// What may be done at a path, a line each.
fn path(pattern: &str, routes: &[&'static RouteFacts]) -> String {
    let mut out = String::new();
    for facts in routes.iter().filter(|facts| facts.pattern == pattern) {
        let _ = writeln!(out, "    {:<8}{}", word(facts.method), facts.help);
        if !facts.example.is_empty() {
            let _ = writeln!(out, "            for example {}", facts.example);
        }
    }
    out
}

fn word(method: Method) -> &'static str {
    match method {
        Method::Read => "read",
        Method::List => "list",
        Method::Write => "write",
        Method::Patch => "patch",
        Method::Delete => "delete",
    }
}
