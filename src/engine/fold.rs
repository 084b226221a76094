//! Folds what a back end says into the items of a transcript.
//!
//! The fold is pure and keeps the last items only; older ones are in the history. It never fails:
//! what it cannot place becomes an item of its own.

use std::collections::{HashMap, VecDeque};

use crate::model::id::{CallId, ItemId, SubId};
use crate::model::lease::Refusal;
use crate::model::report::{Block, BlockAt, DeltaKind};
use crate::model::time::Wall;
use crate::model::transcript::{
    Body, Hunk, Item, Level, Speaker, ToolCall, ToolResult, ToolStatus, TurnEnd,
};

/// Items that are kept in memory for each agent.
const KEPT_ITEMS: usize = 400;

/// Bytes of items that are kept in memory for each agent, about; but never fewer items than a
/// screen shows.
const KEPT_BYTES: usize = 4 * 1024 * 1024;

/// Items that are kept however large they are.
const LEAST_ITEMS: usize = 24;

/// Bytes of a tool's result that are kept in an item; the history has the whole line.
const RESULT_BYTES: usize = 128 * 1024;

/// What became of a transcript.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    /// An item is new, or is this now.
    Item(Box<Item>),
    /// The text of an open item has grown.
    Grown {
        /// Which item.
        item: ItemId,
        /// What came.
        text: String,
    },
}

/// The end of one session's transcript.
#[derive(Debug, Clone, Default)]
pub(super) struct Fold {
    last: u64,
    items: VecDeque<Item>,
    dropped: bool,
    blocks: HashMap<BlockKey, ItemId>,
    calls: HashMap<CallId, ItemId>,
}

type BlockKey = (Option<SubId>, String, Option<u32>);

impl Fold {
    /// Goes on behind what is stored.
    pub(super) fn resumed(items: Vec<Item>, more_before: bool, last_item: u64) -> Self {
        let last = items.iter().map(|item| item.id.0).max().unwrap_or(0).max(last_item);
        let calls = items
            .iter()
            .filter_map(|item| {
                let Body::Tool(tool) = &item.body else { return None };
                Some((tool.call.clone(), item.id))
            })
            .collect();
        Self { last, items: items.into(), dropped: more_before, blocks: HashMap::new(), calls }
    }

    /// The items in memory, oldest first, and whether there were older ones.
    pub(super) fn items(&self) -> (Vec<Item>, bool) {
        (self.items.iter().cloned().collect(), self.dropped)
    }

    /// How many items the session has had.
    pub(super) fn count(&self) -> u64 {
        self.last
    }

    /// A prompt was given.
    pub(super) fn prompt(&mut self, at: Wall, text: String, from: Speaker) -> Vec<Change> {
        vec![self.add(at, &BlockAt::default(), Body::Prompt { text, from }, false)]
    }

    /// Something worth knowing happened.
    pub(super) fn notice(&mut self, at: Wall, level: Level, text: String) -> Vec<Change> {
        vec![self.add(at, &BlockAt::default(), Body::Notice { level, text }, false)]
    }

    /// A line that nobody understands.
    pub(super) fn raw(&mut self, at: Wall, line: String) -> Vec<Change> {
        vec![self.add(at, &BlockAt::default(), Body::Raw { line }, false)]
    }

    /// A message of the user's side that the person did not write.
    pub(super) fn user_text(&mut self, now: Wall, at: &BlockAt, text: String) -> Vec<Change> {
        let from = if at.sub.is_some() { Speaker::Parent } else { Speaker::Backend };
        vec![self.add(now, at, Body::Prompt { text, from }, false)]
    }

    /// A piece of a block came.
    pub(super) fn delta(
        &mut self,
        now: Wall,
        at: &BlockAt,
        kind: &DeltaKind,
        text: String,
    ) -> Vec<Change> {
        let key = key(at);
        let known = self.blocks.get(&key).copied().filter(|id| self.find(*id).is_some());
        let body = match kind {
            DeltaKind::Text => Body::Text { text: String::new() },
            DeltaKind::Thinking => Body::Thinking { text: String::new() },
            DeltaKind::ToolInput { call, tool } => {
                // The input is shown once it is complete; the line says which tool is coming.
                if known.is_some() || self.calls.contains_key(call) {
                    return Vec::new();
                }
                let change = self.add(now, at, announced(call, tool), true);
                self.blocks.insert(key, ItemId(self.last));
                self.calls.insert(call.clone(), ItemId(self.last));
                return vec![change];
            }
        };
        let mut changes = Vec::new();
        let item = match known {
            Some(item) => item,
            None => {
                changes.push(self.add(now, at, body, true));
                self.blocks.insert(key, ItemId(self.last));
                ItemId(self.last)
            }
        };
        if let Some(found) = self.find_mut(item)
            && let Body::Text { text: so_far } | Body::Thinking { text: so_far } = &mut found.body
        {
            so_far.push_str(&text);
            changes.push(Change::Grown { item, text });
        }
        changes
    }

