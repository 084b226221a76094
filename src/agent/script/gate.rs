//! Hooks: the host's word before and after a tool runs.
//!
//! The rules are those of the real program: a deny wins over everything, a broken answer of a
//! hook that is marked `block` blocks, a hook that is too slow or whose host has left never lets
//! the tool run.

use std::time::Duration;

use regex::Regex;
use serde_json::{Value, json};

use super::halt::Halt;
use super::message::Who;
use super::session::{HostAnswer, Session};

/// How long a hook may take when it does not say so itself.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

/// A hook that the host has registered.
#[derive(Debug, Clone)]
pub(super) struct Hook {
    event: String,
    matcher: Option<Regex>,
    ids: Vec<String>,
    timeout: Duration,
    blocks_on_failure: bool,
}

/// What the hooks of one event said together.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Hooked {
    /// Allow, ask or deny.
    pub(super) says: Says,
    /// What the tool gets instead.
    pub(super) input: Option<Value>,
    /// What the agent is told.
    pub(super) context: Vec<String>,
    /// Whether the turn is to end.
    pub(super) stops: bool,
}

/// The word of a hook.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Says {
    /// No opinion.
    #[default]
    Nothing,
    /// It may run.
    Allow,
    /// The person shall decide, and why.
    Ask(Option<String>),
    /// It may not run, and why.
    Deny(String),
}

/// What a hook is about.
#[derive(Debug, Clone)]
pub(super) struct Subject<'a> {
    /// Which sub-agent.
    pub(super) who: &'a Who,
    /// The tool, if it is about one.
    pub(super) tool: Option<&'a str>,
    /// The call's id, or one of the event's own.
    pub(super) id: &'a str,
    /// What the event adds to the input.
    pub(super) more: Value,
}

/// Reads the `hooks` of an initialize request.
pub(super) fn read_hooks(raw: &Value) -> Vec<Hook> {
    let mut hooks = Vec::new();
    for (event, entries) in raw.as_object().into_iter().flatten() {
        for entry in entries.as_array().into_iter().flatten() {
            let matcher = entry["matcher"].as_str().filter(|raw| !raw.is_empty() && *raw != "*");
            hooks.push(Hook {
                event: event.clone(),
                matcher: matcher.and_then(|raw| Regex::new(&format!("^(?:{raw})$")).ok()),
                ids: super::options::strings(&entry["hookCallbackIds"]),
                timeout: entry["timeout"]
                    .as_f64()
                    .filter(|seconds| seconds.is_finite() && *seconds > 0.0)
                    .map_or(DEFAULT_TIMEOUT, |seconds| Duration::from_secs_f64(seconds.min(1e7))),
                blocks_on_failure: entry["onFailure"].as_str() == Some("block"),
            });
        }
    }
    hooks
}

impl Session<'_> {
    /// Lets every hook of an event have its word.
    pub(super) fn run_hooks(&mut self, event: &str, subject: &Subject<'_>) -> Result<Hooked, Halt> {
        let mut hooked = Hooked::default();
        let fits = |hook: &&Hook| {
            let named = match (&hook.matcher, subject.tool) {
                (Some(matcher), Some(tool)) => matcher.is_match(tool),
                (Some(_), None) | (None, _) => true,
            };
            hook.event == event && named
        };
        for hook in self.hooks.iter().filter(fits).cloned().collect::<Vec<_>>() {
            for id in &hook.ids {
                let input = self.hook_input(event, subject);
                let request = json!({
                    "subtype": "hook_callback", "callback_id": id, "input": input,
                    "tool_use_id": subject.id,
                });
                let beats = (event == "PreToolUse").then_some(subject.id);
                let answer = self.ask_host(&request, Some(hook.timeout), beats)?;
                self.weigh(&mut hooked, event, subject, &hook, answer)?;
            }
        }
        Ok(hooked)
    }

    fn hook_input(&self, event: &str, subject: &Subject<'_>) -> Value {
        let mut input = json!({
            "session_id": self.memory.id,
            "transcript_path": self.place.state.join(format!("{}.json", self.memory.id)),
            "cwd": self.place.cwd,
            "prompt_id": self.turn.id,
            "permission_mode": self.mode.as_str(),
            "hook_event_name": event,
        });
        if let Some(sub) = &subject.who.sub {
            input["agent_id"] = json!(sub.id);
            input["agent_type"] = json!(sub.kind);
        }
        for (key, value) in subject.more.as_object().into_iter().flatten() {
            input[key] = value.clone();
        }
        input
    }

    /// Adds one hook's answer to what the others said.
    fn weigh(
        &mut self,
        hooked: &mut Hooked,
        event: &str,
        subject: &Subject<'_>,
        hook: &Hook,
        answer: HostAnswer,
    ) -> Result<(), Halt> {
        let tool = subject.tool.unwrap_or_default();
        match answer {
            HostAnswer::Success(out) if out.is_object() || out.is_null() => {
                hear_out(hooked, event, tool, &out);
                Ok(())
            }
            HostAnswer::Success(_) | HostAnswer::Error(_) if hook.blocks_on_failure => {
                hooked.says = Says::Deny(format!("{event}:{tool} hook error: the hook failed"));
                Ok(())
            }
            HostAnswer::Success(_) | HostAnswer::Error(_) => {
                let content = format!("{event}:{tool} hook callback failed; going on without it");
                let more = json!({ "content": content, "level": "warning",
                                   "tag": "hook_callback_failed" });
                self.out.system("informational", more)
            }
            HostAnswer::Late => {
                hooked.says = Says::Deny(format!(
                    "{event} hook did not respond before its timeout; {tool} was not executed"
                ));
                Ok(())
            }
            HostAnswer::Gone => {
                hooked.says = Says::Deny(format!(
                    "{event} hook stream closed before it answered; {tool} was not executed"
                ));
                Ok(())
            }
        }
    }
}

