//! Follows one agent through the events of an engine: what to show, and how it ends.
//!
//! Pure. A snapshot counts as the events that lead to it, so that nothing is shown twice and
//! nothing is missed when the front end fell behind.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::answer::wants;
use crate::cli::sessions::tool_line;
use crate::engine::event::{Event, Snapshot, ToClient};
use crate::model::agent::{AgentInfo, AgentState};
use crate::model::id::{AgentId, ItemId};
use crate::model::permission::Ask;
use crate::model::transcript::{Body, Item, Level, ToolStatus, TurnEnd};
use crate::ui::text::harmless;

/// Something to show.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Out {
    /// A piece of the agent's words.
    Text(String),
    /// A line about what it does.
    Note(String),
    /// A row of JSON.
    Row(Value),
}

/// How a run ends.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    /// Its turn is over.
    Turn(TurnEnd),
    /// Its process is gone.
    Dead {
        /// Why.
        trouble: Option<String>,
        /// Whether it had been ready before.
        was_ready: bool,
    },
    /// Somebody took it off the bench.
    Removed,
    /// It asks the person for this.
    Asked(String),
    /// Time is up.
    Expired(Duration),
    /// The person broke it off.
    Broken,
}

/// One agent, followed.
#[derive(Debug)]
pub(super) struct Follow {
    agent: AgentId,
    rows: bool,
    info: Option<AgentInfo>,
    was_ready: bool,
    /// How many bytes of each text were shown, or that a line about the item was.
    shown: HashMap<ItemId, usize>,
    mid_line: bool,
    outs: Vec<Out>,
}

impl Follow {
    /// Follows `agent`, for a script (`rows`) or for a person.
    pub(super) fn new(agent: AgentId, rows: bool) -> Self {
        Self {
            agent,
            rows,
            info: None,
            was_ready: false,
            shown: HashMap::new(),
            mid_line: false,
            outs: Vec::new(),
        }
    }

    /// The agent as it was last seen.
    pub(super) fn info(&self) -> Option<&AgentInfo> {
        self.info.as_ref()
    }

    /// What is to be shown since the last call.
    pub(super) fn take(&mut self) -> Vec<Out> {
        std::mem::take(&mut self.outs)
    }

    /// Learns what the engine says.
    pub(super) fn apply(&mut self, message: ToClient) -> Option<End> {
        match message {
            ToClient::Event { seq, event } => self.event(seq, event),
            ToClient::Snapshot(snapshot) => self.snapshot(*snapshot),
            ToClient::Hello { .. } | ToClient::Reply { .. } | ToClient::Behind => None,
        }
    }

    fn snapshot(&mut self, snapshot: Snapshot) -> Option<End> {
        let seq = snapshot.seq;
        let found = snapshot.agents.into_iter().find(|agent| agent.info.id == self.agent);
        let Some(agent) = found else {
            return Some(End::Removed);
        };
        let mut events: Vec<Event> = agent
            .items
            .into_iter()
            .map(|item| Event::ItemChanged { agent: self.agent, item: Box::new(item) })
            .collect();
        let asks = snapshot.asks.into_iter().filter(|ask| ask.agent == self.agent);
        events.extend(asks.map(|ask| Event::AskOpened { ask: Box::new(ask) }));
        // The row comes last: a dead agent's last words count before its death.
        events.push(Event::AgentChanged { agent: Box::new(agent.info) });
        events.into_iter().fold(None, |end, event| {
            let next = self.event(seq, event);
            end.or(next)
        })
    }

    fn event(&mut self, seq: u64, event: Event) -> Option<End> {
        if !self.concerns(&event) {
            return None;
        }
        if self.rows
            && let Ok(Value::Object(mut row)) = serde_json::to_value(&event)
        {
            row.insert("seq".to_owned(), json!(seq));
            self.outs.push(Out::Row(Value::Object(row)));
        }
        match event {
            Event::AgentChanged { agent } => self.changed(*agent),
            Event::AgentRemoved { .. } => Some(End::Removed),
            Event::ItemChanged { item, .. } => self.item(&item),
            Event::TextAppended { item, text, .. } => {
                // Only of an item that was announced: thoughts and tool inputs grow as well.
                if let Some(shown) = self.shown.get_mut(&item) {
                    *shown += text.len();
                    self.text(&text);
                }
                None
            }
            Event::AskOpened { ask } => Some(self.asked(&ask)),
            Event::Noticed { level, text } => {
                self.note_if(level >= Level::Warn, text);
                None
            }
            Event::TranscriptReset { items, .. } => {
                items.iter().fold(None, |end, item| end.or(self.item(item)))
            }
            Event::AskClosed { .. }
            | Event::LeaseMoved { .. }
            | Event::WriteRefused { .. }
            | Event::LayoutSaved { .. }
            | Event::WorkspaceChanged { .. }
            | Event::Closing => None,
        }
    }