    /// A block is complete.
    pub(super) fn block(
        &mut self,
        now: Wall,
        at: &BlockAt,
        block: Block,
        aborted: bool,
    ) -> Vec<Change> {
        let known = self.blocks.remove(&key(at));
        let body = match block {
            Block::Text(text) => Body::Text { text },
            Block::Thinking(text) => Body::Thinking { text },
            Block::ApiError(text) => Body::Notice { level: Level::Error, text },
            Block::ToolUse { call, tool, input } => {
                let item = known.or_else(|| self.calls.get(&call).copied());
                return self.tool_use(now, at, item, (call, tool, input), aborted);
            }
        };
        if let Some(found) = known.and_then(|id| self.find_mut(id)) {
            found.body = body;
            found.open = false;
            return vec![Change::Item(Box::new(found.clone()))];
        }
        let mut changes = vec![self.add(now, at, body, false)];
        if aborted {
            changes.extend(self.notice(now, Level::Info, "cut short by an interrupt".to_owned()));
        }
        changes
    }

    fn tool_use(
        &mut self,
        now: Wall,
        at: &BlockAt,
        item: Option<ItemId>,
        (call, name, input): (CallId, String, serde_json::Value),
        aborted: bool,
    ) -> Vec<Change> {
        let status = if aborted { ToolStatus::Failed } else { ToolStatus::Running };
        if let Some(found) = item.and_then(|id| self.find_mut(id))
            && let Body::Tool(tool) = &mut found.body
        {
            tool.input = input;
            if tool.status == ToolStatus::Announced {
                tool.status = status;
            }
            return vec![Change::Item(Box::new(found.clone()))];
        }
        let tool =
            ToolCall { call: call.clone(), name, input, status, result: None, took_ms: None };
        let change = self.add(now, at, Body::Tool(tool), !aborted);
        self.calls.insert(call, ItemId(self.last));
        vec![change]
    }

    /// Where a tool call stands has changed. A refusal stays, whatever comes later.
    pub(super) fn tool_status(&mut self, call: &CallId, status: ToolStatus) -> Vec<Change> {
        self.tool(call, |tool| {
            if !matches!(
                tool.status,
                ToolStatus::Refused(_) | ToolStatus::Done | ToolStatus::Failed
            ) {
                tool.status = status;
            }
        })
    }

    /// A tool call was refused by the arbiter.
    pub(super) fn refused(&mut self, call: &CallId, refusal: Refusal) -> Vec<Change> {
        self.tool(call, |tool| tool.status = ToolStatus::Refused(refusal))
    }

    /// How long a tool ran is known.
    pub(super) fn tool_took(&mut self, call: &CallId, took_ms: u64) {
        drop(self.tool(call, |tool| tool.took_ms = Some(took_ms)));
    }

    /// A tool's result came.
    pub(super) fn tool_result(
        &mut self,
        call: &CallId,
        text: &str,
        is_error: bool,
        hunks: Vec<Hunk>,
    ) -> Vec<Change> {
        let changed = (!hunks.is_empty()).then(|| count_lines(&hunks));
        let result = ToolResult { text: cut(text), hunks, changed };
        let changes = self.tool(call, |tool| {
            tool.result = Some(result);
            if !matches!(tool.status, ToolStatus::Refused(_)) {
                tool.status = if is_error { ToolStatus::Failed } else { ToolStatus::Done };
            }
        });
        self.close(call, changes)
    }

    fn close(&mut self, call: &CallId, mut changes: Vec<Change>) -> Vec<Change> {
        if let Some(id) = self.calls.get(call).copied()
            && let Some(found) = self.find_mut(id)
        {
            found.open = false;
            changes = vec![Change::Item(Box::new(found.clone()))];
        }
        changes
    }

    /// The turn is over: what is still open will not be finished.
    pub(super) fn turn_end(&mut self, now: Wall, end: TurnEnd) -> Vec<Change> {
        let mut changes = self.close_open(true);
        if end.is_error || end.interrupted || end.model_calls > 0 || !self.is_blank() {
            changes.push(self.add(now, &BlockAt::default(), Body::TurnEnd(end), false));
        }
        changes
    }

