//! The JSON rows that scripts rely on. Fields may be added, never taken away.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::model::agent::AgentInfo;
use crate::model::lease::LeaseInfo;
use crate::model::review::{ChangeLine, RejectedLine};
use crate::model::session::SessionHit;

/// A row of `agents`.
pub(super) fn agent(info: &AgentInfo) -> Value {
    with(
        info,
        json!({"cost_usd": info.usage.cost_usd, "tokens": info.usage.tokens}),
        &["usage", "commands", "models"],
    )
}

/// A row of `locks`. `since_ms` is a moment: milliseconds since 1970.
pub(super) fn lock(lease: &LeaseInfo) -> Value {
    with(
        lease,
        json!({
            "owner": lease.owner_name,
            "owner_key": lease.owner.key(),
            "since_ms": lease.since,
            "until_ms": lease.until,
        }),
        &["owner_name", "since", "until"],
    )
}

/// A row of `changes`. `at` is a moment: milliseconds since 1970. A hash of zeros stands for a
/// content that nobody looked at.
pub(super) fn change(line: &ChangeLine) -> Value {
    let change = &line.change;
    json!({
        "id": change.id,
        "at": change.at,
        "path": change.path,
        "from": change.from,
        "op": change.kind(),
        "owner": change.agent,
        "owner_key": change.owner.key(),
        "turn": change.turn,
        "tool": change.tool,
        "before": change.before.map(|image| image.hash),
        "after": change.after.map(|image| image.hash),
        "before_mode": change.before.and_then(|image| image.mode),
        "after_mode": change.after.and_then(|image| image.mode),
        "before_kept": line.before_kept,
        "added": line.lines.map(|(added, _)| added),
        "removed": line.lines.map(|(_, removed)| removed),
        "over": line.over,
        "reverts": change.reverts,
        "undone_by": line.undone_by,
        "refused": false,
    })
}

/// A row of `changes --rejected`.
pub(super) fn rejected(line: &RejectedLine) -> Value {
    json!({
        "rejected": line.number,
        "at": line.at,
        "path": line.path,
        "owner": line.agent,
        "tool": line.tool,
        "code": line.code,
        "added": line.lines.map(|(added, _)| added),
        "removed": line.lines.map(|(_, removed)| removed),
        "refused": true,
    })
}

/// A row of `sessions` and `search`.
pub(super) fn session(hit: &SessionHit) -> Value {
    with(
        hit,
        json!({"cost_usd": hit.row.usage.cost_usd, "tokens": hit.row.usage.tokens}),
        &["usage", "spec"],
    )
}

/// The fields of `row`, those of `more`, and without those of `less`.
fn with<T: Serialize>(row: &T, more: Value, less: &[&str]) -> Value {
    let mut fields = match serde_json::to_value(row) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Map::new(),
    };
    for name in less {
        fields.remove(*name);
    }
    if let Value::Object(more) = more {
        fields.extend(more);
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::fake;
    use crate::model::agent::AgentState;
    use crate::model::lease::{LeaseState, Owner};
    use crate::model::time::Wall;

    fn has(row: &Value, fields: &[&str]) {
        for field in fields {
            assert!(row.get(field).is_some(), "{field} is missing in {row}");
        }
    }

    #[test]
    fn rows_have_the_fields_of_the_contract() {
        let row = agent(&fake::agent(1, "blue", AgentState::NeedsYou));
        has(
            &row,
            &[
                "name",
                "session_id",
                "backend",
                "state",
                "model",
                "permission_mode",
                "guard",
                "cost_usd",
                "tokens",
                "holds",
                "pid",
            ],
        );
        assert_eq!(row["state"], "needs_you");
        has(&row["tokens"], &["input", "output", "cache_read", "cache_write"]);
        let lease = LeaseInfo {
            path: "a".into(),
            owner: Owner::User,
            owner_name: "you".into(),
            state: LeaseState::Pinned,
            since: Wall(7),
            until: None,
            reason: "r".into(),
            queue: vec!["blue".into()],
        };
        assert_eq!(
            lock(&lease),
            json!({
                "path": "a", "owner": "you", "owner_key": "user", "state": "pinned",
                "since_ms": 7, "until_ms": null, "reason": "r", "queue": ["blue"],
            })
        );
        has(
            &session(&crate::cli::fake::hit("0192", "t", "/w")),
            &[
                "id",
                "backend_session_id",
                "title",
                "workspace",
                "backend",
                "agent",
                "started_at",
                "updated_at",
                "turns",
                "messages",
                "cost_usd",
                "resumable",
                "open",
            ],
        );
    }
}
