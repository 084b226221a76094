//! The layout as it is stored with the bench and written in bench files.
//!
//! Numbers of agents do not outlive the engine, so a stored slot has the agent's name and its
//! session. What is stored and no longer there is left out; what is new gets a pane.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tree::{Node, WEIGHT};
use super::{Arrangement, Axis, Layout, Slot};
use crate::model::agent::AgentInfo;

#[derive(Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    arrangement: String,
    root: Option<Part>,
    focus: Option<Part>,
    zoomed: bool,
}

impl Default for Saved {
    fn default() -> Self {
        let arrangement = Arrangement::Own.as_str().to_owned();
        Self { arrangement, root: None, focus: None, zoomed: false }
    }
}

/// A pane or a split. In bench files a pane may be just the agent's name.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Part {
    Name(String),
    Agent {
        agent: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<String>,
        #[serde(default = "usual", skip_serializing_if = "is_usual")]
        weight: u32,
    },
    Right {
        right: Vec<Part>,
        #[serde(default = "usual", skip_serializing_if = "is_usual")]
        weight: u32,
    },
    Below {
        below: Vec<Part>,
        #[serde(default = "usual", skip_serializing_if = "is_usual")]
        weight: u32,
    },
}

/// The largest weight that is read; more is a broken file.
const MOST: u32 = 10_000;

fn usual() -> u32 {
    WEIGHT
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_usual(weight: &u32) -> bool {
    *weight == WEIGHT
}

impl Layout {
    /// The layout as it is stored. Empty panes are not.
    pub fn save(&self, agents: &[AgentInfo]) -> Value {
        let saved = Saved {
            arrangement: self.arrangement.as_str().to_owned(),
            root: self.root.as_ref().and_then(|root| save(root, WEIGHT, agents)),
            focus: self.focus.and_then(|focus| save(&Node::Leaf(focus), WEIGHT, agents)),
            zoomed: self.zoomed,
        };
        serde_json::to_value(saved).unwrap_or(Value::Null)
    }

    /// Reads what [`Layout::save`] wrote, the name of an arrangement, or a tree of a bench file.
    /// What cannot be read is an even layout. Agents that are not in it get a pane.
    pub fn load(value: Option<&Value>, agents: &[AgentInfo]) -> Self {
        let mut layout = Self::default();
        let named = value.and_then(Value::as_str).and_then(Arrangement::parse);
        let saved = value.filter(|value| value.is_object()).and_then(|value| {
            let whole = value.get("root").is_some() || value.get("arrangement").is_some();
            if whole {
                return serde_json::from_value::<Saved>(value.clone()).ok();
            }
            let root = serde_json::from_value(value.clone()).ok()?;
            Some(Saved { root: Some(root), ..Saved::default() })
        });
        if let Some(named) = named {
            layout.arrangement = named;
        }
        if let Some(saved) = saved {
            let mut seen = Vec::new();
            layout.root = saved.root.and_then(|part| Some(load(part, agents, &mut seen)?.1));
            let focus = saved.focus.and_then(|part| load(part, agents, &mut Vec::new()));
            layout.focus =
                focus.and_then(|(_, node)| node.first()).filter(|slot| seen.contains(slot));
            layout.zoomed = saved.zoomed;
            let arrangement = Arrangement::parse(&saved.arrangement).unwrap_or_default();
            layout.arrangement =
                if layout.root.is_some() { arrangement } else { Arrangement::default() };
        }
        layout.focus = layout.focus.or_else(|| layout.slots().first().copied());
        for agent in agents {
            layout.add(agent.id);
        }
        layout
    }
}

impl Node {
    fn first(&self) -> Option<Slot> {
        let mut slots = Vec::new();
        self.collect(&mut slots);
        slots.first().copied()
    }
}

fn save(node: &Node, weight: u32, agents: &[AgentInfo]) -> Option<Part> {
    match node {
        Node::Leaf(Slot::Empty(_)) => None,
        Node::Leaf(Slot::Agent(id)) => {
            let info = agents.iter().find(|agent| agent.id == *id)?;
            let session = Some(info.session_id.0.clone());
            Some(Part::Agent { agent: info.name.clone(), session, weight })
        }
        Node::Split(axis, parts) => {
            let parts: Vec<_> =
                parts.iter().filter_map(|(weight, part)| save(part, *weight, agents)).collect();
            match axis {
                _ if parts.is_empty() => None,
                Axis::Right => Some(Part::Right { right: parts, weight }),
                Axis::Below => Some(Part::Below { below: parts, weight }),
            }
        }
    }
}

fn load(part: Part, agents: &[AgentInfo], seen: &mut Vec<Slot>) -> Option<(u32, Node)> {
    let mut leaf = |name: &str, session: Option<&str>| {
        let by_session = agents.iter().find(|agent| Some(agent.session_id.as_str()) == session);
        let agent = by_session.or_else(|| agents.iter().find(|agent| agent.name == name))?;
        let slot = Slot::Agent(agent.id);
        if seen.contains(&slot) {
            return None;
        }
        seen.push(slot);
        Some(Node::Leaf(slot))
    };
    match part {
        Part::Name(name) => Some((WEIGHT, leaf(&name, None)?)),
        Part::Agent { agent, session, weight } => {
            Some((weight.clamp(1, MOST), leaf(&agent, session.as_deref())?))
        }
        Part::Right { right, weight } => {
            Some((weight.clamp(1, MOST), split(Axis::Right, right, agents, seen)?))
        }
        Part::Below { below, weight } => {
            Some((weight.clamp(1, MOST), split(Axis::Below, below, agents, seen)?))
        }
    }
}

fn split(axis: Axis, parts: Vec<Part>, agents: &[AgentInfo], seen: &mut Vec<Slot>) -> Option<Node> {
    let parts = parts.into_iter().filter_map(|part| load(part, agents, seen)).collect();
    Node::weighted(axis, parts)
}
