//! A git of an agent that may change the whole tree: the person's word, the tree for itself, what
//! is kept first, and what others are told afterwards.
//!
//! - **Nothing without a yes.** Whatever goes wrong before git runs is a refusal, and nothing was
//!   touched.
//! - **Kept first.** git runs only once everything that it may destroy is in the history.
//! - **The tree is given back** when git has ended, even if nobody says so any more: the one that
//!   asks may be killed, and its git may outlive it.
//! - One git at a time.

use std::collections::BTreeMap;

use serde_json::json;

use super::asks::Behind;
use super::git::{same_session, unsaved_of_others};
use super::writes::Purpose;
use crate::arbiter::{self, Proposal, TREE};
use crate::engine::command::Reply;
use crate::engine::effect::Effect;
use crate::engine::event::Event;
use crate::engine::input::{Asker, ClientId};
use crate::engine::state::{Doing, State, Step};
use crate::git::FileQuestion;
use crate::git::ask::{self, Request, Wish, Word};
use crate::model::change::Image;
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::{AgentId, AskId, OpId};
use crate::model::lease::{LeaseState, Owner, Refusal};
use crate::model::path::{Hash, WorkPath};
use crate::model::permission::{Ask, AskAnswer, AskKind, AskOutcome};
use crate::model::transcript::Level;

/// How long a git waits for writes of others that are under way, in milliseconds. Most take less
/// than one; who waits longer holds up everybody.
const INFLIGHT_MS: u64 = 10_000;

/// The tool's name in asks, leases and changes.
const GIT: &str = "git";

/// A git that has the tree, or is about to get it.
#[derive(Debug)]
pub(in crate::engine) struct Tree {
    /// Who waits for the next answer: a process that runs git and speaks to us meanwhile.
    to: Asker,
    owner: Owner,
    wish: Wish,
    stage: Stage,
    /// What git may destroy.
    kept: BTreeMap<WorkPath, Kept>,
    /// Whose uncommitted work is in the files that are being kept.
    of: BTreeMap<WorkPath, Vec<Owner>>,
}

/// A file as it was before git ran.
#[derive(Debug)]
struct Kept {
    image: Image,
    /// Others whose uncommitted work is in it, the last one first.
    of: Vec<Owner>,
}

/// How far a git is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The tree is asked for.
    Taking(OpId),
    /// It has the tree.
    Held,
    /// It runs as this process; whether anybody still tells of its end.
    Running { process: u32, told: bool },
    /// It is over, and the tree is looked at.
    Over,
}

impl State {
    /// A step of an agent's git.
    pub(super) fn git_tree(
        &mut self,
        step: &mut Step,
        from: Asker,
        agent: Option<AgentId>,
        processes: &[u32],
        request: Request,
    ) -> Result<Option<Reply>, Failure> {
        if let Request::Ask(wish) = request {
            let owner = self.git_owner(agent, processes)?;
            return Ok(self.ask_for_tree(step, from, &owner, wish).err().map(no));
        }
        let tree = self.tree.as_mut().filter(|tree| tree.to.client == from.client);
        let tree = tree.ok_or_else(|| {
            Failure::new(FailureKind::Failed, "this git does not have the tree")
                .hint("it has to ask for it first")
        })?;
        match (request, tree.stage) {
            (Request::Keep(files), Stage::Held) => {
                tree.to = from;
                self.keep_tree(step, &files);
                Ok(None)
            }
            (Request::Began(process), Stage::Held) => {
                tree.stage = Stage::Running { process, told: true };
                step.out.push(Effect::AwaitGit(process));
                Ok(Some(Reply::GitTree(Word::Go)))
            }
            (Request::Ended, Stage::Running { .. }) => {
                tree.to = from;
                self.look_over_tree(step);
                Ok(None)
            }
            (Request::Ask(_) | Request::Keep(_) | Request::Began(_) | Request::Ended, _) => {
                Err(Failure::new(FailureKind::Failed, "this step of git comes out of turn"))
            }
        }
    }

    /// Opens an ask in the agent's session; or says why nobody is asked.
    fn ask_for_tree(
        &mut self,
        step: &mut Step,
        from: Asker,
        owner: &Owner,
        wish: Wish,
    ) -> Result<(), String> {
        let id = self.agent_of(owner).ok_or_else(|| wish.refusal.clone())?;
        let agent = self.agents.get(&id).ok_or_else(|| wish.refusal.clone())?;
        let (mode, attended) = (agent.info.permission_mode, !agent.spec.unattended);
        if !ask::can_be_asked(mode, attended) || !self.setup.arbitrate {
            return Err(wish.refusal);
        }
        if let Some(what) = self.reserved_by_others(owner) {
            return Err(ask::in_the_way(&wish.name, &what));
        }
        let stakes: Vec<String> = wish.stakes.iter().map(ToString::to_string).collect();
        let reason = format!(
            "{}. What is there is kept first: `benchdog changes --lost` lists what went, `benchdog \
             restore FILE` brings it back.",
            wish.why
        );
        self.last_ask += 1;
        let ask = Ask {
            id: AskId(self.last_ask),
            agent: id,
            sub: None,
            call: None,
            tool: GIT.to_owned(),
            input: json!({ "command": wish.line, "at_stake": stakes }),
            kind: AskKind::Permission,
            suggestions: Vec::new(),
            reason: Some(reason),
            at: step.now.wall,
        };
        let until = step.now.mono.after(self.setup.git_ask_ms);
        self.put_ask(step, ask, Behind::Git { to: from, wish, until });
        Ok(())
    }

