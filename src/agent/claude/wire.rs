//! The shapes of Claude Code's stream-json lines, as far as anything is read from them.
//!
//! - **Nothing here refuses a line.** Unknown fields are ignored; a missing field, a `null` or a
//!   value of a strange type becomes the field's default.
//! - What a shape does not name stays in the raw line, which the history keeps.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads a value as `T`, or as its default if it is something else.
fn lax<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// Reads `value` as the shape `T`; what does not fit is left out.
pub(super) fn shape<T: DeserializeOwned + Default>(value: Value) -> T {
    serde_json::from_value(value).unwrap_or_default()
}

/// A number that counts something. Fractions are cut off, negative ones are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Count(pub(super) u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let whole = value.as_u64();
        // A cast from a float saturates, so that nonsense becomes a limit and not a panic.
        Ok(Self(whole.or_else(|| value.as_f64().map(|n| n as u64)).unwrap_or(0)))
    }
}

impl Count {
    /// The number as a `u32`, or its largest one.
    pub(super) fn small(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }
}

/// A list whose strange entries are skipped.
#[derive(Debug)]
pub(super) struct Many<T>(pub(super) Vec<T>);

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Value::Array(entries) = Value::deserialize(deserializer)? else {
            return Ok(Self::default());
        };
        Ok(Self(entries.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect()))
    }
}

macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident { $($(#[$attr:meta])* $field:ident: $kind:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Default, Deserialize)]
        #[serde(default)]
        pub(super) struct $name {
            $($(#[$attr])* #[serde(deserialize_with = "lax")] pub(super) $field: $kind,)*
        }
    )*};
}

shapes! {
    /// A `control_request` of the agent.
    Request {
        request_id: String,
        request: Value,
    }
    /// The `request` of a `hook_callback`.
    Hook {
        callback_id: String,
        input: HookInput,
        tool_use_id: String,
    }
    /// What a hook is told.
    HookInput {
        hook_event_name: String,
        tool_name: String,
        tool_input: Value,
        tool_use_id: String,
        tool_response: Value,
        agent_id: Option<String>,
        duration_ms: Option<Count>,
        error: Value,
        is_interrupt: bool,
    }
    /// The `request` of a `can_use_tool`.
    CanUse {
        tool_name: String,
        input: Value,
        tool_use_id: Option<String>,
        agent_id: Option<String>,
        permission_suggestions: Many<Value>,
        decision_reason: Option<String>,
        blocked_path: Option<String>,
    }
    /// The `response` of a `control_response`.
    Reply {
        subtype: String,
        request_id: String,
        error: String,
        response: Value,
    }
    /// What the reply to `initialize` says.
    Hello {
        commands: Many<HelloCommand>,
        models: Many<HelloModel>,
        pid: Option<u32>,
        claude_code_version: Option<String>,
        current_permission_mode: String,
        hooks_applied: Option<bool>,
        hook_on_failure_supported: bool,
        capabilities: Many<String>,
    }
    /// A slash command.
    HelloCommand {
        name: String,
        description: String,
        #[serde(rename = "argumentHint")]
        argument_hint: String,
    }
    /// A model.
    HelloModel {
        value: String,
        #[serde(rename = "displayName")]
        display_name: String,
    }
    /// A `system` frame; each subtype uses some of it.
    System {
        session_id: String,
        model: String,
        cwd: String,
        #[serde(rename = "permissionMode")]
        permission_mode: Option<String>,
        status: Option<String>,
        compact_error: Option<String>,
        attempt: Count,
        max_retries: Count,
        retry_delay_ms: Count,
        error_status: Option<u32>,
        error: String,
        task_id: String,
        tool_use_id: Option<String>,
        task_type: String,
        description: String,
        is_backgrounded: bool,
        summary: String,
        patch: TaskPatch,
        tasks: Many<TaskRow>,
        compact_metadata: Compaction,
        title: String,
        content: String,
        level: String,
        tag: String,
        tool_name: String,
        message: String,
    }
    /// What changed about a task.
    TaskPatch {
        status: Option<String>,
        is_backgrounded: bool,
    }
    /// One task of the list of background tasks.
    TaskRow {
        task_id: String,
    }
    /// What a compaction did.
    Compaction {
        pre_tokens: Count,
        post_tokens: Option<Count>,
    }
    /// A `stream_event` frame.
    Partial {
        event: Event,
        parent_tool_use_id: Option<String>,
        agent_id: Option<String>,
        api_message_id: Option<String>,
    }
    /// An event of the model's API as it streams.
    Event {
        #[serde(rename = "type")]
        kind: String,
        index: Count,
        message: Message,
        content_block: Piece,
        delta: Piece,
        usage: Option<Usage>,
    }
    /// A block that begins, or a piece of one.
    Piece {
        #[serde(rename = "type")]
        kind: String,
        id: String,
        name: String,
        text: String,
        thinking: String,
        partial_json: String,
    }
    /// An `assistant` or a `user` frame.
    Spoken {
        message: Message,
        parent_tool_use_id: Option<String>,
        agent_id: Option<String>,
        uuid: String,
        aborted: bool,
        error: Value,
        is_api_error_message: bool,
        #[serde(rename = "isReplay")]
        is_replay: bool,
        tool_use_result: Value,
    }
    /// A message of the model's API.
    Message {
        id: String,
        model: String,
        content: Value,
        usage: Option<Usage>,
    }
    /// Tokens of one call to the model.
    Usage {
        input_tokens: Count,
        output_tokens: Count,
        cache_read_input_tokens: Count,
        cache_creation_input_tokens: Count,
    }
    /// One block of a message's content.
    ContentBlock {
        #[serde(rename = "type")]
        kind: String,
        id: String,
        name: String,
        text: String,
        thinking: String,
        input: Value,
        tool_use_id: String,
        content: Value,
        is_error: bool,
    }
    /// A `result` frame.
    Outcome {
        subtype: String,
        is_error: bool,
        result: String,
        errors: Many<String>,
        terminal_reason: Option<String>,
        duration_ms: Count,
        num_turns: Count,
        total_cost_usd: f64,
        #[serde(rename = "modelUsage")]
        model_usage: std::collections::BTreeMap<String, ModelUsage>,
    }
    /// What one model has used up in the session.
    ModelUsage {
        #[serde(rename = "inputTokens")]
        input: Count,
        #[serde(rename = "outputTokens")]
        output: Count,
        #[serde(rename = "cacheReadInputTokens")]
        cache_read: Count,
        #[serde(rename = "cacheCreationInputTokens")]
        cache_write: Count,
        #[serde(rename = "contextWindow")]
        window: Count,
    }
    /// A `rate_limit_event` frame.
    RateLimit {
        rate_limit_info: RateLimitInfo,
    }
    /// How near a limit of the account is.
    RateLimitInfo {
        status: String,
        #[serde(rename = "rateLimitType")]
        kind: String,
        #[serde(rename = "resetsAt")]
        resets_at: Option<Count>,
        utilization: Option<f64>,
    }
}

/// What is read from a request that is nested too deeply to be read as a whole.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Head {
    pub(super) request_id: String,
    pub(super) request: HeadRequest,
}

/// The `request` of a [`Head`].
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct HeadRequest {
    pub(super) subtype: String,
}

impl Usage {
    /// Tokens that this call took up in the model's context.
    pub(super) fn filled(&self) -> u64 {
        [
            self.input_tokens,
            self.output_tokens,
            self.cache_read_input_tokens,
            self.cache_creation_input_tokens,
        ]
        .iter()
        .fold(0, |sum, part| sum.saturating_add(part.0))
    }
}

/// Whether a line is a piece of a message that comes again as a whole.
///
/// The history leaves such lines out: the folded text is stored otherwise.
pub fn is_partial(line: &str) -> bool {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(rename = "type", borrow)]
        kind: std::borrow::Cow<'a, str>,
    }
    if !line.contains("\"stream_event\"") {
        return false;
    }
    serde_json::from_str::<Kind<'_>>(line).is_ok_and(|frame| frame.kind == "stream_event")
}

