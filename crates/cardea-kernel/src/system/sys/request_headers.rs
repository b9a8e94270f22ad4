//! `sys/config/auditing/request-headers`: which headers of requests stand in the log, in clear or as keyed hashes.

use super::Op as SysOp;
use crate::active::Active;
use crate::extra::{After, Extra};
use crate::request_headers::{self as kept, HEADERS_MAX, KeptHeader};
use cardea_model::{Envelope, Error, loose};
use cardea_sdk::route::{Access, Bound, Route};
use cardea_sdk::{Context, Done, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

pub enum Op {
    List,
    Read { header: String },
    Write { header: String, hashed: bool },
    Delete { header: String },
}

#[derive(Deserialize)]
struct NameInput {
    header: String,
}

#[derive(Deserialize)]
struct WriteInput {
    header: String,
    #[serde(default)]
    hmac: loose::Flag,
}

pub(super) fn routes() -> Vec<Route<SysOp>> {
    let one = "config/auditing/request-headers/{header:lower}";
    vec![
        Route::read("audited-headers", "config/auditing/request-headers", |p| {
            Bound::plain(p, SysOp::RequestHeaders(Op::List))
        })
        .access(Access::Sudo)
        .envelope(Envelope::Flattened)
        .help("The headers of requests that the log keeps."),
        Route::read("audited-header-read", one, |p| {
            Bound::read(p, |i: NameInput| SysOp::RequestHeaders(Op::Read { header: i.header }))
        })
        .access(Access::Sudo)
        .envelope(Envelope::Flattened)
        .help("Whether the log keeps a header in clear or as its keyed hash."),
        Route::write("audited-header-write", one, |p| {
            Bound::try_read(p, |i: WriteInput| {
                kept::check(&i.header)?;
                Ok(SysOp::RequestHeaders(Op::Write { header: i.header, hashed: i.hmac.0 }))
            })
        })
        .access(Access::Sudo)
        .clear(&["hmac"])
        .help("Lets the log keep a header of requests: as its keyed hash if hmac is true, else in clear. Headers that carry credentials are never kept.")
        .example("{\"hmac\": true}"),
        Route::delete("audited-header-delete", one, |p| {
            Bound::read(p, |i: NameInput| SysOp::RequestHeaders(Op::Delete { header: i.header }))
        })
        .access(Access::Sudo)
        .help("Keeps the header no longer; what the log has of it stays."),
    ]
}

#[derive(Serialize)]
struct View {
    hmac: bool,
}

pub(super) async fn handle(active: &Arc<Active>, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
    match op {
        Op::List => {
            #[derive(Serialize)]
            struct Answer {
                headers: BTreeMap<String, View>,
            }
            let all = active.kept_headers.now();
            let headers = all.iter().map(|(name, hashed)| (name.clone(), View { hmac: *hashed })).collect();
            Done::object(&Answer { headers })
        }
        Op::Read { header } => {
            let all = active.kept_headers.now();
            let hashed = all.get(header).ok_or_else(|| Error::invalid("Could not find header in config"))?;
            Done::object(&BTreeMap::from([(header, View { hmac: *hashed })]))
        }
        Op::Write { header, hashed } => {
            let mut view = kept::view(cx.state.kernel_side());
            let others = view.names::<KeptHeader>("", None, HEADERS_MAX + 1).await?;
            if others.len() >= HEADERS_MAX && !others.contains(header) {
                return Err(Error::invalid(format!("the log keeps at most {HEADERS_MAX} headers")));
            }
            view.put(header, &KeptHeader { hashed: *hashed })?;
            Ok(Extra::after(After::KeptHeader { name: header.clone(), hashed: Some(*hashed) }))
        }
        Op::Delete { header } => {
            kept::view(cx.state.kernel_side()).delete::<KeptHeader>(header);
            Ok(Extra::after(After::KeptHeader { name: header.clone(), hashed: None }))
        }
    }
}
