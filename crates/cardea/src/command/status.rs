//! `status`: whether the server is initialised and open. Exit code 0 open, 2 sealed, 1 no answer.

use super::{Command, Traits};
use crate::{
    call::Call,
    failure::Failure,
    output::{self, line, two_columns},
    session::Session,
};
use cardea_client::{
    Request,
    sys::{Leader, SealStatus},
};
use serde_json::Value;

pub const COMMANDS: &[Command] = &[Command {
    name: "status",
    arguments: "",
    summary: "Prints whether the server is initialized and sealed; exits with 2 if sealed, 1 on an error",
    flags: &[],
    traits: Traits::SERVER,
    count: (0, 0),
    run,
}];

fn run(call: &Call) -> Result<(), Failure> {
    let session = Session::open(call)?;
    let response = session.send("Error checking seal status", &Request::get("sys/seal-status").unwrapped());
    let response = response.map_err(|failure| failure.with_code(1))?;
    let (status, leader) = match response.json::<SealStatus>() {
        Ok(status) => (status, session.aside(|client| client.leader()).ok()),
        Err(reason) => return Err(Failure::usage(format!("Error checking seal status: {reason}"))),
    };
    let leader = leader.map(|(leader, _)| leader).unwrap_or_default();
    if call.is_table() {
        line(&text(&status, Some(&leader)))?;
    } else {
        let mut body = response.json::<serde_json::Map<String, Value>>().unwrap_or_default();
        body.insert("ha_enabled".to_owned(), Value::Bool(leader.ha_enabled));
        body.entry("active_time").or_insert(Value::String(leader.active_time));
        output::value(call.format, &Value::Object(body))?;
    }
    if status.sealed { Err(Failure::silent(2)) } else { Ok(()) }
}

/// The table of a seal status; with the line on high availability where the leader is known.
pub fn text(status: &SealStatus, leader: Option<&Leader>) -> String {
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut row = |name: &str, value: String| rows.push((name.to_owned(), value));
    let recovery = if status.recovery_seal { "Recovery " } else { "" };
    row(&format!("{recovery}Seal Type"), status.seal_type.clone());
    row("Initialized", status.initialized.to_string());
    row("Sealed", status.sealed.to_string());
    row(&format!("Total {recovery}Shares"), status.n.to_string());
    row("Threshold", status.t.to_string());
    if status.sealed {
        row("Unseal Progress", format!("{}/{}", status.progress, status.t));
        row("Unseal Nonce", status.nonce.clone());
    }
    if status.migration {
        row("Seal Migration in Progress", "true".to_owned());
    }
    row("Version", status.version.clone());
    // Vault's version is what clients compare with; this one is ours.
    if !status.cardea_version.is_empty() {
        row("Cardea Version", status.cardea_version.clone());
    }
    row("Build Date", status.build_date.clone());
    row("Storage Type", status.storage_type.clone());
    if !status.cluster_name.is_empty() && !status.cluster_id.is_empty() {
        row("Cluster Name", status.cluster_name.clone());
        row("Cluster ID", status.cluster_id.clone());
    }
    if let Some(leader) = leader {
        row("HA Enabled", leader.ha_enabled.to_string());
        if leader.ha_enabled && !status.sealed {
            row("HA Cluster", leader.leader_cluster_address.clone());
            row("HA Mode", if leader.is_self { "active" } else { "standby" }.to_owned());
            if leader.is_self {
                row("Active Since", leader.active_time.clone());
            } else {
                let address = leader.leader_address.as_str();
                row("Active Node Address", if address.is_empty() { "<none>" } else { address }.to_owned());
            }
        }
    }
    two_columns(rows)
}
