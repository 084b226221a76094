//! The bench's own tools, for scripts and for agents: `benchdog call --as NAME TOOL JSON`.
//!
//! A conflict is an answer, not an error: the result says `ok: false` and a code. Parsing is
//! lenient where a model would slip (a string for a list, an absolute path), and clear elsewhere.

use serde_json::{Value, json};

use super::writes::{Op, Phase, Purpose};
use crate::arbiter::input::Base;
use crate::arbiter::{self, Disk, Edit, Proposal, Seen, WriteEnd};
use crate::engine::command::Reply;
use crate::engine::effect::{Content, Effect};
use crate::engine::input::{Asker, ClientId, Taken, WriteTrouble};
use crate::engine::state::{Doing, State, Step};
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::{OpId, SessionId};
use crate::model::lease::{Owner, Refusal, RefusalCode};
use crate::model::path::{Hash, WorkPath};

/// The tools that can be called.
const NAMES: [&str; 8] = [
    "list_agents",
    "who_has",
    "reserve_files",
    "release_files",
    "wait_for",
    "read_file",
    "edit_file",
    "write_file",
];

/// Minutes that an agent may reserve files.
const MINUTES: std::ops::RangeInclusive<u64> = 1..=30;

/// Seconds that a wait may take.
const WAIT_SECONDS: u64 = 120;

/// Paths in one question.
const PATHS: usize = 50;

impl State {
    pub(super) fn call_tool(
        &mut self,
        step: &mut Step,
        from: Asker,
        name: &str,
        tool: &str,
        input: &Value,
    ) -> Result<(), Failure> {
        let owner = self.caller(step, name)?;
        match tool {
            "list_agents" => self.list_agents(step, from),
            "who_has" => self.who_has(step, from, &owner, &paths(input)?),
            "reserve_files" => self.reserve_files(step, from, owner, input)?,
            "release_files" => {
                let paths = paths(input).unwrap_or_default();
                self.decide(step, arbiter::Input::Release { owner, paths });
                respond(step, from, ok("released", json!({})));
            }
            "wait_for" => {
                for unknown in ["ticket", "agent"] {
                    if input.get(unknown).is_some() {
                        let text = format!("`wait_for` waits for a `path`, not for a `{unknown}`");
                        return Err(Failure::new(FailureKind::Usage, text)
                            .hint("`list_agents` tells how an agent fares"));
                    }
                }
                let raw = text(input, "path")?;
                let wait_ms = number(input, "timeout_s", 20)?.min(WAIT_SECONDS) * 1000;
                let path = self.plain_path(&raw)?;
                let op = self.reservation(step, from, &owner, &[path.to_string()], tool);
                self.decide(step, arbiter::Input::WaitFor { op, owner, path, wait_ms });
            }
            "read_file" => {
                let raw = text(input, "path")?;
                let purpose = Purpose::Read { to: from };
                self.file_op(step, owner, raw, Proposal::Opaque, tool, purpose, None);
            }
            "edit_file" => {
                let raw = text(input, "path")?;
                let (old, new) = (text(input, "old")?, text(input, "new")?);
                let edit = Edit { old, new, all: flag(input, "replace_all") };
                let content = Content::Edited(edit.clone());
                let purpose = Purpose::Write { to: from, content, rebased: None };
                self.file_op(step, owner, raw, Proposal::Edits(vec![edit]), tool, purpose, None);
            }
            "write_file" => {
                let raw = text(input, "path")?;
                let content = text(input, "content")?;
                let base = base(input)?;
                let proposal = Proposal::Whole(Hash::of(content.as_bytes()));
                let content = Content::Whole(content);
                let purpose = Purpose::Write { to: from, content, rebased: None };
                self.file_op(step, owner, raw, proposal, tool, purpose, base);
            }
            other => {
                let text = format!("there is no tool `{other}`");
                let hint = format!("the tools are {}", NAMES.join(", "));
                return Err(Failure::new(FailureKind::Usage, text).hint(hint));
            }
        }
        Ok(())
    }