/// Replaces halves of surrogate pairs, which JavaScript writes when it cuts a text in the middle
/// of a character and which no Rust string can hold. `None` if there are none.
pub(super) fn mend_surrogates(line: &str) -> Option<String> {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    let mut mended = false;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let taken = match unit(escape) {
            Some(0xd800..=0xdbff) => {
                let paired = escape.get(6..).and_then(unit);
                if matches!(paired, Some(0xdc00..=0xdfff)) { 12 } else { 0 }
            }
            Some(0xdc00..=0xdfff) => 0,
            Some(_) => 6,
            // A backslash and what it protects; never half a character.
            None => 1 + escape[1..].chars().next().map_or(0, char::len_utf8),
        };
        if taken == 0 {
            mended = true;
            out.push_str("\\ufffd");
            rest = &escape[6..];
        } else {
            out.push_str(&escape[..taken]);
            rest = &escape[taken..];
        }
    }
    out.push_str(rest);
    mended.then_some(out)
}

/// The UTF-16 unit of a `\uXXXX` at the beginning of `text`.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strange_values_become_defaults_and_the_rest_stays() {
        let frame: Outcome = shape(serde_json::json!({
            "is_error": "yes", "duration_ms": 12.7, "num_turns": -3, "result": null,
            "total_cost_usd": 0.5, "errors": ["a", 7, "b"], "modelUsage": {"m": {"inputTokens": 4}},
            "new_field": {"deep": [1]},
        }));
        assert!(!frame.is_error);
        assert_eq!((frame.duration_ms.0, frame.num_turns.0), (12, 0));
        assert_eq!(frame.errors.0, ["a", "b"]);
        assert_eq!(frame.model_usage["m"].input.0, 4);
    }

    #[test]
    fn only_stream_events_are_partial() {
        assert!(is_partial(r#"{"type":"stream_event","event":{}}"#));
        assert!(is_partial(r#"{"event":{"a":[1]},"type":"stream_event"}"#));
        assert!(!is_partial(r#"{"type":"user","message":{"content":"\"stream_event\""}}"#));
        assert!(!is_partial(r#"{"type":"user","event":{"type":"stream_event"}}"#));
        assert!(!is_partial("stream_event"));
    }

    #[test]
    fn half_characters_are_mended_and_whole_ones_kept() {
        assert_eq!(mend_surrogates(r#"{"a":"\ud83d\ude00 \\ud83d é\n"}"#), None);
        assert_eq!(mend_surrogates(r#""cut \ud83d""#).as_deref(), Some(r#""cut \ufffd""#));
        assert_eq!(mend_surrogates(r#""\ude00\ud83dx""#).as_deref(), Some(r#""\ufffd\ufffdx""#));
        assert_eq!(mend_surrogates("\\"), None);
        assert_eq!(mend_surrogates("\\u12é\\"), None);
    }
}
