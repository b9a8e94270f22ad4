//! Many secrets at once: lists with conditions, and reads of several. Each secret is judged for itself, by the name that
//! policies know it by. Nothing here may show, by an answer or by where a list goes on, that a secret exists which the caller
//! may not see.

use crate::kv::model::Pointer;
use crate::kv::{attached, places, policy_name, regions, shared};
use cardea_model::operation::{ManySecrets, SecretOrder, SecretQuery, SecretRef, VersionRef};
use cardea_model::secret::{
    Secret, SecretAnswer, SecretBatch, SecretCursor, SecretFault, SecretPage, SecretPlace, split_regional,
};
use cardea_model::{Action, CanonicalPath, Cause, Error};
use cardea_sdk::{Context, Question};
use std::sync::Arc;

/// Most secrets that one request looks at, of those that the caller may see: some tens of milliseconds of work. A list by name
/// goes on from there.
pub const LOOKED_AT_MAX: usize = 5_000;
/// Most names that one request walks over, seen or not: a grant can begin with what stands for anything, and then leads over all
/// names. A policy is asked about each, a few microseconds.
pub const WALKED_MAX: usize = 20_000;
/// How many names a secret counts for that has a policy of its own, which whoever writes it can make slow to judge.
pub const OF_POLICY: usize = 20;
/// Names fetched at once.
const NAMES_AT_ONCE: usize = 256;
/// Bytes of payloads after which an answer takes no more; the rest is on the next page, or refused item by item.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One page of the secrets that the caller may know of.
///
/// # Errors
/// [`SecretFault::TooManyToSort`] where an order needs more secrets at once than one request looks at, or more names than it walks
/// over; a place that nobody gave out.
pub async fn list(cx: &mut Context<'_>, query: &SecretQuery) -> Result<SecretPage, Error> {
    if query.order == SecretOrder::Name && !query.descending {
        return by_name(cx, query).await;
    }
    let mut found: Vec<Arc<Pointer>> = Vec::new();
    let mut walk = Walk::new(cx, None);
    let (mut looked_at, mut walked) = (0, 0);
    while let Some(names) = walk.next(cx).await? {
        for name in &names {
            let (seen, weight) = seen(cx, name).await?;
            walked += weight;
            if walked > WALKED_MAX {
                return Err(SecretFault::TooManyToSort.into());
            }
            let Some(seen) = seen else { continue };
            looked_at += 1;
            if looked_at > LOOKED_AT_MAX {
                return Err(SecretFault::TooManyToSort.into());
            }
            found.extend(seen.0.filter(|pointer| is_wanted(cx, query, &pointer.0)));
        }
    }
    let place = |secret: &Secret| (instant(query.order, secret), secret.path.clone());
    found.sort_by_cached_key(|pointer| place(&pointer.0));
    if query.descending {
        found.reverse();
    }
    if !query.after.after.is_empty() {
        let after = (query.after.at_ms, query.after.after.clone());
        found.retain(|pointer| if query.descending { place(&pointer.0) < after } else { place(&pointer.0) > after });
    }
    let more = found.len() > query.limit;
    found.truncate(query.limit);
    let next = found.last().filter(|_| more).map(|last| SecretCursor {
        after: last.0.path.clone(),
        at_ms: instant(query.order, &last.0),
        ..SecretCursor::default()
    });
    Ok(SecretPage { secrets: found.iter().map(|pointer| pointer.0.clone()).collect(), next })
}

fn instant(order: SecretOrder, secret: &Secret) -> u64 {
    match order {
        SecretOrder::Name => 0,
        SecretOrder::Created => secret.created.0,
        SecretOrder::Changed => secret.updated.0,
    }
}

