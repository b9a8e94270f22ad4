//! What the two services can be asked for. An action that a service does not have is a slip of the pen, and a `Deny` with one
//! would shut nothing: it is refused.

use super::DocumentKind;

/// Longest pattern of an action, in characters; the longest action has fewer than 50.
const ACTION_CHARS_MAX: usize = 128;

const SECRETS: &[&str] = &[
    "batchgetsecretvalue",
    "cancelrotatesecret",
    "createsecret",
    "deleteresourcepolicy",
    "deletesecret",
    "describesecret",
    "getrandompassword",
    "getresourcepolicy",
    "getsecretvalue",
    "listresourcepolicies",
    "listsecretversionids",
    "listsecrets",
    "putresourcepolicy",
    "putsecretvalue",
    "removeregionsfromreplication",
    "replicatesecrettoregions",
    "restoresecret",
    "rotatesecret",
    "stopreplicationtoreplica",
    "tagresource",
    "untagresource",
    "updatesecret",
    "updatesecretversionstage",
    "validateresourcepolicy",
];

const KEYS: &[&str] = &[
    "cancelkeydeletion",
    "connectcustomkeystore",
    "createalias",
    "createcustomkeystore",
    "creategrant",
    "createkey",
    "decapsulate",
    "decrypt",
    "deletealias",
    "deletecustomkeystore",
    "deleteimportedkeymaterial",
    "derivesharedsecret",
    "describecustomkeystores",
    "describekey",
    "disablekey",
    "disablekeyrotation",
    "disconnectcustomkeystore",
    "enablekey",
    "enablekeyrotation",
    "encapsulate",
    "encrypt",
    "generatedatakey",
    "generatedatakeypair",
    "generatedatakeypairwithoutplaintext",
    "generatedatakeywithoutplaintext",
    "generatemac",
    "generaterandom",
    "getkeylastusage",
    "getkeypolicy",
    "getkeyrotationstatus",
    "getparametersforimport",
    "getpublickey",
    "importkeymaterial",
    "listaliases",
    "listgrants",
    "listkeypolicies",
    "listkeyrotations",
    "listkeys",
    "listresourcetags",
    "listretirablegrants",
    "putkeypolicy",
    "reencryptfrom",
    "reencryptto",
    "replicatekey",
    "retiregrant",
    "revokegrant",
    "rotatekeyondemand",
    "schedulekeydeletion",
    "sign",
    "synchronizemultiregionkey",
    "tagresource",
    "untagresource",
    "updatealias",
    "updatecustomkeystore",
    "updatekeydescription",
    "updateprimaryregion",
    "verify",
    "verifymac",
];

/// Reads a pattern, into lower case.
pub(super) fn read(text: &str, kind: DocumentKind) -> Result<String, &'static str> {
    let (service, known) = match kind {
        DocumentKind::Secret => ("secretsmanager", SECRETS),
        DocumentKind::Key => ("kms", KEYS),
    };
    let lower = text.to_ascii_lowercase();
    if lower == "*" {
        return Ok(lower);
    }
    let name = lower.strip_prefix(service).and_then(|rest| rest.strip_prefix(':'));
    let name = name.filter(|name| name.len() <= ACTION_CHARS_MAX).ok_or("an action is of another service")?;
    match known.iter().any(|action| matches(name, action)) {
        true => Ok(lower.clone()),
        false => Err("an action is none that the service has"),
    }
}

/// Whether an action is of a pattern; both in lower case. Both are short, so that it needs no budget.
pub(super) fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.as_bytes(), action.as_bytes());
    let (mut at, mut read) = (0, 0);
    let mut last_many: Option<(usize, usize)> = None;
    while read < action.len() {
        match pattern.get(at) {
            Some(b'*') => {
                last_many = Some((at + 1, read));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == action[read] => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((after, taken)) = last_many else { return false };
                last_many = Some((after, taken + 1));
                (at, read) = (after, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}
