//! From what is wrong with a credential to AWS's type, words and status. One table for all services that speak JSON; STS,
//! which speaks XML, has its own names for the same. It must never say more than the fault does.

use crate::aws::instants::basic;
use cardea_model::CredentialFault;
use cardea_model::request::SIGNATURE_SKEW_S_MAX;

/// A refusal in AWS's terms.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// `__type` of the JSON protocols, such as `InvalidSignatureException`.
    pub kind: &'static str,
    /// `Code` of the query protocol (STS), such as `SignatureDoesNotMatch`.
    pub query_code: &'static str,
    /// Status of the query protocol; the JSON protocols answer 400 for all of these.
    pub query_status: u16,
    pub message: String,
}

/// AWS's words for a fault.
#[must_use]
pub fn told(fault: &CredentialFault) -> Told {
    let (kind, query_code, query_status, message) = match fault {
        CredentialFault::Missing => (
            "MissingAuthenticationTokenException",
            "MissingAuthenticationToken",
            403,
            "Request is missing Authentication Token".to_owned(),
        ),
        CredentialFault::Incomplete(words) => {
            ("IncompleteSignatureException", "IncompleteSignature", 400, (*words).to_owned())
        }
        CredentialFault::BadSignature(words) => {
            let message = if words.is_empty() { DOES_NOT_MATCH } else { words }.to_owned();
            (BAD_SIGNATURE, BAD_SIGNATURE_QUERY, 403, message)
        }
        CredentialFault::TooOld { signed_at_s, now_s, valid_s } => {
            let oldest = now_s.saturating_sub(*valid_s);
            let message = format!(
                "Signature expired: {} is now earlier than {} ({} - {} min.)",
                basic(*signed_at_s),
                basic(oldest),
                basic(*now_s),
                valid_s / 60
            );
            (BAD_SIGNATURE, BAD_SIGNATURE_QUERY, 403, message)
        }
        CredentialFault::TooNew { signed_at_s, now_s } => {
            let message = format!(
                "Signature not yet current: {} is still later than {} ({} + {} min.)",
                basic(*signed_at_s),
                basic(now_s.saturating_add(SIGNATURE_SKEW_S_MAX)),
                basic(*now_s),
                SIGNATURE_SKEW_S_MAX / 60
            );
            (BAD_SIGNATURE, BAD_SIGNATURE_QUERY, 403, message)
        }
        CredentialFault::UnknownKey => (
            "UnrecognizedClientException",
            "InvalidClientTokenId",
            403,
            "The security token included in the request is invalid.".to_owned(),
        ),
        CredentialFault::ExpiredKey => (
            "ExpiredTokenException",
            "ExpiredToken",
            403,
            "The security token included in the request is expired".to_owned(),
        ),
    };
    Told { kind, query_code, query_status, message }
}

const BAD_SIGNATURE: &str = "InvalidSignatureException";
const BAD_SIGNATURE_QUERY: &str = "SignatureDoesNotMatch";
const DOES_NOT_MATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS \
    Secret Access Key and signing method. Consult the service documentation for details.";