/// In the store's own order, so that a page costs what it holds and what it passes over.
async fn by_name(cx: &mut Context<'_>, query: &SecretQuery) -> Result<SecretPage, Error> {
    let mut page = SecretPage::default();
    // Where the last secret on this page stands, and how many names that the caller may see were passed
    // over after it.
    let mut place = SecretCursor { at_ms: 0, ..query.after.clone() };
    let mut to_skip = std::mem::take(&mut place.skip);
    // The last name that was walked over, if the page began at a sealed place and has shown nothing behind it yet.
    let mut behind = match std::mem::take(&mut place.place) {
        sealed if sealed.is_empty() => None,
        sealed => Some(places::open(cx, &sealed)?),
    };
    let after = behind.clone().or_else(|| Some(place.after.clone()).filter(|after| !after.is_empty()));
    let mut walk = Walk::new(cx, after);
    let (mut looked_at, mut walked, mut last) = (0, 0, None::<String>);
    while let Some(names) = walk.next(cx).await? {
        for name in &names {
            if walked >= WALKED_MAX {
                page.next = last.map(|name| sealed(cx, &name));
                return Ok(page);
            }
            // Before anything is counted: a client can make up its place, and must learn nothing from where that leads.
            let (seen, weight) = seen(cx, name).await?;
            walked += weight;
            last = Some(name.clone());
            let Some(seen) = seen else { continue };
            if page.secrets.len() >= query.limit || looked_at >= LOOKED_AT_MAX {
                page.next = Some(behind.map_or(place, |name| sealed(cx, &name)));
                return Ok(page);
            }
            if to_skip > 0 {
                to_skip -= 1;
                place.skip += 1;
                continue;
            }
            looked_at += 1;
            match seen.0 {
                Some(pointer) if is_wanted(cx, query, &pointer.0) => {
                    place = SecretCursor { after: name.clone(), ..SecretCursor::default() };
                    behind = None;
                    page.secrets.push(pointer.0.clone());
                }
                _ => {
                    place.skip += 1;
                    behind = behind.map(|_| name.clone());
                }
            }
        }
    }
    Ok(page)
}

fn sealed(cx: &Context<'_>, name: &str) -> SecretCursor {
    SecretCursor { place: places::seal(cx, name), ..SecretCursor::default() }
}

/// A walk over the names of the mount where the caller's grants lead, and nowhere else: a page costs what the caller could
/// see, and not what others keep beside it.
pub(super) struct Walk {
    /// Beginnings of names yet to be walked, the next one last.
    beginnings: Vec<String>,
    after: Option<String>,
}

impl Walk {
    pub(super) fn new(cx: &Context<'_>, after: Option<String>) -> Self {
        let folder = policy_name(cx.mount, "metadata", "");
        let mut beginnings = cx.rights.beginnings(Action::Read, &folder);
        beginnings.retain_mut(|path| match path.strip_prefix(&folder) {
            Some(name) => {
                *path = name.to_owned();
                true
            }
            None => false,
        });
        beginnings.reverse();
        Self { beginnings, after }
    }

    /// Some of the next names, ascending; `None` at the end.
    pub(super) async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Vec<String>>, Error> {
        while let Some(beginning) = self.beginnings.last() {
            let names = cx.state.names::<Pointer>(beginning, self.after.as_deref(), NAMES_AT_ONCE).await?;
            if let Some(last) = names.last() {
                self.after = Some(last.clone());
                return Ok(Some(names));
            }
            self.beginnings.pop();
        }
        Ok(None)
    }
}

/// A name that the caller may know of; the secret itself may be gone by now.
pub(super) struct Seen(pub Option<Arc<Pointer>>);

/// By Vault's policies, and by the secret's own, which can hide it and cannot show it: as at AWS, that lets nobody list. And what
/// the name counts for in a walk.
pub(super) async fn seen(cx: &mut Context<'_>, path: &str) -> Result<(Option<Seen>, usize), Error> {
    if !regions::may(cx, Action::Read, "metadata", path, None) {
        return Ok((None, 1));
    }
    let Some(pointer) = cx.state.peek::<Pointer>(path).await? else { return Ok((Some(Seen(None)), 1)) };
    let questions = vec![Question::new("secretsmanager:DescribeSecret")];
    match attached::of_secret(cx, &pointer.0, questions).await? {
        Some(attached) => {
            let hidden = !regions::may(cx, Action::Read, "metadata", path, Some(&attached));
            Ok(((!hidden).then_some(Seen(Some(pointer))), OF_POLICY))
        }
        None => Ok((Some(Seen(Some(pointer))), 1)),
    }
}