    fn concerns(&self, event: &Event) -> bool {
        match event {
            Event::AgentChanged { agent } => agent.id == self.agent,
            Event::AgentRemoved { agent }
            | Event::ItemChanged { agent, .. }
            | Event::TextAppended { agent, .. }
            | Event::TranscriptReset { agent, .. } => *agent == self.agent,
            Event::AskOpened { ask } => ask.agent == self.agent,
            Event::WriteRefused { attempt } => {
                self.info.as_ref().is_some_and(|info| info.name == attempt.who)
            }
            Event::LeaseMoved { lease, .. } => lease.as_ref().is_some_and(|lease| {
                let session = self.info.as_ref().map(|info| &info.session_id);
                lease.owner.session().is_some() && lease.owner.session() == session
            }),
            Event::AskClosed { .. } | Event::Noticed { .. } | Event::Closing => true,
            Event::LayoutSaved { .. } | Event::WorkspaceChanged { .. } => false,
        }
    }

    fn changed(&mut self, info: AgentInfo) -> Option<End> {
        let (state, trouble) = (info.state, info.trouble.clone());
        self.info = Some(info);
        match state {
            AgentState::Starting => None,
            AgentState::Dead => Some(End::Dead { trouble, was_ready: self.was_ready }),
            AgentState::Working
            | AgentState::NeedsYou
            | AgentState::WaitingForFile
            | AgentState::Idle
            | AgentState::Finished
            | AgentState::Error => {
                self.was_ready = true;
                None
            }
        }
    }

    fn item(&mut self, item: &Item) -> Option<End> {
        let mine = item.parent.is_none();
        match &item.body {
            Body::Text { text } if mine => {
                self.grown(item, text);
                None
            }
            Body::Tool(call) => {
                let over = matches!(
                    call.status,
                    ToolStatus::Done | ToolStatus::Failed | ToolStatus::Refused(_)
                );
                if over && self.shown.insert(item.id, 0).is_none() {
                    let indent = if mine { "" } else { "  " };
                    self.note_if(true, format!("{indent}{}", tool_line(call)));
                }
                None
            }
            Body::Notice { level, text } => {
                let is_new = self.shown.insert(item.id, 0).is_none();
                self.note_if(is_new && *level >= Level::Warn, text.clone());
                None
            }
            Body::TurnEnd(end) if mine => {
                self.finish_line();
                Some(End::Turn(end.clone()))
            }
            Body::Prompt { .. } => {
                // Only an agent that was ready is given a prompt. One that died at once may be
                // seen for the first time when it is dead.
                self.was_ready = true;
                None
            }
            Body::Text { .. }
            | Body::TurnEnd(_)
            | Body::Thinking { .. }
            | Body::Todo { .. }
            | Body::Raw { .. } => None,
        }
    }

    /// Shows what is new of a text that is this now.
    fn grown(&mut self, item: &Item, text: &str) {
        let shown = *self.shown.entry(item.id).or_default();
        // A text that became another one is not shown again: its beginning is out already.
        if let Some(new) = text.get(shown..)
            && !new.is_empty()
        {
            self.shown.insert(item.id, text.len());
            self.text(new);
        }
        if !item.open {
            self.finish_line();
        }
    }

    fn text(&mut self, text: &str) {
        if !self.rows && !text.is_empty() {
            self.mid_line = !text.ends_with('\n');
            self.outs.push(Out::Text(harmless(text).into_owned()));
        }
    }

    fn note_if(&mut self, wanted: bool, line: String) {
        if wanted && !self.rows {
            self.finish_line();
            self.outs.push(Out::Note(line));
        }
    }

    fn finish_line(&mut self) {
        if self.mid_line {
            self.text("\n");
        }
    }