fn hear_out(hooked: &mut Hooked, event: &str, tool: &str, out: &Value) {
    let specific = &out["hookSpecificOutput"];
    let reason = |raw: &Value| raw.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    if let Some(text) = reason(&specific["additionalContext"]) {
        hooked.context.push(text);
    }
    if specific["updatedInput"].is_object() {
        hooked.input = Some(specific["updatedInput"].clone());
    }
    if out["continue"].as_bool() == Some(false) {
        hooked.stops = true;
    }
    let why = reason(&specific["permissionDecisionReason"]);
    let denial = |why: Option<String>| {
        let why = why.unwrap_or_else(|| "no reason given".to_owned());
        Says::Deny(format!("{event}:{tool} hook error: {why}"))
    };
    let says = match specific["permissionDecision"].as_str() {
        Some("deny") => denial(why),
        Some("ask") => Says::Ask(why),
        Some("allow") => Says::Allow,
        _ if out["decision"].as_str() == Some("block") => denial(reason(&out["reason"])),
        _ => Says::Nothing,
    };
    // A deny wins over an ask, an ask over an allow.
    hooked.says = match (std::mem::take(&mut hooked.says), says) {
        (deny @ Says::Deny(_), _) | (_, deny @ Says::Deny(_)) => deny,
        (ask @ Says::Ask(_), _) | (_, ask @ Says::Ask(_)) => ask,
        (Says::Allow, _) | (_, Says::Allow) => Says::Allow,
        (Says::Nothing, Says::Nothing) => Says::Nothing,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(word: &str) -> Value {
        json!({ "hookSpecificOutput": { "permissionDecision": word,
                                        "permissionDecisionReason": "held" } })
    }

    #[test]
    fn a_deny_wins_whatever_comes_before_or_after() {
        for order in [["allow", "deny"], ["deny", "allow"], ["ask", "deny"]] {
            let mut hooked = Hooked::default();
            for word in order {
                hear_out(&mut hooked, "PreToolUse", "Write", &decision(word));
            }
            assert_eq!(hooked.says, Says::Deny("PreToolUse:Write hook error: held".into()));
        }
    }

    #[test]
    fn the_older_way_to_block_works_too() {
        let mut hooked = Hooked::default();
        let out = json!({ "decision": "block", "reason": "no" });
        hear_out(&mut hooked, "PreToolUse", "Bash", &out);
        assert_eq!(hooked.says, Says::Deny("PreToolUse:Bash hook error: no".into()));
    }

    #[test]
    fn hooks_are_read_with_their_matcher_and_time() {
        let hooks = read_hooks(&json!({
            "PreToolUse": [{ "matcher": "Write|Edit", "hookCallbackIds": ["a"], "timeout": 3600,
                             "onFailure": "block" }],
            "PostToolUse": [{ "matcher": null, "hookCallbackIds": ["b"] }],
        }));
        let pre = hooks.iter().find(|hook| hook.event == "PreToolUse").unwrap();
        assert!(pre.blocks_on_failure && pre.timeout == Duration::from_secs(3600));
        let matcher = pre.matcher.as_ref().unwrap();
        assert!(matcher.is_match("Edit") && !matcher.is_match("MultiEdit"));
    }
}