/// Whether the query wants a secret that the caller may know of.
fn is_wanted(cx: &Context<'_>, query: &SecretQuery, secret: &Secret) -> bool {
    let is_here = regions::place(secret, query.region.as_deref()) != SecretPlace::Nowhere;
    // A path with a region is a name of that region alone, and of none where there are no regions.
    let is_named = secret.regions.is_some() && query.region.is_some() || split_regional(&secret.path).is_none();
    if !is_here || !is_named || secret.is_past(cx.now) || (secret.deleted.is_some() && !query.with_deleted) {
        return false;
    }
    let name = secret.name();
    query.filters.iter().all(|filter| filter.holds(secret, &name))
}

/// Reads several secrets. What is refused for one of them is said of that one.
///
/// # Errors
/// Only what is wrong with the request as a whole, and what the store says.
pub async fn read_many(cx: &mut Context<'_>, many: &ManySecrets) -> Result<SecretBatch, Error> {
    let mut batch = SecretBatch::default();
    match many {
        ManySecrets::Named(named) => {
            let mut bytes = 0;
            for (word, wanted) in named {
                let found = match bytes > BATCH_BYTES_MAX {
                    true => Err(Error::new(Cause::TooLarge, "the answer has no room left for this secret")),
                    false => read_one(cx, wanted).await,
                };
                match found {
                    Ok(answer) => {
                        bytes += size_of(&answer);
                        batch.values.push(answer);
                    }
                    Err(error) if is_of_item(&error) => batch.refused.push((word.clone(), error)),
                    Err(error) => return Err(error),
                }
            }
        }
        ManySecrets::Matching(query) => {
            let page = list(cx, query).await?;
            batch.next = page.next;
            let mut bytes = 0;
            for secret in &page.secrets {
                if bytes > BATCH_BYTES_MAX {
                    break;
                }
                let path = CanonicalPath::parse(&secret.path)?;
                let wanted = SecretRef { path, short_id: None, region: query.region.clone() };
                match read_one(cx, &wanted).await {
                    Ok(answer) => {
                        bytes += size_of(&answer);
                        batch.values.push(answer);
                    }
                    Err(error) if is_of_item(&error) => batch.refused.push((secret.path.clone(), error)),
                    Err(error) => return Err(error),
                }
                if bytes > BATCH_BYTES_MAX {
                    let at_ms = instant(query.order, secret);
                    let after = secret.path.clone();
                    batch.next = Some(SecretCursor { after, at_ms, ..SecretCursor::default() });
                }
            }
        }
    }
    Ok(batch)
}

/// Of its payload, in bytes.
fn size_of(answer: &SecretAnswer) -> usize {
    answer.payload.as_ref().map_or(0, |payload| payload.text().len())
}

fn is_of_item(error: &Error) -> bool {
    matches!(error.cause, Cause::Denied | Cause::NotFound | Cause::Invalid | Cause::TooLarge)
}

async fn read_one(cx: &mut Context<'_>, wanted: &SecretRef) -> Result<SecretAnswer, Error> {
    let wanted = &SecretRef { path: regions::path_of(cx, wanted, false).await?, ..wanted.clone() };
    let attached = match cx.state.peek::<Pointer>(wanted.path.as_str()).await? {
        Some(pointer) if !pointer.0.is_past(cx.now) && shared::check_meant(wanted, &pointer.0).is_ok() => {
            let question = attached::value(&VersionRef::Current, &pointer.0);
            attached::of_secret(cx, &pointer.0, vec![question]).await?
        }
        _ => None,
    };
    if !regions::may(cx, Action::Read, "data", wanted.path.as_str(), attached.as_ref()) {
        return Err(Error::denied());
    }
    let answer = shared::read(cx, wanted, &VersionRef::Current).await?;
    match answer.payload {
        Some(_) => Ok(answer),
        None => Err(SecretFault::NoVersion.into()),
    }
}
