//! Key policies and grants on this wire. A document goes through byte for byte. It must never take the name of a caller that
//! nobody vouches for: a session's is chosen by who has it.

use super::inputs::{Constraints, Input, unsupported};
use super::lower::Asked;
use super::names;
use super::render::{Place, epoch};
use crate::aws::json::{self, Checks, Fault};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_model::KeyOp;
use cardea_model::arn;
use cardea_model::key::{Grant, GrantConstraint, GrantOperation, GrantToken, NewDocument, NewGrant, is_grant_id};
use cardea_policy::iam::{Document, DocumentKind};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The one policy of a key.
pub(super) const POLICY_NAME: &str = "default";
const LIST_MAX: i64 = 100;
const LIST_DEFAULT: i64 = 50;
/// Most pairs of a grant's encryption context, and most characters of them together: AWS's.
const CONSTRAINT_PAIRS_MAX: usize = 8;
const CONSTRAINT_CHARS_MAX: usize = 384;

/// Tokens of grants beside an operation.
///
/// # Errors
/// `InvalidGrantTokenException`, for a text that is no token of any grant.
pub(super) fn tokens(shown: &[String]) -> Result<Vec<GrantToken>, Fault> {
    shown.iter().map(|token| read_token(token)).collect()
}

fn read_token(text: &str) -> Result<GrantToken, Fault> {
    let token = BASE64.decode(text).ok().and_then(|bytes| GrantToken::decode(&bytes));
    token.ok_or_else(|| Fault::new("InvalidGrantTokenException", ""))
}

fn check_policy_name(input: &Input) -> Result<(), Fault> {
    match input.policy_name.as_deref() {
        None | Some(POLICY_NAME) => Ok(()),
        Some(_) => Err(Fault::new("NotFoundException", "No such policy exists.")),
    }
}

/// The ARN of somebody whom a grant can name.
fn principal(asked: &Asked<'_>, text: &str) -> Result<String, Fault> {
    let refused = |words: &str| Fault::new("InvalidArnException", words);
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let &["arn", "aws" | "aws-cn" | "aws-us-gov", service, "", account, name] = parts.as_slice() else {
        return Err(refused("ARN does not refer to a valid principal."));
    };
    let whole = name.split('/').all(|segment| !segment.is_empty() && segment.bytes().all(arn::is_name_byte));
    match (service, name.split_once('/')) {
        _ if account != json::account(asked.config) => Err(refused("The principal is of another account.")),
        ("iam", Some(("role", _))) if whole => Ok(text.to_owned()),
        ("iam", Some(("user", path))) if whole && path.starts_with("entity/") => Ok(text.to_owned()),
        ("iam", Some(("user", _))) if whole => {
            Err(refused("A user that is no entity has a name that anybody can take: name user/entity/ and its name."))
        }
        ("sts", Some(("assumed-role", _))) if whole => {
            Err(refused("A session's name is chosen by its caller: name the role instead."))
        }
        _ => Err(refused("ARN does not refer to a user or a role.")),
    }
}

fn no_services(grantee: Option<&String>, retiring: Option<&String>) -> Result<(), Fault> {
    match grantee.or(retiring) {
        None => Ok(()),
        Some(_) => Err(unsupported("Services of AWS aren't callers here.")),
    }
}

fn constraint(given: Option<Constraints>) -> Result<Option<GrantConstraint>, Fault> {
    let given = given.unwrap_or_default();
    let checked = |entries: BTreeMap<String, String>| {
        let chars: usize = entries.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
        match entries.len() > CONSTRAINT_PAIRS_MAX || chars > CONSTRAINT_CHARS_MAX {
            true => Err(Fault::validation("The encryption context of a grant has at most 8 pairs and 384 characters.")),
            false => Ok(entries),
        }
    };
    match (given.encryption_context_subset, given.encryption_context_equals) {
        (None, None) => Ok(None),
        (Some(subset), None) => Ok(Some(GrantConstraint::Subset(checked(subset)?))),
        (None, Some(equals)) => Ok(Some(GrantConstraint::Equals(checked(equals)?))),
        (Some(_), Some(_)) => Err(Fault::validation(
            "A grant has either an EncryptionContextEquals or an EncryptionContextSubset constraint.",
        )),
    }
}