    /// A reservation of somebody else, in words. It was made on purpose, so a yes to something else
    /// does not end it.
    fn reserved_by_others(&self, owner: &Owner) -> Option<String> {
        self.desk.read(|table| {
            let mut leases = table.leases();
            let (path, lease) = leases.find(|(_, lease)| {
                lease.state == LeaseState::Pinned && !same_session(&lease.owner, owner)
            })?;
            let name = table.name_of(&lease.owner);
            let git = path == TREE && lease.owner.session().is_some();
            Some(if git {
                format!("a git of {name} has it")
            } else {
                format!("{path} is reserved by {name} (`benchdog release {path}` ends that)")
            })
        })
    }

    /// The person's answer to the ask of a git.
    pub(super) fn answer_git(
        &mut self,
        step: &mut Step,
        id: AskId,
        answer: AskAnswer,
    ) -> Result<(), Failure> {
        let Some((agent, to, wish)) = self.asks.get(&id).and_then(|open| open.behind_git()) else {
            return Ok(());
        };
        match &answer {
            AskAnswer::AllowOnce { input: None } => {
                if let Some(why) = self.take_tree(step, to, agent, wish) {
                    reply(step, to, Word::No(why));
                    self.close_ask(step, id, AskOutcome::Refused, Some(answer));
                } else {
                    self.close_ask(step, id, AskOutcome::Allowed, Some(answer));
                }
                Ok(())
            }
            AskAnswer::Deny { reason, interrupt } => {
                reply(step, to, Word::No(ask::denied(&wish.name, reason)));
                let interrupt = *interrupt;
                self.close_ask(step, id, AskOutcome::Denied, Some(answer));
                if interrupt { self.interrupt(step, agent) } else { Ok(()) }
            }
            AskAnswer::AllowOnce { input: Some(_) } => {
                let text = "the command line of a git that waits cannot be changed";
                Err(Failure::new(FailureKind::Usage, text)
                    .hint("deny it, and say what it should do instead"))
            }
            AskAnswer::AllowAlways { .. } | AskAnswer::Answers(_) => {
                let text = "this wants a yes for this once, or a no";
                Err(Failure::new(FailureKind::Usage, text).hint("allow it once, or deny it"))
            }
        }
    }

    /// Withdraws the asks of gits for which the person had no answer in time.
    pub(super) fn end_unanswered(&mut self, step: &mut Step) {
        let now = step.now.mono;
        let due = self.asks.iter().filter(|(_, open)| open.until().is_some_and(|at| at <= now));
        for id in due.map(|(id, _)| *id).collect::<Vec<_>>() {
            if let Some((_, to, wish)) = self.asks.get(&id).and_then(|open| open.behind_git()) {
                let seconds = self.setup.git_ask_ms / 1000;
                reply(step, to, Word::No(ask::unanswered(&wish.name, seconds)));
            }
            self.close_ask(step, id, AskOutcome::Withdrawn, None);
        }
    }

    /// After a yes: asks the arbiter for the tree; or says who has it.
    fn take_tree(
        &mut self,
        step: &mut Step,
        to: Asker,
        agent: AgentId,
        wish: Wish,
    ) -> Option<String> {
        let Some(owner) = self.agents.get(&agent).map(|agent| agent.session()) else {
            return Some(ask::withdrawn(&wish.name));
        };
        let owner = Owner::Session(owner, None);
        let busy = self
            .tree
            .as_ref()
            .map(|tree| format!("a git of {} has it", self.owner_name(&tree.owner)));
        if let Some(what) = busy.or_else(|| self.reserved_by_others(&owner)) {
            return Some(ask::in_the_way(&wish.name, &what));
        }
        let purpose = Purpose::Tree;
        let op = self.new_op(owner.clone(), TREE.to_owned(), Proposal::Opaque, GIT, purpose);
        if let Some(found) = self.ops.get_mut(&op) {
            found.submitted = true;
        }
        let reason = wish.line.clone();
        let (kept, of) = (BTreeMap::new(), BTreeMap::new());
        let stage = Stage::Taking(op);
        self.tree = Some(Tree { to, owner: owner.clone(), wish, stage, kept, of });
        self.decide(step, arbiter::Input::TakeTree { op, owner, reason, wait_ms: INFLIGHT_MS });
        None
    }

