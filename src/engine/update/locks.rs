//! Reservations: by the person's pins and by agents' tools.

use super::writes::Purpose;
use crate::arbiter::{self, Proposal};
use crate::engine::command::Reply;
use crate::engine::effect::Effect;
use crate::engine::input::Asker;
use crate::engine::state::{State, Step};
use crate::model::id::OpId;
use crate::model::lease::Owner;

impl State {
    /// The person reserves paths, for itself or for an agent, until it frees them.
    pub(super) fn pin(
        &mut self,
        step: &mut Step,
        from: Asker,
        owner: Owner,
        patterns: Vec<String>,
        reason: String,
    ) {
        let op = self.reservation(step, from, &owner, &patterns, "pin");
        let input =
            arbiter::Input::Reserve { op, owner, patterns, for_ms: None, reason, wait_ms: 0 };
        self.decide(step, input);
    }

    /// A request that waits for the arbiter's word on a reservation.
    pub(super) fn reservation(
        &mut self,
        step: &Step,
        to: Asker,
        owner: &Owner,
        patterns: &[String],
        tool: &str,
    ) -> OpId {
        let purpose = Purpose::Reserve { to, since: step.now.mono };
        let op = self.new_op(owner.clone(), patterns.join(" "), Proposal::Opaque, tool, purpose);
        if let Some(found) = self.ops.get_mut(&op) {
            found.submitted = true;
        }
        op
    }

    /// A reservation is granted and stored.
    pub(super) fn reserved(&mut self, step: &mut Step, op: OpId, note: Option<String>) {
        let Some(found) = self.ops.remove(&op) else { return };
        let Purpose::Reserve { to, since } = found.purpose else { return };
        let reply = if found.tool == "pin" {
            Reply::Done
        } else {
            let waited_s = step.now.mono.since(since) / 1000;
            let changed = note.is_some();
            let text = note.unwrap_or_else(|| match found.tool.as_str() {
                "wait_for" => format!("{} is yours to write now", found.raw),
                _ => format!("reserved: {}", found.raw),
            });
            let data = serde_json::json!({ "granted": true, "waited_s": waited_s,
                                           "changed_since_you_read": changed });
            Reply::Tool(super::tools::ok(&text, data))
        };
        step.out.push(Effect::Reply { to, reply });
    }
}