fn grant_id(input: &Input) -> Result<String, Fault> {
    let id = input.grant_id.as_deref().filter(|id| is_grant_id(id));
    id.map(str::to_owned).ok_or_else(|| Fault::new("InvalidGrantIdException", "The grant ID is not valid."))
}

impl Asked<'_> {
    pub(super) fn document(&mut self, input: &Input) -> Result<KeyOp, Fault> {
        check_policy_name(input)?;
        Ok(KeyOp::Document { key: self.key_itself(input)? })
    }

    pub(super) fn set_document(&mut self, mut input: Input) -> Result<KeyOp, Fault> {
        check_policy_name(&input)?;
        let document = self.new_document(&mut input)?;
        Ok(KeyOp::SetDocument { key: self.key_itself(&input)?, document: Box::new(document) })
    }

    /// The document of a request, read once here so that its author hears what is wrong with it.
    pub(super) fn new_document(&self, input: &mut Input) -> Result<NewDocument, Fault> {
        self.new_document_of(input, &self.region)
    }

    /// The same for the key's counterpart in another region.
    pub(super) fn new_document_of(&self, input: &mut Input, region: &str) -> Result<NewDocument, Fault> {
        let text = input.policy.take().unwrap_or_default();
        if text.chars().count() > DocumentKind::Key.chars_max() {
            return Err(Fault::new("LimitExceededException", "The policy is too long."));
        }
        Document::parse(&text, DocumentKind::Key)
            .map_err(|error| Fault::new("MalformedPolicyDocumentException", error.to_string()))?;
        let arn_front = names::key_arn(self.config, region, "");
        Ok(NewDocument { text, arn_front, bypass: input.bypass_policy_lockout_safety_check == Some(true) })
    }

    pub(super) fn create_grant(&mut self, input: Input) -> Result<KeyOp, Fault> {
        no_services(input.grantee_service_principal.as_ref(), input.retiring_service_principal.as_ref())?;
        let words: Vec<&str> = GrantOperation::ACTIONS.iter().map(|(operation, _)| operation.word()).collect();
        let mut checks = Checks::default();
        checks.present("granteePrincipal", input.grantee_principal.is_some());
        checks.length("operations", input.operations.as_ref().map(Vec::len), 1, words.len());
        for (at, operation) in input.operations.iter().flatten().enumerate() {
            checks.one_of(&format!("operations.{}.member", at + 1), Some(operation), &words);
        }
        let plain = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b":/_-".contains(&b));
        checks.pattern("name", input.name.as_deref().is_none_or(plain), "^[a-zA-Z0-9:/_-]+$");
        checks.finish()?;
        let key = self.key_itself(&input)?;
        let mut operations: Vec<GrantOperation> =
            input.operations.iter().flatten().filter_map(|word| GrantOperation::of_word(word)).collect();
        operations.sort_unstable();
        operations.dedup();
        let new = NewGrant {
            grantee: principal(self, input.grantee_principal.as_deref().unwrap_or_default())?,
            retiring: input.retiring_principal.as_deref().map(|text| principal(self, text)).transpose()?,
            operations,
            constraint: constraint(input.constraints)?,
            name: input.name,
            arn_front: names::key_arn(self.config, &self.region, ""),
        };
        Ok(KeyOp::CreateGrant { key, new: Box::new(new), dry_run: input.dry_run == Some(true) })
    }

    fn grants_page(&mut self, operation: &str, input: &Input) -> Result<(Option<String>, usize), Fault> {
        let mut checks = Checks::default();
        checks.range("limit", input.limit, 1, LIST_MAX);
        checks.finish()?;
        let after = input.marker.as_deref().map(|marker| names::read_marker(operation, marker)).transpose()?;
        Ok((after, usize::try_from(input.limit.unwrap_or(LIST_DEFAULT)).unwrap_or_default()))
    }

    pub(super) fn list_grants(&mut self, input: Input) -> Result<KeyOp, Fault> {
        no_services(input.grantee_service_principal.as_ref(), None)?;
        let (after, limit) = self.grants_page("ListGrants", &input)?;
        let grant = input.grant_id.as_ref().map(|_| grant_id(&input)).transpose()?;
        Ok(KeyOp::ListGrants { key: self.key_itself(&input)?, grant, grantee: input.grantee_principal, after, limit })
    }

    pub(super) fn list_retirable(&mut self, input: Input) -> Result<KeyOp, Fault> {
        no_services(None, input.retiring_service_principal.as_ref())?;
        let mut checks = Checks::default();
        checks.present("retiringPrincipal", input.retiring_principal.is_some());
        checks.finish()?;
        let (after, limit) = self.grants_page("ListRetirableGrants", &input)?;
        let (retiring, region) = (input.retiring_principal.unwrap_or_default(), Some(self.region.clone()));
        Ok(KeyOp::ListRetirable { retiring, after, limit, region })
    }

    pub(super) fn retire_grant(&mut self, input: &Input) -> Result<KeyOp, Fault> {
        let (key, grant) = match (&input.grant_token, &input.key_id, &input.grant_id) {
            (Some(token), None, None) => {
                let token = read_token(token)?;
                let (key, grant) = (token.key.clone(), token.grant_id.clone());
                let op = KeyOp::EndGrant { key, grant, retires: true, dry_run: input.dry_run == Some(true) };
                // The token says which grant, and is proven like any other.
                return Ok(KeyOp::WithTokens { tokens: vec![token], op: Box::new(op) });
            }
            (None, Some(_), Some(_)) => (self.key_itself(input)?, grant_id(input)?),
            _ => {
                let words = "You must specify either a grant token, or a grant ID and a key ARN.";
                return Err(Fault::validation(words));
            }
        };
        Ok(KeyOp::EndGrant { key, grant, retires: true, dry_run: input.dry_run == Some(true) })
    }

    pub(super) fn revoke_grant(&mut self, input: &Input) -> Result<KeyOp, Fault> {
        let (key, grant) = (self.key_itself(input)?, grant_id(input)?);
        Ok(KeyOp::EndGrant { key, grant, retires: false, dry_run: input.dry_run == Some(true) })
    }
}

