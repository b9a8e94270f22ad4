//! Truth of three values (Kleene's): what cannot be judged stays so until the effect of the statement says what that means.
//! It must never turn into yes or no by itself.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    Yes,
    No,
    Unknown,
}

impl Truth {
    pub fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    pub fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
        }
    }

    /// What would be no is not known.
    pub fn or_unknown(self) -> Self {
        if self == Self::No { Self::Unknown } else { self }
    }

    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Unknown,
        }
    }

    /// One of them holds; no if there is none.
    pub fn any(truths: impl IntoIterator<Item = Self>) -> Self {
        let mut any = Self::No;
        for truth in truths {
            match truth {
                Self::Yes => return Self::Yes,
                Self::Unknown => any = Self::Unknown,
                Self::No => {}
            }
        }
        any
    }

    /// All of them hold; yes if there is none.
    pub fn all(truths: impl IntoIterator<Item = Self>) -> Self {
        Self::any(truths.into_iter().map(Self::not)).not()
    }

    /// What all of them agree on. There is at least one.
    pub fn agreed(truths: impl IntoIterator<Item = Self>) -> Self {
        let mut truths = truths.into_iter();
        let first = truths.next().unwrap_or(Self::Unknown);
        if truths.all(|truth| truth == first) { first } else { Self::Unknown }
    }
}
