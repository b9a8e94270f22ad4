//! How the two languages are combined, case by case; and by which names a caller is let in.

use super::*;
use cardea_model::arn::Place;
use cardea_model::identity::{AssumedRole, EntityId};
use cardea_model::{NamespaceId, TokenKind};

const ARN: &str = "arn:aws:kms:eu-central-1:123456789012:key/k";
const PLACE: Place<'_> = Place { partition: "aws", account: "123456789012" };

fn entity(name: &str) -> Arc<Entity> {
    Arc::new(Entity {
        id: EntityId("e".to_owned()),
        namespace: NamespaceId::root(),
        name: name.to_owned(),
        metadata: [("Team".to_owned(), "red".to_owned())].into(),
        policies: Vec::new(),
        disabled: false,
        created_ms: 0,
        updated_ms: 0,
        aliases: Vec::new(),
    })
}

fn caller(known_as: Option<Arc<Entity>>, key: Option<KeyFacts>) -> Caller {
    Caller {
        namespace: NamespaceId::root(),
        display_name: "shown".to_owned(),
        entity: known_as.as_ref().map(|entity| entity.id.clone()),
        known_as,
        token_id: String::new(),
        accessor: None,
        kind: TokenKind::Service,
        is_root: false,
        policies: Vec::new(),
        metadata: Default::default(),
        expires: None,
        key,
    }
}

fn asker(caller: &Caller) -> Asker {
    let origin = Origin { dialect: "vault", peer: ([192, 0, 2, 7], 1).into(), tls: None, headers: Vec::new() };
    Asker::of(caller, &origin, Timestamp(1_700_000_000_000), Some("app".to_owned()))
}

fn key(narrowed: bool, of_entity: bool, assumed_role: Option<AssumedRole>) -> Option<KeyFacts> {
    Some(KeyFacts {
        owner: "owner".to_owned(),
        owner_id: String::new(),
        of_entity,
        name: "n".to_owned(),
        narrowed,
        assumed_role,
        came_by: None,
    })
}

#[test]
fn names_are_vouched_for_or_claimed() {
    let role =
        |mount: &str| Some(AssumedRole { mount: mount.to_owned(), role: "deploy".to_owned(), session: "s".to_owned() });
    let alice = || Some(entity("alice"));
    let rows: [(Caller, Vec<String>, Vec<String>); 7] = [
        (caller(None, None), vec![], vec![PLACE.token("shown", "")]),
        (caller(alice(), None), vec![PLACE.entity("alice")], vec![PLACE.token("shown", "")]),
        (caller(alice(), key(false, false, None)), vec![PLACE.entity("alice")], vec![PLACE.token("owner", "n")]),
        (caller(alice(), key(false, true, None)), vec![PLACE.entity("alice")], vec![PLACE.entity_key("owner", "n")]),
        (caller(alice(), key(true, true, None)), vec![], vec![PLACE.entity("alice"), PLACE.entity_key("owner", "n")]),
        (
            caller(None, key(false, false, role("ci/gitlab"))),
            vec![PLACE.role("ci/gitlab", "deploy")],
            vec![PLACE.assumed_role("ci/gitlab", "deploy", "s"), PLACE.token("owner", "n")],
        ),
        (
            caller(None, key(false, false, role("jwt"))),
            vec![PLACE.role("jwt", "deploy"), PLACE.usual_role("deploy")],
            vec![PLACE.assumed_role("jwt", "deploy", "s"), PLACE.token("owner", "n")],
        ),
    ];
    for (caller, arns, claimed) in rows {
        let found = asker(&caller).principal(ARN);
        assert_eq!((found.account.as_str(), found.arns, found.claimed), (PLACE.account, arns, claimed), "{caller:?}");
    }
    assert_eq!(asker(&caller(alice(), None)).principal("no arn"), Principal::default());
}

