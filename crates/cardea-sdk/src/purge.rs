//! Numbered records that nothing points at any more and that are too many for one batch: a few go at once, and a record whose
//! name says which ones are left has later changes remove the rest. It must never be given a number that something may still
//! point at.

use cardea_model::Error;
use cardea_storage::record::Record;
use cardea_storage::view::View;

/// A record that stands for what is to be removed; see [`PurgeRange`] for its name.
pub trait Purges: Record + Default {
    /// Most that one later change removes.
    const AT_ONCE_MAX: u64;

    /// Removes what stands under one number.
    fn remove(state: &mut View<'_>, id: &str, number: u64);
}

/// What the name of a record of [`Purges`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeRange {
    /// Of the thing whose records are numbered.
    pub id: String,
    /// First and last number, inclusive.
    pub from: u64,
    pub to: u64,
}

impl PurgeRange {
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{:020}-{:020}", self.id, self.from, self.to)
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (id, range) = name.split_once('/')?;
        let (from, to) = range.split_once('-')?;
        Some(Self { id: id.to_owned(), from: from.parse().ok()?, to: to.parse().ok()? })
    }
}

/// Removes up to `most` now, and leaves a purge for the others. `numbers` ascend, and every number between the first and the
/// last must be free to go.
pub fn remove<P: Purges>(state: &mut View<'_>, id: &str, numbers: &[u64], most: usize) -> Result<(), Error> {
    let (now, later) = numbers.split_at(most.min(numbers.len()));
    for number in now {
        P::remove(state, id, *number);
    }
    match (later.first(), later.last()) {
        (Some(&from), Some(&to)) => {
            let range = PurgeRange { id: id.to_owned(), from, to };
            state.put(&range.name(), &P::default())
        }
        _ => Ok(()),
    }
}

/// Removes a few of what an earlier change left behind; says whether there was anything.
///
/// # Errors
/// Only the store's.
pub async fn sweep<P: Purges>(state: &mut View<'_>) -> Result<bool, Error> {
    let names = state.names::<P>("", None, 1).await?;
    let Some(name) = names.first() else { return Ok(false) };
    let range = PurgeRange::parse(name).ok_or_else(|| Error::internal("the name of a purge does not parse"))?;
    let end = range.to.min(range.from.saturating_add(P::AT_ONCE_MAX - 1));
    for number in range.from..=end {
        P::remove(state, &range.id, number);
    }
    state.delete::<P>(name);
    if end < range.to {
        let rest = PurgeRange { from: end + 1, ..range };
        state.put(&rest.name(), &P::default())?;
    }
    Ok(true)
}
