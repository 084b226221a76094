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
        let op = self.reservation(from, &owner, &patterns, "pin");
        let input =
            arbiter::Input::Reserve { op, owner, patterns, for_ms: None, reason, wait_ms: 0 };
        self.decide(step, input);
    }

    /// A request that waits for the arbiter's word on a reservation.
    pub(super) fn reservation(
        &mut self,
        to: Asker,
        owner: &Owner,
        patterns: &[String],
        tool: &str,
    ) -> OpId {
        let purpose = Purpose::Reserve { to };
        let op = self.new_op(owner.clone(), patterns.join(" "), Proposal::Opaque, tool, purpose);
        if let Some(found) = self.ops.get_mut(&op) {
            found.submitted = true;
        }
        op
    }

    /// A reservation is granted and stored.
    pub(super) fn reserved(&mut self, step: &mut Step, op: OpId, note: Option<String>) {
        let Some(found) = self.ops.remove(&op) else { return };
        let Purpose::Reserve { to } = found.purpose else { return };
        let reply = if found.tool == "pin" {
            Reply::Done
        } else {
            let text = note.unwrap_or_else(|| format!("reserved: {}", found.raw));
            Reply::Tool(super::tools::ok(&text, serde_json::json!({ "granted": true })))
        };
        step.out.push(Effect::Reply { to, reply });
    }
}