fn document(statements: &str) -> AttachedDocument {
    let text = format!(r#"{{ "Version": "2012-10-17", "Statement": [{statements}] }}"#);
    AttachedDocument::Is(Arc::new(Document::parse(&text, DocumentKind::Key).unwrap()))
}

fn statement(effect: &str, who: &str) -> String {
    format!(
        r#"{{ "Effect": "{effect}", "Principal": {{ "AWS": "{who}" }}, "Action": "kms:Encrypt", "Resource": "*" }}"#
    )
}

#[test]
fn keys_and_secrets_combine_as_their_vendor_has_it() {
    use ByPolicies::{Allowed, Denied, Silent};
    let (account, alice, bob) = (PLACE.root(), PLACE.entity("alice"), PLACE.entity("bob"));
    let allow = statement("Allow", &alice);
    let delegate = statement("Allow", &account);
    let silent = statement("Allow", &bob);
    let deny = statement("Deny", &alice);
    // Policies, document, whether a grant allows it; whether a key and a secret are open then.
    let table: [(ByPolicies, Option<&str>, bool, bool, bool); 15] = [
        (Allowed, None, false, true, true),
        (Silent, None, false, false, false),
        (Silent, None, true, true, true),
        (Denied, None, true, false, false),
        (Allowed, Some(&allow), false, true, true),
        (Silent, Some(&allow), false, true, true),
        (Denied, Some(&allow), false, false, false),
        (Allowed, Some(&delegate), false, true, true),
        (Silent, Some(&delegate), false, false, false),
        (Silent, Some(&delegate), true, true, true),
        (Allowed, Some(&silent), false, false, true),
        (Allowed, Some(&silent), true, true, true),
        (Allowed, Some(&deny), false, false, false),
        (Allowed, Some(&deny), true, false, false),
        (Silent, Some(&silent), false, false, false),
    ];
    let asker = asker(&caller(Some(entity("alice")), None));
    for (policies, text, granted, key_open, secret_open) in table {
        for (kind, open) in [(DocumentKind::Key, key_open), (DocumentKind::Secret, secret_open)] {
            let grant = granted.then(|| "g".to_owned());
            let question = Question { grant, ..Question::new("kms:Encrypt") };
            let document = text.map_or(AttachedDocument::None, document);
            let attached = Attached { kind, arn: ARN.to_owned(), document, questions: vec![question] };
            let combined = asker.combine(policies, &attached);
            assert_eq!(combined.allowed, open, "{policies:?} {text:?} {granted} {kind:?}: {combined:?}");
        }
    }
}

#[test]
fn every_question_counts_and_root_keeps_the_document_alone() {
    let mut root = caller(None, None);
    root.is_root = true;
    let (root, alice) = (asker(&root), asker(&caller(Some(entity("alice")), None)));
    let attached = |document: &AttachedDocument, questions: Vec<Question>| Attached {
        kind: DocumentKind::Key,
        arn: ARN.to_owned(),
        document: document.clone(),
        questions,
    };
    let allow = document(&statement("Allow", &PLACE.entity("alice")));
    let (one, other) = (Question::new("kms:Encrypt"), Question::new("kms:Decrypt"));
    assert!(alice.combine(ByPolicies::Silent, &attached(&allow, vec![one.clone()])).allowed);
    assert!(!alice.combine(ByPolicies::Silent, &attached(&allow, vec![one.clone(), other])).allowed);
    assert!(!alice.combine(ByPolicies::Allowed, &attached(&allow, Vec::new())).allowed, "no question is no yes");

    let keeping = Question { of_document: true, ..Question::new("kms:PutKeyPolicy") };
    let deny = document(r#"{ "Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*" }"#);
    for document in [&allow, &deny, &AttachedDocument::Unreadable] {
        assert!(root.combine(ByPolicies::Allowed, &attached(document, vec![keeping.clone()])).allowed);
        assert!(!root.combine(ByPolicies::Allowed, &attached(document, vec![one.clone()])).allowed);
        assert!(!alice.combine(ByPolicies::Allowed, &attached(document, vec![keeping.clone()])).allowed);
    }
}

#[test]
fn conditions_see_the_request() {
    let alice = asker(&caller(Some(entity("alice")), None));
    let narrow = asker(&caller(Some(entity("alice")), key(true, true, None)));
    let question = Question::new("kms:Encrypt").fact("kms:keyspec", "SYMMETRIC_DEFAULT");
    let value =
        |asker: &Asker, key: &str| Said { asker, question: &question }.values(key).map(|values| values.join(","));
    for (key, expected) in [
        ("aws:sourceip", Some("192.0.2.7")),
        ("aws:securetransport", Some("false")),
        ("aws:currenttime", Some("2023-11-14T22:13:20Z")),
        ("aws:epochtime", Some("1700000000")),
        ("aws:username", Some("alice")),
        ("aws:userid", Some("e")),
        ("aws:principaltag/team", Some("red")),
        ("aws:principaltag/other", None),
        ("kms:requestalias", Some("alias/app")),
        ("kms:keyspec", Some("SYMMETRIC_DEFAULT")),
        ("kms:viaservice", None),
    ] {
        assert_eq!(value(&alice, key).as_deref(), expected, "{key}");
    }
    for key in ["aws:username", "aws:userid", "aws:principaltag/team"] {
        assert_eq!(value(&narrow, key), None, "{key} of a key that has less than its owner");
    }
}