    /// The owner behind a name: the person, an agent of the bench, or a script of that name.
    pub(super) fn caller(&mut self, step: &mut Step, name: &str) -> Result<Owner, Failure> {
        if name == "user" {
            return Ok(Owner::User);
        }
        if let Some(agent) = self.agents.values().find(|agent| agent.info.name == name) {
            return Ok(Owner::Session(agent.session(), None));
        }
        let session = SessionId(format!("call:{name}"));
        if !self.names.contains_key(&session) {
            self.check_name(name)?;
            self.names.insert(session.clone(), name.to_owned());
            let (name, task) = (name.to_owned(), String::new());
            let named = session.clone();
            self.decide(step, arbiter::Input::Named { session: named, name, task });
        }
        Ok(Owner::Session(session, None))
    }

    #[expect(clippy::too_many_arguments, reason = "one request, spelled out")]
    fn file_op(
        &mut self,
        step: &mut Step,
        owner: Owner,
        raw: String,
        proposal: Proposal,
        tool: &str,
        purpose: Purpose,
        base: Option<Base>,
    ) {
        let op = self.new_op(owner, raw, proposal, tool, purpose);
        if let Some(found) = self.ops.get_mut(&op) {
            found.base = base;
        }
        let cwd = self.setup.workspace.root.clone();
        self.resolve(step, op, cwd);
    }

    fn list_agents(&self, step: &mut Step, from: Asker) {
        let agents: Vec<Value> = self
            .agents
            .values()
            .map(|agent| {
                let waits = agent.info.waits_for.as_ref().map(|wait| &wait.path);
                json!({ "name": agent.info.name, "state": agent.info.state,
                        "task": agent.info.title, "holds": agent.info.holds, "waits_for": waits })
            })
            .collect();
        let text = format!("{} agents", agents.len());
        respond(step, from, ok(&text, json!({ "agents": agents })));
    }

    fn who_has(&self, step: &mut Step, from: Asker, owner: &Owner, paths: &[String]) {
        let items: Vec<Value> =
            paths.iter().map(|raw| self.who_has_one(step, owner, raw)).collect();
        let free = items.iter().filter(|item| item["state"] == "free").count();
        let text = format!("{free} of {} free", items.len());
        respond(step, from, ok(&text, json!({ "items": items })));
    }

    fn who_has_one(&self, step: &Step, owner: &Owner, raw: &str) -> Value {
        let Ok(path) = self.plain_path(raw) else {
            return json!({ "path": raw, "state": "outside" });
        };
        self.desk.read(|table| {
            let standing = table.who_has(owner, &path);
            let last = standing.last_writer.map(|(writer, _)| self.owner_name(writer));
            let changed = standing.changed_since_seen;
            match standing.lease.or(standing.pin.map(|(_, lease)| lease)) {
                None => json!({ "path": path, "state": "free", "queue": [], "last_writer": last,
                                "changed_since_you_read": changed }),
                Some(lease) => json!({
                    "path": path,
                    "state": lease.state,
                    "owner": self.owner_name(&lease.owner),
                    "since_s": step.now.mono.since(lease.since) / 1000,
                    "task": lease.reason,
                    "queue": lease.queue.iter().map(|owner| self.owner_name(owner)).collect::<Vec<_>>(),
                    "last_writer": last,
                    "changed_since_you_read": changed,
                }),
            }
        })
    }

    fn reserve_files(
        &mut self,
        step: &mut Step,
        from: Asker,
        owner: Owner,
        input: &Value,
    ) -> Result<(), Failure> {
        let patterns = paths(input)?;
        let minutes = number(input, "minutes", 10)?;
        if !MINUTES.contains(&minutes) {
            return Err(Failure::new(FailureKind::Usage, "`minutes` is from 1 to 30"));
        }
        let wait_ms = number(input, "wait_s", 0)?.min(60) * 1000;
        let reason = input.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned();
        // Others are kept out either way; what differs is only what the owner means to do.
        match input.get("mode").map(|mode| mode.as_str()) {
            None | Some(Some("write" | "hold_still")) => {}
            Some(_) => {
                let text = "`mode` is `write` or `hold_still`";
                return Err(Failure::new(FailureKind::Usage, text));
            }
        }
        let op = self.reservation(step, from, &owner, &patterns, "reserve_files");
        let for_ms = (owner != Owner::User).then_some(minutes * 60_000);
        let reserve = arbiter::Input::Reserve { op, owner, patterns, for_ms, reason, wait_ms };
        self.decide(step, reserve);
        Ok(())
    }

