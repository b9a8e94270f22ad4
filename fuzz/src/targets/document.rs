//! Documents that AWS attaches to a secret or a key: what stands around one changes no decision, a name that its bearer chose
//! lets nobody in, and a refusal repeats nothing.

use crate::mark;
use cardea_policy::iam::{ConditionView, Document, DocumentKind, DocumentQuery, Principal, Verdict};

const ARN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/db-AbCdEf";
const ACTIONS: &[&str] =
    &["secretsmanager:GetSecretValue", "secretsmanager:PutResourcePolicy", "kms:Decrypt", "kms:PutKeyPolicy"];

/// A request that carries something for every other key.
struct Half;

impl ConditionView for Half {
    fn values(&self, key_lower: &str) -> Option<Vec<String>> {
        let value = match key_lower {
            "aws:sourceip" => "192.0.2.7",
            "aws:securetransport" => "true",
            "aws:currenttime" => "2026-11-28T12:00:00Z",
            "kms:encryptioncontextkeys" => return Some(vec!["a".to_owned(), "b".to_owned()]),
            key if key.len().is_multiple_of(2) => "app",
            _ => return None,
        };
        Some(vec![value.to_owned()])
    }
}

fn principals() -> [Principal; 4] {
    let arn = |name: &str| format!("arn:aws:{name}");
    let principal = |arns: &[&str], claimed: &[&str]| Principal {
        account: "123456789012".to_owned(),
        arns: arns.iter().map(|name| arn(name)).collect(),
        claimed: claimed.iter().map(|name| arn(name)).collect(),
    };
    let (alice, app) = ("iam::123456789012:user/entity/alice", "iam::123456789012:role/kubernetes/app");
    let pod = "sts::123456789012:assumed-role/kubernetes.app/pod";
    [
        principal(&[alice], &["iam::123456789012:user/entity/alice.ci"]),
        principal(&[app], &[pod]),
        principal(&[], &[alice, app, pod]),
        Principal { account: "999999999999".to_owned(), ..Principal::default() },
    ]
}

/// A document in JSON, of either kind.
pub fn document(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let mut taken = false;
    for kind in [DocumentKind::Secret, DocumentKind::Key] {
        let document = match Document::parse(text, kind) {
            Ok(document) => document,
            Err(error) => {
                mark::absent(&error.to_string(), "an error of a document");
                continue;
            }
        };
        taken = true;
        assert!(
            serde_json::from_str::<serde_json::Value>(text)
                .is_ok_and(|value| value["Statement"].is_array() || value["Statement"].is_object())
        );
        let around = format!("\n {text}\t");
        let around = Document::parse(&around, kind).ok();
        for principal in principals() {
            let nameless = Principal { claimed: Vec::new(), ..principal.clone() };
            for action in ACTIONS {
                let ask = |document: &Document, principal: &Principal| {
                    document.decide(&DocumentQuery { principal, action, resource: ARN, conditions: &Half })
                };
                let decision = ask(&document, &principal);
                assert_eq!(decision.verdict == Verdict::Silent, decision.reasons.is_empty());
                // Blanks may make it too long.
                if let Some(around) = &around {
                    assert_eq!(ask(around, &principal), decision, "blanks decide");
                }
                let without = ask(&document, &nameless).verdict;
                assert!(decision.verdict != Verdict::Allowed || without == Verdict::Allowed, "a chosen name lets in");
            }
        }
        let _ = document.is_public();
    }
    taken
}
