//! The lines on the socket: one JSON value each, UTF-8, ended by a newline.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::codec::LinesCodec;

use crate::engine::command::Reply;
use crate::engine::event::{ToClient, ToEngine};
use crate::model::failure::{Failure, FailureKind};

/// The longest line in either direction; a longer one is refused.
pub const LINE_BYTES: usize = 64 * 1024 * 1024;

/// The codec of both directions.
pub fn codec() -> LinesCodec {
    LinesCodec::new_with_max_length(LINE_BYTES)
}

/// Writes a message as a line without its newline. `None` if it is no JSON, which would be a bug.
pub fn line<T: Serialize>(message: &T) -> Option<String> {
    serde_json::to_string(message)
        .inspect_err(|error| tracing::error!(%error, "a message cannot be written as JSON"))
        .ok()
}

/// Reads a line of a front end. A bad one becomes the reply to send, with the id of the line as
/// far as it has one.
pub fn command(line: &str) -> Result<ToEngine, Box<ToClient>> {
    serde_json::from_str(line).map_err(|error| {
        #[derive(Deserialize)]
        struct OnlyId {
            id: u64,
        }
        let id = serde_json::from_str(line).map_or(0, |OnlyId { id }| id);
        let what = match serde_json::from_str::<Value>(line) {
            Ok(_) => "the line is not a command of this engine",
            Err(_) => "the line is not JSON",
        };
        let failure = Failure::new(FailureKind::Usage, what).cause(error);
        Box::new(ToClient::Reply { id, reply: Reply::Failed(failure) })
    })
}

/// Reads a line of the engine.
pub fn message(line: &str) -> Result<ToClient, serde_json::Error> {
    serde_json::from_str(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::command::Command;
    use crate::model::id::AgentId;

    #[test]
    fn a_command_is_one_flat_line() {
        let send = Command::Send { agent: AgentId(2), text: "a\nb".to_owned() };
        let written = line(&ToEngine { id: 7, command: send.clone() }).expect("a line");
        assert_eq!(written, r#"{"id":7,"command":"send","agent":2,"text":"a\nb"}"#);
        assert_eq!(command(&written), Ok(ToEngine { id: 7, command: send }));
    }

    #[test]
    fn a_bad_line_is_answered_under_its_own_id() {
        for (line, id, said) in [
            ("{", 0, "the line is not JSON"),
            (r#"{"id":4,"command":"dance"}"#, 4, "the line is not a command of this engine"),
            (r#"{"command":"list_agents"}"#, 0, "the line is not a command of this engine"),
            (
                r#"{"id":9,"command":"send","agent":"x"}"#,
                9,
                "the line is not a command of this engine",
            ),
        ] {
            let answer = command(line).expect_err("no command");
            let ToClient::Reply { id: answered, reply: Reply::Failed(failure) } = *answer else {
                panic!("a failed reply");
            };
            assert_eq!((answered, failure.message.as_str()), (id, said), "{line}");
        }
    }
}