    /// A path as it is written, without a look at the disk: absolute ones below the root are taken.
    fn plain_path(&self, raw: &str) -> Result<WorkPath, Failure> {
        let root = &self.setup.workspace.root;
        let below = raw.strip_prefix(root.as_str()).map(|rest| rest.trim_start_matches('/'));
        let plain = below.unwrap_or(raw).trim_start_matches("./");
        WorkPath::parse(plain).ok_or_else(|| {
            Failure::new(FailureKind::Usage, format!("`{raw}` is no path inside the workspace"))
        })
    }

    pub(in crate::engine) fn file_read(&mut self, step: &mut Step, op: OpId, disk: Disk) {
        let Some(Op { owner, path: Some(path), purpose: Purpose::Read { to }, .. }) =
            self.ops.remove(&op)
        else {
            return;
        };
        match disk {
            Disk::File { hash, text: Some(content) } => {
                let seen = Seen::Full;
                let observed = arbiter::Input::Observed { owner, path, hash, seen };
                self.decide(step, observed);
                let text = format!("{} lines", content.lines().count());
                respond(step, to, ok(&text, json!({ "content": &*content, "hash": hash })));
            }
            Disk::File { hash, text: None } => {
                let text = "it is not text, or too large to be shown";
                respond(step, to, not_ok("FAILED", text, json!({ "hash": hash })));
            }
            Disk::Absent => {
                respond(
                    step,
                    to,
                    not_ok("NOT_FOUND", &format!("{path} does not exist"), json!({})),
                );
            }
            Disk::Unreadable(reason) => respond(step, to, not_ok("FAILED", &reason, json!({}))),
        }
    }

    /// A write of one of the bench's tools was done, or not.
    pub(in crate::engine) fn written(
        &mut self,
        step: &mut Step,
        op: OpId,
        disk: Disk,
        was: Option<Taken>,
        result: Result<(), WriteTrouble>,
    ) {
        if let Some(Op { purpose: Purpose::Revise { .. }, .. }) = self.ops.get(&op) {
            return self.step_written(step, op, disk, was, result);
        }
        let Some(Op { owner, path, tool, purpose: Purpose::Write { to, rebased, .. }, .. }) =
            self.ops.remove(&op)
        else {
            return;
        };
        let hash = match &disk {
            Disk::File { hash, .. } => Some(*hash),
            Disk::Absent | Disk::Unreadable(_) => None,
        };
        let end = match &result {
            Ok(()) => WriteEnd::Done,
            Err(_) => WriteEnd::Failed,
        };
        self.doing = Doing { tool: tool.clone(), taken: was, ..Doing::default() };
        self.decide(step, arbiter::Input::Finished { op, end, disk });
        self.done_with_image(step);
        self.doing = Doing::default();
        let file = path;
        let path = file.as_ref().map(ToString::to_string).unwrap_or_default();
        let answer = match result {
            Ok(()) => {
                let data = json!({ "hash": hash, "rebased": rebased.is_some() });
                let written = format!("{tool}: {path} is written");
                ok(
                    &rebased.map_or_else(|| written.clone(), |note| format!("{written}. {note}")),
                    data,
                )
            }
            Err(WriteTrouble::Changed) => {
                let text = format!(
                    "NOT WRITTEN (stale): {path} was changed by somebody outside while it was \
                     being written; it is as they left it. Read it again and redo your change."
                );
                not_ok("STALE", &text, json!({ "path": path }))
            }
            Err(WriteTrouble::NoAnchor(why)) => {
                let text = format!("NOT WRITTEN (stale): {why}. Read {path} again, then redo it.");
                not_ok("STALE", &text, json!({ "path": path }))
            }
            Err(WriteTrouble::Io(why)) => {
                not_ok("FAILED", &format!("NOT WRITTEN (failed): {why}"), json!({ "path": path }))
            }
        };
        if owner.session().is_some()
            && self.agent_of(&owner).is_none()
            && let Some(path) = file
        {
            // A script has no turns that could end: what it wrote is free again at once.
            self.decide(step, arbiter::Input::Done { owner, path });
        }
        respond(step, to, answer);
    }

