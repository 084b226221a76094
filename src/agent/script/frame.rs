//! Lines on their way to the host: one JSON object each, complete or not at all.

use std::io::Write;

use serde_json::{Value, json};
use uuid::Uuid;

use super::halt::Halt;

/// Where lines go.
pub(super) struct Out<'a> {
    to: &'a mut dyn Write,
    errors: &'a mut dyn Write,
    /// The session whose frames these are.
    pub(super) session: String,
}

impl<'a> Out<'a> {
    /// Writes frames of `session` to `to`, and words for people to `errors`.
    pub(super) fn new(to: &'a mut dyn Write, errors: &'a mut dyn Write, session: &str) -> Self {
        Self { to, errors, session: session.to_owned() }
    }

    /// Sends a line as it is.
    pub(super) fn raw(&mut self, line: &str) -> Result<(), Halt> {
        let sent = writeln!(self.to, "{line}").and_then(|()| self.to.flush());
        sent.map_err(|_| Halt::Gone)
    }

    /// Sends a frame that belongs to no session.
    pub(super) fn bare(&mut self, frame: &Value) -> Result<(), Halt> {
        self.raw(&frame.to_string())
    }

    /// Sends a frame of this session, with an id of its own.
    pub(super) fn frame(&mut self, mut frame: Value) -> Result<(), Halt> {
        if let Some(object) = frame.as_object_mut() {
            object.insert("session_id".to_owned(), json!(self.session));
            object.entry("uuid").or_insert_with(|| json!(new_id()));
        }
        self.bare(&frame)
    }

    /// Sends a `system` frame.
    pub(super) fn system(&mut self, subtype: &str, mut more: Value) -> Result<(), Halt> {
        more["type"] = json!("system");
        more["subtype"] = json!(subtype);
        self.frame(more)
    }

    /// Answers a request of the host.
    pub(super) fn answer(&mut self, request_id: &Value, response: &Value) -> Result<(), Halt> {
        self.bare(&json!({
            "type": "control_response",
            "response": { "subtype": "success", "request_id": request_id, "response": response },
        }))
    }

    /// Answers a request of the host that cannot be fulfilled.
    pub(super) fn refuse(
        &mut self,
        request_id: &Value,
        error: &str,
        code: &str,
    ) -> Result<(), Halt> {
        self.bare(&json!({
            "type": "control_response",
            "response": {
                "subtype": "error", "request_id": request_id, "error": error, "error_code": code,
            },
        }))
    }

    /// Says something on stderr.
    pub(super) fn complain(&mut self, words: &str) {
        let _ = writeln!(self.errors, "{words}");
        let _ = self.errors.flush();
    }
}

/// A new UUID.
pub(super) fn new_id() -> String {
    Uuid::new_v4().to_string()
}

/// A new id with a prefix, as calls and messages have them.
pub(super) fn new_name(prefix: &str, length: usize) -> String {
    let letters = Uuid::new_v4().simple().to_string();
    format!("{prefix}{}", letters.get(..length).unwrap_or(&letters))
}

/// Now, as the protocol writes it.
pub(super) fn timestamp() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
