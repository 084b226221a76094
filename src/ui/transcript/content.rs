//! The items of a transcript and how they belong together.
//!
//! Items of a sub-agent stand below the tool call that started it, whenever either of them arrives.
//! Finding a neighbour costs a search in a sorted list, never a walk over the transcript.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::entry::Entry;
use super::items;
use crate::model::id::{CallId, ItemId};
use crate::model::transcript::{Body, Item, Speaker, TodoEntry, ToolCall};

/// Sub-agents of sub-agents are set in no deeper than this.
const DEEPEST: usize = 8;

/// The loaded items.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) entries: BTreeMap<ItemId, Entry>,
    /// Items of the agent itself, and those whose parent is not loaded.
    top: Vec<ItemId>,
    /// Items of sub-agents, by the call that started them.
    kids: HashMap<CallId, Vec<ItemId>>,
    calls: HashMap<CallId, ItemId>,
    /// Items at the top that wait for their parent.
    orphans: HashMap<CallId, Vec<ItemId>>,
    prompts: BTreeSet<ItemId>,
    /// The costs of the session at the ends of turns.
    costs: BTreeMap<ItemId, f64>,
    /// The agent's own lists of things to do.
    todos: BTreeMap<ItemId, Vec<TodoEntry>>,
    /// Whether older items are stored elsewhere.
    pub(super) more_before: bool,
    /// Roughly what the items take in memory.
    pub(super) bytes: usize,
    pub(super) folds: Folds,
}

/// Which items show less than they have.
#[derive(Debug, Default)]
pub(super) struct Folds {
    /// Whether all are folded or unfolded; each kind as it likes if none.
    all: Option<bool>,
    /// The exceptions.
    flipped: HashSet<ItemId>,
}

impl Content {
    /// Takes an item, or another state of one. Older than what is loaded it is left to be loaded.
    pub(super) fn put(&mut self, item: Item) {
        if self.entries.contains_key(&item.id) {
            self.replace(item);
            return;
        }
        let first = self.first_id();
        if self.more_before && first.is_some_and(|first| item.id < first) {
            return;
        }
        self.insert(item);
    }

    /// Takes items that stand before the loaded ones.
    pub(super) fn put_older(&mut self, items: Vec<Item>, more_before: bool) {
        self.more_before = more_before;
        for item in items {
            if !self.entries.contains_key(&item.id) {
                self.insert(item);
            }
        }
    }

    /// The smallest id that is loaded.
    pub(super) fn first_id(&self) -> Option<ItemId> {
        self.entries.first_key_value().map(|(id, _)| *id)
    }

    /// Adds to the text of an item.
    pub(super) fn append(&mut self, id: ItemId, text: &str) {
        let folded = self.is_folded(id);
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if items::append(&mut entry.item.body, text) {
            self.bytes += text.len();
            if folded || !items::flows(&entry.item.body) {
                entry.touch();
            }
        }
    }

    fn insert(&mut self, item: Item) {
        let id = item.id;
        self.bytes += items::weight(&item);
        if let Body::Tool(call) = &item.body {
            self.adopt(id, &call.call.clone());
        }
        let home = home_of(&self.calls, &item);
        if let (None, Some(parent)) = (&home, &item.parent) {
            self.orphans.entry(parent.clone()).or_default().push(id);
        }
        self.index(&item);
        self.entries.insert(id, Entry::new(item));
        let list = match &home {
            Some(call) => self.kids.entry(call.clone()).or_default(),
            None => &mut self.top,
        };
        if let Err(at) = list.binary_search(&id) {
            list.insert(at, id);
        }
        self.touch_parent(id);
    }