    /// A tool of the bench was refused by the arbiter.
    pub(super) fn tool_refused(&self, step: &mut Step, to: Asker, refusal: &Refusal) {
        let mut data = json!({ "path": refusal.path, "holder": refusal.holder });
        if refusal.code == RefusalCode::Outside && refusal.path.is_some() {
            // It lies inside, so it is protected: this is the person's move.
            data["needs_person"] = json!(true);
        }
        respond(step, to, not_ok(refusal.code.as_str(), &refusal.text, data));
    }

    /// A front end is gone: what it asked for and did not get yet is given up. What was granted is
    /// carried out.
    pub(in crate::engine) fn client_gone(&mut self, step: &mut Step, client: ClientId) {
        let its_own = |op: &Op| match &op.purpose {
            Purpose::Gate { .. } => false,
            Purpose::Write { to, .. }
            | Purpose::Revise { to, .. }
            | Purpose::Read { to }
            | Purpose::Reserve { to, .. } => to.client == client && op.phase == Phase::Deciding,
            // That of the one git that has it, or is about to.
            Purpose::Tree => false,
        };
        self.git_client_gone(step, client);
        self.revising.retain(|asker, _| asker.client != client);
        let mut ops: Vec<OpId> =
            self.ops.iter().filter(|(_, op)| its_own(op)).map(|(id, _)| *id).collect();
        ops.sort_unstable();
        for op in ops {
            self.give_up(step, op);
        }
    }

    /// A request that nobody waits for any more.
    pub(super) fn give_up(&mut self, step: &mut Step, op: OpId) {
        let Some(found) = self.ops.remove(&op) else { return };
        if let Purpose::Gate { agent, call, .. } = &found.purpose {
            let (agent, call) = (*agent, call.clone());
            self.calls.remove(&(agent, call));
            if found.waiting {
                if let Some(agent) = self.agents.get_mut(&agent) {
                    agent.info.waits_for = None;
                }
                self.live(step, agent, crate::supervisor::life::Event::WaitEnded);
            }
        }
        if found.submitted {
            self.decide(step, arbiter::Input::Withdrawn { op });
        }
    }
}

/// A good result.
#[expect(clippy::needless_pass_by_value, reason = "it becomes a part of the result")]
pub(super) fn ok(text: &str, data: Value) -> Value {
    json!({ "ok": true, "code": "OK", "text": text, "data": data })
}

#[expect(clippy::needless_pass_by_value, reason = "it becomes a part of the result")]
fn not_ok(code: &str, text: &str, data: Value) -> Value {
    json!({ "ok": false, "code": code, "text": text, "data": data })
}

fn respond(step: &mut Step, to: Asker, result: Value) {
    step.out.push(Effect::Reply { to, reply: Reply::Tool(result) });
}

fn text(input: &Value, key: &str) -> Result<String, Failure> {
    input
        .get(key)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| Failure::new(FailureKind::Usage, format!("the tool wants a text `{key}`")))
}

fn flag(input: &Value, key: &str) -> bool {
    match input.get(key) {
        Some(Value::Bool(on)) => *on,
        Some(Value::String(word)) => word == "true",
        _ => false,
    }
}

fn number(input: &Value, key: &str, default: u64) -> Result<u64, Failure> {
    let number = match input.get(key) {
        None | Some(Value::Null) => Some(default),
        Some(Value::String(digits)) => digits.parse().ok(),
        Some(value) => value.as_u64(),
    };
    number.ok_or_else(|| Failure::new(FailureKind::Usage, format!("`{key}` is a whole number")))
}

/// The `paths` (or the one `path`) of an input.
fn paths(input: &Value) -> Result<Vec<String>, Failure> {
    let raw = input.get("paths").or_else(|| input.get("path"));
    let paths: Vec<String> = match raw {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(all)) => {
            all.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    if paths.is_empty() || paths.len() > PATHS {
        let text = format!("the tool wants `paths`, from 1 to {PATHS} of them");
        return Err(Failure::new(FailureKind::Usage, text));
    }
    Ok(paths)
}

fn base(input: &Value) -> Result<Option<Base>, Failure> {
    match input.get("base").and_then(Value::as_str) {
        None => Ok(None),
        Some("absent") => Ok(Some(Base::Absent)),
        Some(hex) => Hash::parse(hex).map(|hash| Some(Base::Is(hash))).ok_or_else(|| {
            Failure::new(FailureKind::Usage, "`base` is a hash that `read_file` gave, or `absent`")
        }),
    }
}
