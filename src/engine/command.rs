//! What a front end can ask of the engine, and what it gets back.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::git::{self, FileQuestion};
use crate::model::agent::{AgentInfo, AgentSpec};
use crate::model::failure::Failure;
use crate::model::id::{AgentId, AskId, ItemId, SessionId};
use crate::model::lease::LeaseInfo;
use crate::model::permission::{Ask, AskAnswer, PermissionMode};
use crate::model::review::{Answer, Question, Revision};
use crate::model::session::{BenchRow, SessionHit, SessionQuery, TranscriptPage};
use crate::model::time::Wall;

/// A request of a front end. Each is answered with exactly one [`Reply`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Send a snapshot and then every event, until the front end goes.
    Subscribe,
    /// Start an agent.
    StartAgent {
        /// What is wished.
        spec: AgentSpec,
    },
    /// Go on with a stored session.
    ResumeSession {
        /// Which one.
        session: SessionId,
        /// Branch off instead of going on.
        #[serde(default)]
        fork: bool,
        /// Begin a new conversation fed from what is stored, because the back end's own is gone.
        #[serde(default)]
        from_history: bool,
    },
    /// Go on with a whole bench as it was.
    ResumeBench {
        /// The one that was begun then; the last one without.
        #[serde(default)]
        begun: Option<Wall>,
    },
    /// Give an agent a prompt. It waits if the agent is busy.
    Send {
        /// Which agent.
        agent: AgentId,
        /// The words.
        text: String,
    },
    /// Take a waiting prompt back.
    Unqueue {
        /// Which agent.
        agent: AgentId,
        /// Which prompt.
        prompt: u64,
    },
    /// Break off an agent's turn.
    Interrupt {
        /// Which agent.
        agent: AgentId,
    },
    /// End an agent's process; its pane stays.
    StopAgent {
        /// Which agent.
        agent: AgentId,
    },
    /// Start an ended agent again, in its conversation.
    RestartAgent {
        /// Which agent.
        agent: AgentId,
    },
    /// End an agent and take it off the bench. Its session stays in the history.
    RemoveAgent {
        /// Which agent.
        agent: AgentId,
    },
    /// Another permission mode.
    SetMode {
        /// Which agent.
        agent: AgentId,
        /// The mode.
        mode: PermissionMode,
    },
    /// Another model.
    SetModel {
        /// Which agent.
        agent: AgentId,
        /// The model.
        model: String,
    },
    /// The person has seen an agent's last answer.
    MarkSeen {
        /// Which agent.
        agent: AgentId,
    },
    /// The person's answer.
    AnswerAsk {
        /// To what.
        ask: AskId,
        /// The answer.
        answer: AskAnswer,
    },
    /// Take a lease from its holder; `to` an agent, else for the person.
    Steal {
        /// Which path.
        path: String,
        /// For whom.
        #[serde(default)]
        to: Option<AgentId>,
    },
    /// Free a path.
    Release {
        /// Which path.
        path: String,
    },
    /// Reserve paths for the person (or an agent) until they are released.
    Pin {
        /// Files, folders (`src/`) and globs.
        patterns: Vec<String>,
        /// What for.
        #[serde(default)]
        reason: String,
        /// For whom.
        #[serde(default)]
        to: Option<AgentId>,
    },
    /// Keep the layout with the bench.
    SaveLayout {
        /// As the front end wrote it.
        layout: Value,
    },
    /// Use one of the bench's tools as an agent.
    CallTool {
        /// As which agent, by name; `user` is the person.
        name: String,
        /// The tool.
        tool: String,
        /// Its input.
        input: Value,
    },
    /// Guard a command that the one who asks is about to start.
    Exec {
        /// As whom: an agent, a script of that name, or `user`, the person.
        name: String,
        /// A socket to which the engine comes; see [`Terms`](super::exec::Terms).
        socket: PathBuf,
        /// The process that starts it; put here from what is seen of who asks.
        #[serde(default)]
        process: Option<u32>,
    },
    /// Whose work lies uncommitted in files, and what others hold: what git may touch.
    GitFacts {
        /// As which agent; the person without. Of a process of an agent, its own agent is put here.
        #[serde(default)]
        agent: Option<AgentId>,
        /// The process that asks and its ancestors; put here. In a guarded command it is not the
        /// person who asks.
        #[serde(default)]
        processes: Vec<u32>,
        /// The files with uncommitted changes.
        files: Vec<FileQuestion>,
    },
    /// A step of an agent's git that may change the whole tree.
    GitTree {
        /// As which agent; as in [`Command::GitFacts`].
        #[serde(default)]
        agent: Option<AgentId>,
        /// The process that asks and its ancestors; put here.
        #[serde(default)]
        processes: Vec<u32>,
        /// The step.
        request: git::ask::Request,
    },
    /// The agents of the bench.
    ListAgents,
    /// The leases of the workspace.
    ListLocks,
    /// The asks that wait.
    ListAsks,
    /// Stored sessions, newest first (or best first, with words to look for).
    ListSessions {
        /// Which.
        query: SessionQuery,
    },
    /// The benches that can be resumed as a whole, this workspace's only.
    ShowBenches,
    /// A stretch of a stored transcript, its end without `before`.
    ReadTranscript {
        /// Which session.
        session: SessionId,
        /// Only items older than this.
        #[serde(default)]
        before: Option<ItemId>,
        /// At most so many.
        limit: usize,
    },
    /// A question about changes of files.
    AskJournal {
        /// The question.
        question: Question,
    },
    /// Take changes back, or bring back what was, as the person's own writes.
    Revise {
        /// What.
        revision: Revision,
    },
    /// Another title for a stored session.
    RenameSession {
        /// Which session.
        session: SessionId,
        /// The title.
        title: String,
    },
    /// End the engine with every agent.
    Shutdown,
}

/// The answer to a [`Command`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", content = "value", rename_all = "snake_case")]
pub enum Reply {
    /// It is done.
    Done,
    /// The agent that was started or resumed.
    Agent(AgentId),
    /// Several agents that were resumed, and what went wrong with others.
    Resumed {
        /// Those that run.
        agents: Vec<AgentId>,
        /// Those that do not.
        failures: Vec<Failure>,
    },
    /// The result of a tool of the bench.
    Tool(Value),
    /// Whether the command is guarded; if not, it is because the settings say so, in these words.
    Exec {
        /// The word of the settings.
        guarded: Result<(), String>,
    },
    /// Whose work it is, file by file.
    GitFacts(git::Answer),
    /// Whether a git that may change the whole tree goes on.
    GitTree(git::ask::Word),
    /// Rows of agents.
    Agents(Vec<AgentInfo>),
    /// Rows of leases.
    Locks(Vec<LeaseInfo>),
    /// Rows of asks.
    Asks(Vec<Ask>),
    /// Rows of sessions.
    Sessions(Vec<SessionHit>),
    /// The benches as they were, the last one first.
    Benches(Vec<BenchRow>),
    /// A stretch of a transcript.
    Transcript(TranscriptPage),
    /// What is to be said about changes.
    Reviewed(Answer),
    /// It is not done.
    Failed(Failure),
}