    /// The tree is taken, and that is stored.
    pub(super) fn tree_taken(&mut self, step: &mut Step, op: OpId) {
        let Some(found) = self.ops.remove(&op) else { return };
        match self.tree.as_mut().filter(|tree| tree.stage == Stage::Taking(op)) {
            Some(tree) => {
                tree.stage = Stage::Held;
                reply(step, tree.to, Word::Go);
            }
            None => self.give_tree_back(step, found.owner),
        }
    }

    /// Somebody has what is needed, and does not let go of it.
    pub(super) fn tree_refused(&mut self, step: &mut Step, refusal: &Refusal) {
        let Some(tree) = self.tree.take() else { return };
        let path = refusal.path.as_ref().map_or("a file", |path| path.as_str());
        let what = match &refusal.holder {
            Some(holder) => format!("{path} is being written by {holder}"),
            None => format!("{path} is not to be had"),
        };
        // What was recorded only half is given back whole.
        self.give_tree_back(step, tree.owner);
        reply(step, tree.to, Word::No(ask::in_the_way(&tree.wish.name, &what)));
    }

    fn keep_tree(&mut self, step: &mut Step, files: &[FileQuestion]) {
        let Some(tree) = &mut self.tree else { return };
        let owner = &tree.owner;
        tree.of = self.desk.read(|table| {
            let of = |file: &FileQuestion| unsaved_of_others(table, owner, file);
            files.iter().map(|file| (file.path.clone(), of(file))).collect()
        });
        step.out.push(Effect::KeepTree(tree.of.keys().cloned().collect()));
    }

    /// What git may destroy is kept, or cannot be.
    pub(in crate::engine) fn tree_kept(
        &mut self,
        step: &mut Step,
        result: Result<Vec<(WorkPath, Image)>, String>,
    ) {
        let Some(tree) = self.tree.as_mut().filter(|tree| tree.stage == Stage::Held) else {
            return;
        };
        let to = tree.to;
        match result {
            Ok(images) => {
                let mut of = std::mem::take(&mut tree.of);
                tree.kept = images
                    .into_iter()
                    .map(|(path, image)| {
                        let of = of.remove(&path).unwrap_or_default();
                        (path, Kept { image, of })
                    })
                    .collect();
                reply(step, to, Word::Go);
            }
            Err(why) => {
                let text = ask::not_kept(&tree.wish.name, &why);
                self.drop_tree(step);
                reply(step, to, Word::No(text));
            }
        }
    }

    /// The process that git was is gone.
    pub(in crate::engine) fn git_gone(&mut self, step: &mut Step, process: u32) {
        let untold = Stage::Running { process, told: false };
        if self.tree.as_ref().is_some_and(|tree| tree.stage == untold) {
            self.look_over_tree(step);
        }
    }

