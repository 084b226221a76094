//! `system` frames: beginnings of turns, what goes on between messages, tasks.

use super::recent::Recent;
use super::{Decoder, Phase, notice, unknown};
use crate::agent::claude::wire::{System, TaskRow};
use crate::model::id::{CallId, SubId};
use crate::model::permission::PermissionMode;
use crate::model::report::{Report, TaskEvent};
use crate::model::transcript::Level;

/// Tasks of one process that are followed at the same time.
const TASKS: usize = 256;

/// The sub-agents and commands that are under way.
#[derive(Debug)]
pub(super) struct Tasks(Recent<String, Task>);

impl Default for Tasks {
    fn default() -> Self {
        Self(Recent::new(TASKS))
    }
}

#[derive(Debug)]
struct Task {
    call: Option<CallId>,
    background: bool,
    /// Whether the list of background tasks has named it: then its absence there is its end.
    listed: bool,
    status: Option<String>,
}

impl Decoder {
    /// Takes a `system` frame of the given subtype.
    pub(super) fn system(&mut self, subtype: &str, frame: System, line: &str) -> Vec<Report> {
        match subtype {
            "init" => self.session(frame),
            "status" => self.status(frame),
            "api_retry" => {
                let mut error = frame.error;
                if let Some(status) = frame.error_status {
                    error = format!("{error} ({status})");
                }
                vec![Report::Retry {
                    attempt: frame.attempt.small(),
                    of: frame.max_retries.small(),
                    delay_ms: frame.retry_delay_ms.0,
                    error,
                }]
            }
            "task_started" | "task_progress" | "task_updated" | "task_notification" => {
                self.task(subtype, frame)
            }
            "background_tasks_changed" => self.tasks.listed(&frame.tasks.0),
            "compact_boundary" => {
                let before = frame.compact_metadata.pre_tokens.0;
                let after = frame.compact_metadata.post_tokens.map(|count| count.0);
                self.filled = after.map(|after| (String::new(), after));
                vec![Report::Compacted { before, after }]
            }
            "session_title_changed" if frame.title.is_empty() => Vec::new(),
            "session_title_changed" => vec![Report::Title(frame.title)],
            "informational" => vec![informational(frame)],
            "permission_denied" => {
                let text = format!("{} is not permitted. {}", frame.tool_name, frame.message);
                vec![notice(Level::Warn, text.trim_end())]
            }
            // Signs of life, and what other frames say as well.
            "thinking_tokens"
            | "session_state_changed"
            | "hook_started"
            | "hook_progress"
            | "hook_response"
            | "files_persisted"
            | "local_command_output" => Vec::new(),
            _ => vec![unknown(&format!("system/{subtype}"), line)],
        }
    }

    fn session(&mut self, frame: System) -> Vec<Report> {
        if !matches!(self.phase, Phase::Doomed(_)) {
            self.phase = Phase::Turn;
        }
        let mode = frame.permission_mode.as_deref().and_then(PermissionMode::parse);
        self.mode = mode.or(self.mode);
        self.model.clone_from(&frame.model);
        let System { session_id, model, cwd, .. } = frame;
        vec![Report::Session { id: session_id, model, mode, cwd }]
    }

    fn status(&mut self, frame: System) -> Vec<Report> {
        let mut reports = Vec::new();
        match frame.status {
            Some(status) => {
                self.active = true;
                reports.push(Report::Activity(Some(status)));
            }
            None => self.calm(&mut reports),
        }
        reports.extend(frame.permission_mode.and_then(|raw| self.changed_mode(&raw)));
        if let Some(error) = frame.compact_error {
            reports.push(notice(Level::Warn, format!("the context was not compacted: {error}")));
        }
        reports
    }

    fn task(&mut self, subtype: &str, frame: System) -> Vec<Report> {
        let id = frame.task_id;
        let call = frame.tool_use_id.map(CallId);
        let event = match subtype {
            "task_started" => {
                let is_agent = frame.task_type.contains("agent");
                if let (true, Some(call)) = (is_agent, &call) {
                    self.subs.put(call.0.clone(), SubId(id.clone()));
                }
                let background = frame.is_backgrounded;
                let task =
                    Task { call: call.clone(), background, listed: background, status: None };
                self.tasks.0.put(id.clone(), task);
                TaskEvent::Started { description: frame.description, is_agent, background }
            }
            "task_progress" => TaskEvent::Progress { description: frame.description },
            "task_notification" => {
                let status = self.tasks.0.take(&id).and_then(|task| task.status);
                let said = frame.status.or(status).unwrap_or_else(|| "completed".to_owned());
                TaskEvent::Ended { status: said, summary: frame.summary }
            }
            // Its end comes again with a summary; that it goes to the background does not.
            _ => {
                let Some(task) = self.tasks.0.get_mut(&id) else { return Vec::new() };
                task.status = frame.patch.status.or(task.status.take());
                if !frame.patch.is_backgrounded || std::mem::replace(&mut task.background, true) {
                    return Vec::new();
                }
                let call = task.call.clone();
                return vec![Report::Task { id, call, event: TaskEvent::Backgrounded }];
            }
        };
        vec![Report::Task { id, call, event }]
    }
}

impl Tasks {
    /// Takes the list of tasks in the background: who is new there, and who is gone.
    fn listed(&mut self, rows: &[TaskRow]) -> Vec<Report> {
        let mut reports = Vec::new();
        for row in rows {
            let Some(task) = self.0.get_mut(&row.task_id) else { continue };
            task.listed = true;
            if !std::mem::replace(&mut task.background, true) {
                reports.push(Report::Task {
                    id: row.task_id.clone(),
                    call: task.call.clone(),
                    event: TaskEvent::Backgrounded,
                });
            }
        }
        let gone =
            self.0.take_if(|id, task| task.listed && !rows.iter().any(|row| &row.task_id == id));
        reports.extend(gone.into_iter().map(|(id, task)| Report::Task {
            id,
            call: task.call,
            event: TaskEvent::Ended {
                status: task.status.unwrap_or_else(|| "completed".to_owned()),
                summary: String::new(),
            },
        }));
        reports
    }
}

fn informational(frame: System) -> Report {
    let level = match (frame.level.as_str(), frame.tag.as_str()) {
        // A hook that failed may have let a tool through.
        (_, "hook_callback_failed" | "hook_no_verdict") => Level::Warn,
        ("error", _) => Level::Error,
        ("warning" | "warn", _) => Level::Warn,
        _ => Level::Info,
    };
    let text = if frame.content.is_empty() { frame.tag } else { frame.content };
    notice(level, text)
}
