//! `keys`, `completions`, `man`: texts that the program knows by heart.

use clap::CommandFactory;
use clap_complete::Shell;
use serde_json::json;

use super::DONE;
use super::args::Cli;
use super::parts::Parts;
use super::say::Say;
use crate::model::failure::{Failure, FailureKind};

/// Prints the table of keys.
pub(super) fn keys(say: &mut Say, parts: &dyn Parts) -> Result<u8, Failure> {
    let table = parts.key_table()?;
    if say.json {
        say.value(&json!({"keys": table}));
    } else {
        say.line(table.trim_end());
    }
    Ok(DONE)
}

/// Prints the completions for a shell.
pub(super) fn completions(shell: Shell, say: &mut Say) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "benchdog", &mut script);
    written(say.bytes(&script))
}

/// Prints the manual page of the program, or of one of its commands.
pub(super) fn man(command: Option<&str>, say: &mut Say) -> Result<u8, Failure> {
    let mut whole = Cli::command();
    whole.build();
    let page = match command {
        None => whole,
        Some(name) => {
            let found = whole
                .get_subcommands()
                .find(|command| command.get_name() == name && !command.is_hide_set());
            let Some(found) = found else {
                let message = format!("there is no command `{name}`");
                return Err(Failure::new(FailureKind::Usage, message)
                    .hint("`benchdog help` lists the commands"));
            };
            found.clone()
        }
    };
    let mut text = Vec::new();
    let rendered = clap_mangen::Man::new(page).render(&mut text);
    written(rendered.and_then(|()| say.bytes(&text)))
}

fn written(result: std::io::Result<()>) -> Result<u8, Failure> {
    result.map(|()| DONE).map_err(|error| {
        Failure::new(FailureKind::Failed, "the text cannot be written").cause(error)
    })
}
