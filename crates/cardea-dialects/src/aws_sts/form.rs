//! Form-encoded members, as bodies and queries carry them. It must never take the first of two members of one name.

use cardea_model::SecretText;
use zeroize::Zeroizing;

/// Most members: `AssumeRoleWithWebIdentity` has eight and lists of ten.
const MEMBERS_MAX: usize = 64;

/// The members of a form; wiped when dropped, since one of them may be a token.
pub(super) struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    /// `None` if it cannot be read, or has a member twice.
    pub(super) fn read(raw: &[u8]) -> Option<Self> {
        let raw = std::str::from_utf8(raw).ok()?;
        let mut members: Vec<(String, Zeroizing<String>)> = Vec::new();
        for member in raw.split('&').filter(|member| !member.is_empty()) {
            let (name, value) = member.split_once('=').unwrap_or((member, ""));
            let (name, value) = (decode(name)?.to_string(), decode(value)?);
            if members.len() == MEMBERS_MAX || members.iter().any(|(known, _)| *known == name) {
                return None;
            }
            members.push((name, value));
        }
        Some(Self(members))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(candidate, _)| candidate == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub(super) fn secret(&self, name: &str) -> Option<SecretText> {
        self.text(name).map(|text| SecretText::new(text.to_owned()))
    }

    pub(super) fn has_prefix(&self, prefix: &str) -> bool {
        self.0.iter().any(|(name, _)| name.starts_with(prefix))
    }
}

fn decode(text: &str) -> Option<Zeroizing<String>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                out.push(digit(bytes.next()?)? << 4 | digit(bytes.next()?)?);
            }
            byte => out.push(byte),
        }
    }
    // Moved, not copied: the buffer that `out` wipes is empty by then.
    String::from_utf8(std::mem::take(&mut *out)).ok().map(Zeroizing::new)
}
