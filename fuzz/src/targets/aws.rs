//! Requests of AWS's dialects: a member that stands twice is never chosen between, a secret shows in no debug text and no
//! refusal, the same request lowers alike, and no refusal is anything but an error of the wire.

use crate::json::Tree;
use crate::mark::{self, MARK};
use crate::wire;
use cardea_dialects::aws_kms::AwsKms;
use cardea_dialects::aws_secrets_manager::AwsSecretsManager;
use cardea_dialects::aws_sts::AwsSts;
use cardea_model::{CanonicalPath, Target};
use cardea_sdk::dialect::{Dialect, DialectConfig, RenderContext};

pub fn secrets_manager(data: &[u8]) -> bool {
    hold(&AwsSecretsManager, data, &["SecretString", "SecretBinary"])
}

pub fn kms(data: &[u8]) -> bool {
    hold(&AwsKms, data, &["Plaintext", "Message"])
}

pub fn sts(data: &[u8]) -> bool {
    hold(&AwsSts, data, &[])
}

fn hold(dialect: &dyn Dialect, data: &[u8], secret: &[&str]) -> bool {
    let config = DialectConfig::default();
    let request = wire::read(data);
    let body = request.body.expose().to_vec();
    let tree = Tree::read(&body);
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
    let shown = format!("{:?}", lowered.request);
    let again = dialect.lower(&config, request).map(|lowered| format!("{:?}", lowered.request)).ok();
    assert_eq!(again.as_ref(), Some(&shown), "the same request is another one");
    assert!(!tree.as_ref().is_some_and(Tree::repeats), "one of two members of the same name was chosen");
    // Where it stands as a secret and nowhere else, it may show nowhere.
    let text_of = |name: &&str| tree.as_ref().and_then(|tree| tree.member(name)).and_then(Tree::text);
    let kept = secret.iter().filter_map(text_of).map(|text| text.matches(MARK).count()).sum::<usize>();
    if kept > 0 && kept == mark::count(data) {
        mark::absent(&shown, "a request");
    }
    if let Target::KeyLogin { path, .. } | Target::Path { path, .. } = &lowered.request.target {
        assert_eq!(CanonicalPath::parse(path.as_str()).unwrap(), *path);
        mark::absent(&shown, "a login");
    }
    true
}