    fn replace(&mut self, item: Item) {
        let id = item.id;
        let Some(entry) = self.entries.get(&id) else { return };
        let call = |item: &Item| match &item.body {
            Body::Tool(call) => Some(call.call.clone()),
            Body::Prompt { .. }
            | Body::Text { .. }
            | Body::Thinking { .. }
            | Body::Todo { .. }
            | Body::Notice { .. }
            | Body::TurnEnd(_)
            | Body::Raw { .. } => None,
        };
        if entry.item.parent != item.parent || call(&entry.item) != call(&item) {
            self.remove(id);
            self.insert(item);
            return;
        }
        self.bytes = (self.bytes + items::weight(&item)) - items::weight(&entry.item);
        self.index(&item);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.replace(item);
        }
        self.touch_parent(id);
    }

    fn remove(&mut self, id: ItemId) {
        let home = self.home(id);
        let Some(entry) = self.entries.remove(&id) else { return };
        self.bytes = self.bytes.saturating_sub(items::weight(&entry.item));
        let list = match &home {
            Some(call) => self.kids.get_mut(call),
            None => Some(&mut self.top),
        };
        if let Some(list) = list
            && let Ok(at) = list.binary_search(&id)
        {
            list.remove(at);
        }
        if let Body::Tool(call) = &entry.item.body
            && self.calls.get(&call.call) == Some(&id)
        {
            self.calls.remove(&call.call);
            for kid in self.kids.remove(&call.call).unwrap_or_default() {
                self.orphans.entry(call.call.clone()).or_default().push(kid);
                if let Err(at) = self.top.binary_search(&kid) {
                    self.top.insert(at, kid);
                }
            }
        }
        self.prompts.remove(&id);
        self.costs.remove(&id);
        self.todos.remove(&id);
        self.folds.flipped.remove(&id);
    }

    /// Drops everything before `id`; it can be loaded again.
    pub(super) fn drop_before(&mut self, id: ItemId) {
        let gone: Vec<ItemId> = self.entries.range(..id).map(|(id, _)| *id).collect();
        self.more_before |= !gone.is_empty();
        // The whole front goes in one step: item by item the list would move each time.
        let keep = self.top.partition_point(|top| *top < id);
        self.top.drain(..keep);
        for id in gone {
            self.remove(id);
        }
        let entries = &self.entries;
        self.orphans.retain(|_, waiting| {
            waiting.retain(|id| entries.contains_key(id));
            !waiting.is_empty()
        });
    }

    /// Makes the items that wait for this call its own.
    fn adopt(&mut self, id: ItemId, call: &CallId) {
        if self.calls.contains_key(call) {
            return;
        }
        self.calls.insert(call.clone(), id);
        let waiting = self.orphans.remove(call).unwrap_or_default();
        let belongs = |kid: &ItemId| {
            let parent = self.entries.get(kid).and_then(|entry| entry.item.parent.as_ref());
            parent == Some(call)
        };
        let (own, others): (Vec<_>, Vec<_>) =
            waiting.into_iter().filter(belongs).partition(|kid| *kid > id);
        for kid in &own {
            if let Ok(at) = self.top.binary_search(kid) {
                self.top.remove(at);
            }
        }
        if !own.is_empty() {
            let kids = self.kids.entry(call.clone()).or_default();
            kids.extend(own);
            kids.sort_unstable();
            kids.dedup();
        }
        if !others.is_empty() {
            self.orphans.insert(call.clone(), others);
        }
    }

    /// Keeps what is looked up by meaning.
    fn index(&mut self, item: &Item) {
        let own = item.parent.is_none() && item.sub.is_none();
        match &item.body {
            Body::Prompt { from: Speaker::Person, .. } if own => {
                self.prompts.insert(item.id);
            }
            Body::TurnEnd(end) => {
                self.costs.insert(item.id, end.cost_usd);
            }
            Body::Todo { entries } if own => {
                self.todos.insert(item.id, entries.clone());
            }
            Body::Tool(call) if own => {
                if let Some(entries) = items::todo_of(call) {
                    self.todos.insert(item.id, entries);
                }
            }
            Body::Prompt { .. }
            | Body::Text { .. }
            | Body::Thinking { .. }
            | Body::Tool(_)
            | Body::Todo { .. }
            | Body::Notice { .. }
            | Body::Raw { .. } => {}
        }
    }

    /// What a folded parent says about its children changes with them.
    fn touch_parent(&mut self, id: ItemId) {
        let parent = self.parent(id);
        if let Some(entry) = parent.and_then(|parent| self.entries.get_mut(&parent)) {
            entry.touch();
        }
    }

    /// The latest list of things to do.
    pub(super) fn latest_todo(&self) -> Option<(ItemId, &[TodoEntry])> {
        self.todos.last_key_value().map(|(id, entries)| (*id, entries.as_slice()))
    }

    /// What the turn that ends with this item cost.
    pub(super) fn turn_cost(&self, id: ItemId) -> Option<f64> {
        let total = *self.costs.get(&id)?;
        match self.costs.range(..id).next_back() {
            Some((_, before)) if *before <= total => Some(total - before),
            Some(_) => Some(total),
            None if self.more_before => None,
            None => Some(total),
        }
    }

    /// The prompt before `id`, or the one behind it.
    pub(super) fn prompt_near(&self, id: ItemId, forward: bool) -> Option<ItemId> {
        if forward {
            self.prompts.range(id..).find(|other| **other > id).copied()
        } else {
            self.prompts.range(..id).next_back().copied()
        }
    }

    /// The children of a tool call, oldest first.
    pub(super) fn kids_of(&self, id: ItemId) -> &[ItemId] {
        let call = self.call(id).filter(|call| self.calls.get(&call.call) == Some(&id));
        call.and_then(|call| self.kids.get(&call.call)).map_or(&[], Vec::as_slice)
    }

    /// The tool call that an item is.
    pub(super) fn call(&self, id: ItemId) -> Option<&ToolCall> {
        match &self.entries.get(&id)?.item.body {
            Body::Tool(call) => Some(call),
            Body::Prompt { .. }
            | Body::Text { .. }
            | Body::Thinking { .. }
            | Body::Todo { .. }
            | Body::Notice { .. }
            | Body::TurnEnd(_)
            | Body::Raw { .. } => None,
        }
    }

    fn home(&self, id: ItemId) -> Option<CallId> {
        self.entries.get(&id).and_then(|entry| home_of(&self.calls, &entry.item))
    }

    /// The item below which this one stands.
    pub(super) fn parent(&self, id: ItemId) -> Option<ItemId> {
        self.home(id).and_then(|call| self.calls.get(&call).copied())
    }

    /// How far the item is set in.
    pub(super) fn depth(&self, id: ItemId) -> usize {
        let mut depth = 0;
        let mut at = id;
        while depth < DEEPEST
            && let Some(parent) = self.parent(at)
        {
            depth += 1;
            at = parent;
        }
        let stray = self
            .entries
            .get(&at)
            .is_some_and(|entry| entry.item.parent.is_some() || entry.item.sub.is_some());
        (depth + usize::from(stray)).min(DEEPEST)
    }

    /// The first item on the screen's way down.
    pub(super) fn first_item(&self) -> Option<ItemId> {
        self.top.first().copied()
    }

    /// The last item on the screen's way down.
    pub(super) fn last_item(&self) -> Option<ItemId> {
        self.top.last().map(|last| self.deepest(*last))
    }

    /// The item shown behind this one.
    pub(super) fn next_item(&self, id: ItemId) -> Option<ItemId> {
        if let Some(kid) = self.kids_of(id).first()
            && !self.is_folded(id)
        {
            return Some(*kid);
        }
        let mut at = id;
        loop {
            let siblings = self.siblings(at);
            let place = siblings.binary_search(&at).ok()?;
            if let Some(next) = siblings.get(place + 1) {
                return Some(*next);
            }
            at = self.parent(at)?;
        }
    }

    /// The item shown before this one.
    pub(super) fn prev_item(&self, id: ItemId) -> Option<ItemId> {
        let siblings = self.siblings(id);
        match siblings.binary_search(&id).ok()?.checked_sub(1) {
            Some(place) => siblings.get(place).map(|prev| self.deepest(*prev)),
            None => self.parent(id),
        }
    }

    /// The item itself if it is shown, else what is shown in its place.
    pub(super) fn shown(&self, id: ItemId) -> Option<ItemId> {
        let id = if self.entries.contains_key(&id) {
            id
        } else {
            let after = self.entries.range(id..).next();
            let (id, _) = after.or_else(|| self.entries.range(..id).next_back())?;
            *id
        };
        let (mut shown, mut at) = (id, id);
        while let Some(parent) = self.parent(at) {
            if self.is_folded(parent) {
                shown = parent;
            }
            at = parent;
        }
        Some(shown)
    }

    fn siblings(&self, id: ItemId) -> &[ItemId] {
        match self.home(id) {
            Some(call) => self.kids.get(&call).map_or(&[], Vec::as_slice),
            None => &self.top,
        }
    }

    /// The last item shown below this one, or itself.
    fn deepest(&self, id: ItemId) -> ItemId {
        let mut at = id;
        while let Some(kid) = self.kids_of(at).last()
            && !self.is_folded(at)
        {
            at = *kid;
        }
        at
    }

    /// Whether an item can be folded.
    pub(super) fn is_foldable(&self, id: ItemId) -> bool {
        self.entries.get(&id).is_some_and(|entry| items::foldable(&entry.item))
    }

    /// Whether an item shows less than it has.
    pub(super) fn is_folded(&self, id: ItemId) -> bool {
        let Some(entry) = self.entries.get(&id) else { return false };
        if !items::foldable(&entry.item) {
            return false;
        }
        let folded = self.folds.all.unwrap_or_else(|| items::folded_at_first(&entry.item));
        folded != self.folds.flipped.contains(&id)
    }

    /// Folds what is unfolded and the other way round.
    pub(super) fn flip(&mut self, id: ItemId) {
        if !self.folds.flipped.remove(&id) {
            self.folds.flipped.insert(id);
        }
    }

    /// Folds or unfolds everything, what is still to come too.
    pub(super) fn fold_all(&mut self, folded: bool) {
        self.folds = Folds { all: Some(folded), flipped: HashSet::new() };
    }
}

/// The call below which an item stands, if that is loaded. A parent is older than its children,
/// so no circle can come up.
fn home_of(calls: &HashMap<CallId, ItemId>, item: &Item) -> Option<CallId> {
    let parent = item.parent.as_ref()?;
    calls.get(parent).filter(|id| **id < item.id).map(|_| parent.clone())
}