    fn asked(&mut self, ask: &Ask) -> End {
        let what = format!("{} ({})", ask.tool, wants(ask));
        self.note_if(true, format!("◆ needs you: {what}"));
        End::Asked(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::fake;
    use crate::engine::event::AgentSnapshot;
    use crate::model::id::CallId;
    use crate::model::time::Wall;
    use crate::model::transcript::{ToolCall, ToolResult};

    const ME: AgentId = AgentId(3);

    fn item(id: u64, open: bool, body: Body) -> Item {
        Item { id: ItemId(id), at: Wall(0), parent: None, sub: None, open, body }
    }

    fn changed(item: Item) -> Event {
        Event::ItemChanged { agent: ME, item: Box::new(item) }
    }

    fn text(id: u64, open: bool, text: &str) -> Event {
        changed(item(id, open, Body::Text { text: text.to_owned() }))
    }

    fn more(id: u64, text: &str) -> Event {
        Event::TextAppended { agent: ME, item: ItemId(id), text: text.to_owned() }
    }

    fn row(state: AgentState) -> Event {
        Event::AgentChanged { agent: Box::new(fake::agent(ME.0, "me", state)) }
    }

    fn edit(id: u64, status: ToolStatus) -> Event {
        changed(item(
            id,
            false,
            Body::Tool(ToolCall {
                call: CallId::from("c"),
                name: "Edit".to_owned(),
                input: json!({"file_path": "src/a.rs"}),
                status,
                result: Some(ToolResult { changed: Some((4, 1)), ..ToolResult::default() }),
                took_ms: None,
            }),
        ))
    }

    /// What a person sees, notes in brackets, and the first end.
    fn check(events: Vec<Event>) -> (String, Option<End>) {
        let mut follow = Follow::new(ME, false);
        let mut end = None;
        for (seq, event) in (1..).zip(events) {
            end = end.or(follow.apply(ToClient::Event { seq, event }));
        }
        let seen = follow
            .take()
            .into_iter()
            .map(|out| match out {
                Out::Text(text) => text,
                Out::Note(line) => format!("[{line}]\n"),
                Out::Row(row) => panic!("{row}"),
            })
            .collect();
        (seen, end)
    }

    #[test]
    fn text_streams_and_tools_are_one_line_each() {
        let done = item(4, false, Body::TurnEnd(TurnEnd::default()));
        let (seen, end) = check(vec![
            text(1, true, "Hel"),
            more(1, "lo"),
            text(1, false, "Hello."),
            edit(2, ToolStatus::Running),
            edit(2, ToolStatus::Done),
            edit(2, ToolStatus::Done),
            text(3, true, "D\x1b[31m"),
            changed(done),
        ]);
        assert_eq!(seen, "Hello.\n[▸ Edit  src/a.rs  +4 −1]\nD␛[31m\n");
        assert_eq!(end, Some(End::Turn(TurnEnd::default())));
    }

    #[test]
    fn other_agents_and_sub_agents_stay_out_of_the_answer() {
        let mut inner = item(2, false, Body::Text { text: "inner".to_owned() });
        inner.parent = Some(CallId::from("c"));
        let other = Event::ItemChanged {
            agent: AgentId(9),
            item: Box::new(item(1, false, Body::Text { text: "other".to_owned() })),
        };
        assert_eq!(check(vec![other, changed(inner), more(7, "thought")]), (String::new(), None));
    }

    #[test]
    fn a_snapshot_after_a_gap_shows_only_what_is_new() {
        let mut follow = Follow::new(ME, false);
        follow.apply(ToClient::Event { seq: 1, event: text(1, true, "Hel") });
        let snapshot = Snapshot {
            seq: 9,
            agents: vec![AgentSnapshot {
                info: fake::agent(ME.0, "me", AgentState::Finished),
                items: vec![
                    item(1, false, Body::Text { text: "Hello".to_owned() }),
                    item(2, false, Body::TurnEnd(TurnEnd::default())),
                ],
                more_before: false,
            }],
            ..fake::empty_snapshot()
        };
        let end = follow.apply(ToClient::Snapshot(Box::new(snapshot)));
        assert_eq!(end, Some(End::Turn(TurnEnd::default())));
        let outs = follow.take();
        assert_eq!(outs, ["Hel", "lo", "\n"].map(|text| Out::Text(text.to_owned())));
        let gone = follow.apply(ToClient::Snapshot(Box::new(fake::empty_snapshot())));
        assert_eq!(gone, Some(End::Removed));
    }

    #[test]
    fn a_death_before_the_first_word_is_told_apart() {
        let dead = |was_ready| Some(End::Dead { trouble: None, was_ready });
        assert_eq!(check(vec![row(AgentState::Starting), row(AgentState::Dead)]).1, dead(false));
        assert_eq!(check(vec![row(AgentState::Working), row(AgentState::Dead)]).1, dead(true));
    }

    #[test]
    fn a_script_gets_each_event_with_its_number() {
        let mut follow = Follow::new(ME, true);
        follow.apply(ToClient::Event { seq: 5, event: more(1, "x") });
        let row = json!({"event": "text_appended", "seq": 5, "agent": 3, "item": 1, "text": "x"});
        assert_eq!(follow.take(), [Out::Row(row)]);
    }
}