/// The document of a key, or the one that every key has: the account decides.
pub(super) fn document(place: &Place<'_>, text: Option<String>) -> Value {
    json!({ "Policy": text.unwrap_or_else(|| default_document(place)), "PolicyName": POLICY_NAME })
}

fn account_root(place: &Place<'_>) -> String {
    let (partition, account) = (json::partition(place.flag(names::REGION)), json::account(place.config));
    arn::Place { partition, account }.root()
}

pub(super) fn default_document(place: &Place<'_>) -> String {
    format!(
        r#"{{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {{
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {{
      "AWS" : "{}"
    }},
    "Action" : "kms:*",
    "Resource" : "*"
  }} ]
}}"#,
        account_root(place)
    )
}

pub(super) fn grants(place: &Place<'_>, grants: &[(String, Grant)]) -> Value {
    let form = |(key_id, grant): &(String, Grant)| {
        let mut form = json!({
            "KeyId": place.arn(key_id), "GrantId": grant.id, "CreationDate": epoch(grant.created),
            "GranteePrincipal": grant.grantee, "IssuingAccount": account_root(place),
            "Operations": grant.operations.iter().map(|operation| operation.word()).collect::<Vec<_>>(),
        });
        if let Some(name) = &grant.name {
            form["Name"] = json!(name);
        }
        if let Some(retiring) = &grant.retiring {
            form["RetiringPrincipal"] = json!(retiring);
        }
        match &grant.constraint {
            None => {}
            Some(GrantConstraint::Subset(entries)) => {
                form["Constraints"] = json!({ "EncryptionContextSubset": entries });
            }
            Some(GrantConstraint::Equals(entries)) => {
                form["Constraints"] = json!({ "EncryptionContextEquals": entries });
            }
        }
        form
    };
    json!({ "Grants": grants.iter().map(form).collect::<Vec<_>>() })
}
