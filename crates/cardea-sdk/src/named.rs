//! Things that an owner declares under names in a mount: how one of them and a page of their list are asked for, and how their
//! records are read, forgotten and listed. It must never look into a record.

use cardea_model::Error;
use cardea_model::limit::LIST_ENTRIES_MAX;
use cardea_model::loose::Int;
use cardea_storage::record::Record;
use cardea_storage::view::View;
use serde::Deserialize;

/// A request that gives a name, and nothing else.
#[derive(Deserialize)]
pub struct Named {
    pub name: String,
}

/// Which part of a list is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "PageInput")]
pub struct Page {
    /// Entries after this one.
    pub after: Option<String>,
    /// `None` is as many as one list may have.
    pub limit: Option<usize>,
}

/// A page as clients ask for it.
#[derive(Deserialize)]
struct PageInput {
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    limit: Option<Int>,
}

impl From<PageInput> for Page {
    fn from(input: PageInput) -> Self {
        Self::of(input.after, input.limit)
    }
}

impl Page {
    /// Zero and less mean "no limit" to the clients that send one, and an empty name the beginning.
    #[must_use]
    pub fn of(after: Option<String>, limit: Option<Int>) -> Self {
        let limit = limit.and_then(|Int(limit)| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
        Self { after: after.filter(|after| !after.is_empty()), limit }
    }

    /// Most entries to answer with.
    #[must_use]
    pub fn most(&self) -> usize {
        self.limit.map_or(LIST_ENTRIES_MAX, |limit| limit.min(LIST_ENTRIES_MAX))
    }
}

/// # Errors
/// Not found.
pub async fn read<R: Record>(state: &mut View<'_>, name: &str) -> Result<R, Error> {
    state.get::<R>(name).await?.ok_or_else(Error::not_found)
}

/// Forgets one, if it is there.
pub async fn delete<R: Record>(state: &mut View<'_>, name: &str) -> Result<(), Error> {
    if state.exists::<R>(name).await? {
        state.delete::<R>(name);
    }
    Ok(())
}

/// The names of one page.
pub async fn list<R: Record>(state: &mut View<'_>, page: &Page) -> Result<Vec<String>, Error> {
    state.names::<R>("", page.after.as_deref(), page.most()).await
}
