//! Capabilities and sets of them. A set never reorders: it lists in the alphabetical order that clients of Vault see.

use serde::{Serialize, Serializer, ser::SerializeSeq};
use std::fmt;

/// What a stanza of a policy can grant (or, with [`Capability::Deny`], withhold) on its pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Capability {
    /// Write a thing that does not exist yet.
    Create = 1,
    /// Read.
    Read = 1 << 1,
    /// Write a thing that exists; also every action that changes state.
    Update = 1 << 2,
    /// Merge into a thing that exists.
    Patch = 1 << 3,
    /// Delete.
    Delete = 1 << 4,
    /// List names.
    List = 1 << 5,
    /// Pass routes that are protected beyond the operation itself.
    Sudo = 1 << 6,
    /// Refuse, whatever else is granted on the same pattern.
    Deny = 1 << 7,
    /// Vault's word for events. Known, so that policies which say it are read; nothing here asks for it.
    Subscribe = 1 << 8,
    /// Vault's word for snapshots. Known as above.
    Recover = 1 << 9,
}

impl Capability {
    /// All capabilities, in alphabetical order of their names.
    pub const ALPHABETICAL: [Self; 10] = [
        Self::Create,
        Self::Delete,
        Self::Deny,
        Self::List,
        Self::Patch,
        Self::Read,
        Self::Recover,
        Self::Subscribe,
        Self::Sudo,
        Self::Update,
    ];

    /// The word in policies and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Sudo => "sudo",
            Self::Deny => "deny",
            Self::Subscribe => "subscribe",
            Self::Recover => "recover",
        }
    }

    /// The capability of this exact word; policies spell them in lower case.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALPHABETICAL.into_iter().find(|capability| capability.as_str() == word)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of capabilities, one bit each.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct CapabilitySet(u16);

impl CapabilitySet {
    /// The empty set.
    pub const NONE: Self = Self(0);
    /// Everything that means something here: all but deny and the words that are only known.
    pub const ALL_GRANTS: Self = Self(!(Capability::Deny as u16 | Self::IDLE));
    /// Deny alone.
    pub const DENY: Self = Self(Capability::Deny as u16);
    /// What is known and grants nothing.
    const IDLE: u16 = Capability::Subscribe as u16 | Capability::Recover as u16;

    /// Whether the capability is in the set.
    #[must_use]
    pub const fn contains(self, capability: Capability) -> bool {
        self.0 & capability as u16 != 0
    }

    /// The set with one capability more.
    #[must_use]
    pub const fn with(self, capability: Capability) -> Self {
        Self(self.0 | capability as u16)
    }

    /// Everything that is in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the set grants something that this server asks for, and does not deny.
    #[must_use]
    pub const fn grants(self) -> bool {
        self.0 & !Self::IDLE != 0 && !self.contains(Capability::Deny)
    }

    /// The members in alphabetical order.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALPHABETICAL.into_iter().filter(move |capability| self.contains(*capability))
    }

    /// The names of the members in alphabetical order.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        self.iter().map(Capability::as_str).collect()
    }
}

impl FromIterator<Capability> for CapabilitySet {
    fn from_iter<I: IntoIterator<Item = Capability>>(members: I) -> Self {
        members.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for CapabilitySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(", "))
    }
}

impl fmt::Debug for CapabilitySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl Serialize for CapabilitySet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(None)?;
        for capability in self.iter() {
            sequence.serialize_element(capability.as_str())?;
        }
        sequence.end()
    }
}

/// What a caller holds on a path, in the form that `sys/capabilities` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectiveCapabilities {
    /// The caller is root; no policy was asked.
    Root,
    /// Nothing: denied, or no rule at all. The two look alike on purpose.
    Deny,
    /// These, and none of them is deny.
    Granted(CapabilitySet),
}

impl EffectiveCapabilities {
    /// `["root"]`, `["deny"]`, or the granted names in alphabetical order.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        match self {
            Self::Root => vec!["root"],
            Self::Deny => vec![Capability::Deny.as_str()],
            Self::Granted(set) => set.names(),
        }
    }

    /// Whether anything is granted.
    #[must_use]
    pub const fn grants(self) -> bool {
        !matches!(self, Self::Deny)
    }
}
