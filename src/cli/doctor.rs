//! `doctor`: gathers the facts and prints the judgement.

use super::say::{Say, Tint};
use super::table::Table;
use super::{DONE, Desk, small_runtime};
use crate::config::folders::SOCKET_PATH_BYTES;
use crate::config::problem::Gravity;
use crate::config::program;
use crate::doctor::checks::{Diagnosis, Weight, judge};
use crate::doctor::facts::{Facts, Terminal, Workspace};
use crate::doctor::{ping, probe};
use crate::model::failure::{Failure, FailureKind};

/// Looks at everything and tells what works.
pub(super) fn doctor(desk: &mut Desk<'_>, start_agent: bool) -> Result<u8, Failure> {
    let place = desk.place()?;
    let loaded = place.load(&desk.common)?;
    let folders = &place.folders;
    let search = place.environment.get("PATH").unwrap_or_default();
    let command = &loaded.settings.claude.command;
    let found = program::find(command, search, folders);
    let git = ["git".to_owned()];
    let git_found = program::find(&git, search, folders);
    let (agent, git, ping, engine) = small_runtime()?.block_on(async {
        let ping = match &found {
            Some(found) if start_agent => Some(ping::ping(found).await),
            None if start_agent => Some(Err("it is not installed".to_owned())),
            Some(_) | None => None,
        };
        (
            probe::program(command, found.as_deref()).await,
            probe::program(&git, git_found.as_deref()).await,
            ping,
            place.attach().await.ok().map(|(introduction, _)| introduction.pid),
        )
    });
    let database = loaded.settings.history.database(folders);
    let environment = &place.environment;
    let facts = Facts {
        system: std::env::consts::OS.to_owned(),
        agent,
        git,
        ping,
        terminal: Terminal {
            present: desk.stage.can_draw,
            term: environment.get("TERM").map(str::to_owned),
            color_term: environment.get("COLORTERM").map(str::to_owned),
            no_color: environment.get("NO_COLOR").is_some(),
            size: desk.stage.size,
            utf8: ["LC_ALL", "LC_CTYPE", "LANG"]
                .iter()
                .find_map(|name| environment.get(name))
                .is_some_and(|locale| {
                    let locale = locale.to_lowercase();
                    locale.contains("utf-8") || locale.contains("utf8")
                }),
        },
        folders: vec![
            probe::folder("config", &folders.config),
            probe::folder("data", &folders.data),
            probe::folder("state", &folders.state),
            probe::folder("workspace", &place.workspace),
        ],
        settings: loaded
            .problems
            .iter()
            .map(|problem| {
                let at = format!("{}: {}", problem.origin, problem.message);
                (problem.gravity == Gravity::Fatal, at)
            })
            .collect(),
        socket: folders.socket(&place.workspace),
        socket_limit: SOCKET_PATH_BYTES,
        database: desk.parts.check_history(&database),
        disk: probe::free(&folders.data),
        guard: desk.parts.guard(),
        workspace: Some(Workspace {
            is_repository: place.workspace.join(".git").exists(),
            root: place.workspace.clone(),
            engine,
        }),
    };
    let diagnosis = judge(&facts);
    print(&diagnosis, desk.say);
    Ok(if diagnosis.ok { DONE } else { FailureKind::Failed.exit_code() })
}

fn print(diagnosis: &Diagnosis, say: &mut Say) {
    if say.json {
        say.value(diagnosis);
        return;
    }
    let mut table = Table::new(&["", "CHECK", "FOUND"]);
    for check in &diagnosis.checks {
        let mark = match check.level {
            Weight::Fine => "✓",
            Weight::Info => "·",
            Weight::Warn => "!",
            Weight::Error => "✗",
        };
        table.row(&[mark.to_owned(), check.name.clone(), check.found.clone()]);
        if !check.hint.is_empty() {
            table.row(&[String::new(), String::new(), format!("→ {}", check.hint)]);
        }
    }
    table.print(say, "");
    let (tint, verdict) = match diagnosis.ok {
        true => (Tint::Good, "benchdog can work here"),
        false => (Tint::Bad, "benchdog cannot work here yet"),
    };
    let verdict = say.tint(tint, verdict);
    say.line(&verdict);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake::{said, stage};
    use crate::doctor::checks::Check;

    #[test]
    fn the_table_has_a_row_for_each_check_and_one_for_each_hint() {
        let check = |name: &str, level, found: &str, hint: &str| Check {
            name: name.to_owned(),
            ok: matches!(level, Weight::Fine),
            level,
            found: found.to_owned(),
            hint: hint.to_owned(),
        };
        let diagnosis = Diagnosis {
            ok: false,
            checks: vec![
                check("git", Weight::Fine, "git version 2.47.0", ""),
                check("agent", Weight::Error, "`claude` is not installed", "install it"),
                check("guard", Weight::Warn, "advisory", "know it"),
            ],
        };
        let (mut stage, out, _) = stage();
        print(&diagnosis, &mut Say::new(&mut stage, false, false));
        assert_eq!(
            said(&out),
            "   CHECK  FOUND\n\
             ✓  git    git version 2.47.0\n\
             ✗  agent  `claude` is not installed\n          \
             → install it\n\
             !  guard  advisory\n          \
             → know it\n\
             benchdog cannot work here yet\n"
        );
    }
}