    /// Whether nobody has said or done anything in this conversation yet.
    fn is_blank(&self) -> bool {
        let says = |item: &Item| !matches!(item.body, Body::Notice { .. });
        !self.dropped && !self.items.iter().any(says)
    }

    /// Closes what is open: of the agent itself only, or of its sub-agents as well.
    pub(super) fn close_open(&mut self, keep_subs: bool) -> Vec<Change> {
        let mut changes = Vec::new();
        for item in self.items.iter_mut().filter(|item| item.open) {
            if keep_subs && item.sub.is_some() {
                continue;
            }
            item.open = false;
            if let Body::Tool(tool) = &mut item.body
                && !matches!(tool.status, ToolStatus::Refused(_) | ToolStatus::Done)
            {
                tool.status = ToolStatus::Failed;
            }
            changes.push(Change::Item(Box::new(item.clone())));
        }
        self.blocks.retain(|(sub, _, _), _| keep_subs && sub.is_some());
        changes
    }

    /// What a call got, as far as it is in memory.
    pub(super) fn tool_input(&self, call: &CallId) -> Option<&ToolCall> {
        let Body::Tool(tool) = &self.find(*self.calls.get(call)?)?.body else { return None };
        Some(tool)
    }

    fn tool(&mut self, call: &CallId, change: impl FnOnce(&mut ToolCall)) -> Vec<Change> {
        let Some(found) = self.calls.get(call).copied().and_then(|id| self.find_mut(id)) else {
            return Vec::new();
        };
        let Body::Tool(tool) = &mut found.body else { return Vec::new() };
        change(tool);
        vec![Change::Item(Box::new(found.clone()))]
    }

    fn add(&mut self, now: Wall, at: &BlockAt, body: Body, open: bool) -> Change {
        self.last += 1;
        let (parent, sub) = (at.parent.clone(), at.sub.clone());
        let item = Item { id: ItemId(self.last), at: now, parent, sub, open, body };
        self.items.push_back(item.clone());
        self.drop_oldest();
        Change::Item(Box::new(item))
    }

    fn drop_oldest(&mut self) {
        let mut bytes: usize = self.items.iter().map(Item::bytes).sum();
        while self.items.len() > KEPT_ITEMS
            || (bytes > KEPT_BYTES && self.items.len() > LEAST_ITEMS)
        {
            let Some(old) = self.items.pop_front() else { return };
            bytes -= old.bytes();
            self.dropped = true;
            if let Body::Tool(tool) = old.body {
                self.calls.remove(&tool.call);
            }
        }
    }

    fn find(&self, id: ItemId) -> Option<&Item> {
        let index = self.items.binary_search_by_key(&id, |item| item.id).ok()?;
        self.items.get(index)
    }

    fn find_mut(&mut self, id: ItemId) -> Option<&mut Item> {
        let index = self.items.binary_search_by_key(&id, |item| item.id).ok()?;
        self.items.get_mut(index)
    }
}

fn key(at: &BlockAt) -> BlockKey {
    (at.sub.clone(), at.message.clone(), at.index)
}

fn announced(call: &CallId, tool: &str) -> Body {
    Body::Tool(ToolCall {
        call: call.clone(),
        name: tool.to_owned(),
        input: serde_json::Value::Null,
        status: ToolStatus::Announced,
        result: None,
        took_ms: None,
    })
}

fn count_lines(hunks: &[Hunk]) -> (u32, u32) {
    let count = |sign: char| {
        let lines = hunks.iter().flat_map(|hunk| &hunk.lines);
        u32::try_from(lines.filter(|line| line.starts_with(sign)).count()).unwrap_or(u32::MAX)
    };
    (count('+'), count('-'))
}