    /// A front end is gone; if it is one that asked for git, so is its ask, and its hold ends with
    /// its git.
    pub(super) fn git_client_gone(&mut self, step: &mut Step, client: ClientId) {
        let asked = self
            .asks
            .iter()
            .filter(|(_, open)| open.behind_git().is_some_and(|(_, to, _)| to.client == client));
        for id in asked.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.close_ask(step, id, AskOutcome::Withdrawn, None);
        }
        let Some(tree) = self.tree.as_mut().filter(|tree| tree.to.client == client) else { return };
        match &mut tree.stage {
            Stage::Taking(op) => {
                let op = *op;
                self.drop_tree(step);
                self.give_up(step, op);
            }
            Stage::Held => self.drop_tree(step),
            Stage::Running { told, .. } => *told = false,
            Stage::Over => {}
        }
    }

    /// The process of an agent is gone, and with it its git.
    pub(super) fn git_agent_gone(&mut self, step: &mut Step, owner: &Owner) {
        let Some(tree) = self.tree.as_ref().filter(|tree| same_session(&tree.owner, owner)) else {
            return;
        };
        match tree.stage {
            Stage::Taking(_) | Stage::Held => self.drop_tree(step),
            Stage::Running { .. } => self.look_over_tree(step),
            Stage::Over => {}
        }
    }

    fn look_over_tree(&mut self, step: &mut Step) {
        let Some(tree) = &mut self.tree else { return };
        tree.stage = Stage::Over;
        let paths = tree.kept.keys().cloned().collect();
        step.out.push(Effect::LookOverTree { owner: tree.owner.clone(), paths });
    }

    /// git has ended, and this is what is there now.
    pub(in crate::engine) fn tree_looked(
        &mut self,
        step: &mut Step,
        found: Vec<(WorkPath, arbiter::Disk)>,
    ) {
        let Some(tree) = self.tree.as_ref().filter(|tree| tree.stage == Stage::Over) else {
            return;
        };
        let (owner, line) = (tree.owner.clone(), tree.wish.line.clone());
        let changed: Vec<(WorkPath, arbiter::Disk, Image)> = found
            .into_iter()
            .filter_map(|(path, disk)| {
                let image = tree.kept.get(&path)?.image;
                let now = there(&disk)?;
                (now != Some(image.hash)).then_some((path, disk, image))
            })
            .collect();
        for (path, disk, image) in &changed {
            if self.is_news(path, disk) {
                let (tool, kept) = (line.clone(), Some(*image));
                self.doing = Doing { tool, kept, ..Doing::default() };
                let (by, path, disk) = (owner.clone(), path.clone(), disk.clone());
                self.decide(step, arbiter::Input::Found { by, path, disk });
            }
        }
        self.doing = Doing::default();
        let Some(tree) = self.tree.take() else { return };
        self.tell_victims(step, &tree, changed);
        self.give_tree_back(step, tree.owner);
        step.out.push(Effect::LookUpBranch);
        reply(step, tree.to, Word::Go);
    }

    /// Others are told in words what became of their work.
    fn tell_victims(
        &mut self,
        step: &mut Step,
        tree: &Tree,
        changed: Vec<(WorkPath, arbiter::Disk, Image)>,
    ) {
        let mut of: BTreeMap<String, (Owner, Vec<String>)> = BTreeMap::new();
        let mut files = 0;
        for (path, disk, _) in changed {
            let Some(kept) = tree.kept.get(&path).filter(|kept| !kept.of.is_empty()) else {
                continue;
            };
            files += 1;
            for owner in &kept.of {
                let word = if disk == arbiter::Disk::Absent { "removed" } else { "changed" };
                let item = format!("{path} ({word})");
                let owner = main_of(owner);
                let (_, list) = of.entry(owner.key()).or_insert_with(|| (owner, Vec::new()));
                if list.last() != Some(&item) {
                    list.push(item);
                }
            }
        }
        if files == 0 {
            return;
        }
        let (name, line) = (self.owner_name(&tree.owner), &tree.wish.line);
        for (owner, list) in of.into_values() {
            let text = ask::told_owner(&name, line, &list);
            let shown = format!("{name} ran `{line}`: {} of its files went", list.len());
            self.tell(step, &owner, text, shown);
        }
        let text = format!(
            "{name} ran `{line}`; files with uncommitted work of others that went or changed: \
             {files}. `benchdog changes --lost` lists them, `benchdog restore FILE` brings one back"
        );
        step.publish(Event::Noticed { level: Level::Info, text });
    }

    /// Whose uncommitted work a change goes over, if a git of its owner has the tree.
    pub(super) fn over_in_tree(&self, owner: &Owner, path: &WorkPath) -> Option<Owner> {
        let tree = self.tree.as_ref().filter(|tree| same_session(&tree.owner, owner))?;
        tree.kept.get(path)?.of.first().cloned()
    }

    /// The command line of the git of `owner` that has the tree.
    pub(super) fn line_in_tree(&self, owner: &Owner) -> Option<String> {
        let tree = self.tree.as_ref().filter(|tree| same_session(&tree.owner, owner))?;
        Some(tree.wish.line.clone())
    }

    /// The tree is given back without git having run.
    fn drop_tree(&mut self, step: &mut Step) {
        if let Some(tree) = self.tree.take() {
            self.give_tree_back(step, tree.owner);
        }
    }

    fn give_tree_back(&mut self, step: &mut Step, owner: Owner) {
        let holds = self.desk.read(|table| {
            table.lease_of(TREE).is_some_and(|lease| same_session(&lease.owner, &owner))
        });
        if holds {
            self.decide(step, arbiter::Input::Release { owner, paths: vec![TREE.to_owned()] });
        }
    }
}

/// The content of a file, `None` inside if it is gone; nothing if that cannot be told.
fn there(disk: &arbiter::Disk) -> Option<Option<Hash>> {
    match disk {
        arbiter::Disk::Absent => Some(None),
        arbiter::Disk::File { hash, .. } => Some(Some(*hash)),
        arbiter::Disk::Unreadable(_) => None,
    }
}

/// The main agent of a session, who hears what concerns its sub-agents.
fn main_of(owner: &Owner) -> Owner {
    match owner.session() {
        Some(session) => Owner::Session(session.clone(), None),
        None => owner.clone(),
    }
}

fn no(text: String) -> Reply {
    Reply::GitTree(Word::No(text))
}

fn reply(step: &mut Step, to: Asker, word: Word) {
    step.out.push(Effect::Reply { to, reply: Reply::GitTree(word) });
}