/// Keeps the head and the tail of a long result.
fn cut(text: &str) -> String {
    if text.len() <= RESULT_BYTES {
        return text.to_owned();
    }
    let head = text.floor_char_boundary(RESULT_BYTES / 4);
    let tail = text.ceil_char_boundary(text.len() - RESULT_BYTES * 3 / 4);
    format!("{}\n… {} bytes left out …\n{}", &text[..head], tail - head, &text[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Wall = Wall(1);

    fn at(message: &str, index: u32) -> BlockAt {
        BlockAt { message: message.to_owned(), index: Some(index), ..BlockAt::default() }
    }

    fn bodies(fold: &Fold) -> Vec<(bool, Body)> {
        fold.items().0.into_iter().map(|item| (item.open, item.body)).collect()
    }

    #[test]
    fn pieces_grow_one_item_and_the_block_replaces_them() {
        let mut fold = Fold::default();
        let first = fold.delta(AT, &at("m", 0), &DeltaKind::Text, "Hel".to_owned());
        assert_eq!(first.len(), 2, "a new item, and its first piece");
        let second = fold.delta(AT, &at("m", 0), &DeltaKind::Text, "lo".to_owned());
        assert_eq!(second, [Change::Grown { item: ItemId(1), text: "lo".to_owned() }]);
        fold.block(AT, &at("m", 0), Block::Text("Hello!".to_owned()), false);
        assert_eq!(bodies(&fold), [(false, Body::Text { text: "Hello!".to_owned() })]);
    }

    #[test]
    fn a_tool_call_is_one_item_from_its_announcement_to_its_result() {
        let mut fold = Fold::default();
        let call = CallId::from("t1");
        let kind = DeltaKind::ToolInput { call: call.clone(), tool: "Edit".to_owned() };
        fold.delta(AT, &at("m", 0), &kind, "{\"fi".to_owned());
        fold.delta(AT, &at("m", 0), &kind, "le\"".to_owned());
        let input = serde_json::json!({"file_path": "/w/a"});
        let use_ = Block::ToolUse { call: call.clone(), tool: "Edit".to_owned(), input };
        fold.block(AT, &at("m", 0), use_, false);
        fold.tool_status(&call, ToolStatus::Asking);
        let hunk = Hunk {
            old_start: 1,
            old_lines: 1,
            new_start: 1,
            new_lines: 2,
            lines: vec!["-a".to_owned(), "+b".to_owned(), "+c".to_owned()],
        };
        fold.tool_result(&call, "ok", false, vec![hunk]);
        let all = bodies(&fold);
        assert_eq!(all.len(), 1);
        let (open, Body::Tool(tool)) = &all[0] else { panic!("{all:?}") };
        assert!(!open);
        assert_eq!(tool.status, ToolStatus::Done);
        assert_eq!(tool.result.as_ref().and_then(|result| result.changed), Some((2, 1)));
    }

    #[test]
    fn a_refusal_outlives_the_error_result_that_follows_it() {
        let mut fold = Fold::default();
        let call = CallId::from("t1");
        let tool = ("Write".to_owned(), serde_json::json!({}));
        let use_ = Block::ToolUse { call: call.clone(), tool: tool.0, input: tool.1 };
        fold.block(AT, &at("m", 0), use_, false);
        let refusal = Refusal {
            code: crate::model::lease::RefusalCode::Held,
            path: None,
            holder: None,
            text: "held".to_owned(),
        };
        fold.refused(&call, refusal.clone());
        fold.tool_result(&call, "hook error: held", true, Vec::new());
        let (_, Body::Tool(tool)) = &bodies(&fold)[0] else { panic!("a tool") };
        assert_eq!(tool.status, ToolStatus::Refused(refusal));
    }

    #[test]
    fn the_end_of_a_turn_closes_what_was_cut_off_but_not_background_agents() {
        let mut fold = Fold::default();
        fold.delta(AT, &at("m", 0), &DeltaKind::Text, "half".to_owned());
        let of_sub = BlockAt { sub: Some("s".into()), ..at("n", 0) };
        fold.delta(AT, &of_sub, &DeltaKind::Text, "goes on".to_owned());
        fold.turn_end(AT, TurnEnd::default());
        let open: Vec<bool> = bodies(&fold).iter().map(|(open, _)| *open).collect();
        assert_eq!(open, [false, true, false]);
    }

    #[test]
    fn memory_holds_the_end_and_knows_that_there_was_more() {
        let mut fold = Fold::default();
        for n in 0..=KEPT_ITEMS {
            fold.notice(AT, Level::Info, n.to_string());
        }
        let (items, more_before) = fold.items();
        assert_eq!((items.len(), more_before), (KEPT_ITEMS, true));
        assert_eq!(fold.count(), KEPT_ITEMS as u64 + 1);
    }

    #[test]
    fn long_results_keep_head_and_tail() {
        let long = "é".repeat(RESULT_BYTES);
        let kept = cut(&long);
        assert!(kept.len() < RESULT_BYTES + 100);
        assert!(kept.contains("bytes left out"));
    }
}
