//! `resume`: the picker, or straight into one session.

use super::Desk;
use super::args::Resume;
use super::open::{Plan, on_screen};
use super::sessions::{Found, find};
use super::setup::Place;
use crate::config::workspace;
use crate::model::failure::{Failure, FailureKind};
use crate::model::session::{SessionHit, SessionQuery};

/// Goes on with a session, or lets the person choose one.
pub(super) fn resume(desk: &mut Desk<'_>, args: &Resume) -> Result<u8, Failure> {
    desk.needs_screen()?;
    let setup = desk.setup()?;
    let query = args.query.join(" ");
    let stored = || desk.parts.history(&setup);
    let chosen = if args.last {
        let here = setup.place.workspace.display().to_string();
        let workspace = (!args.all).then_some(here);
        let query = SessionQuery { workspace, text: None, limit: 0 };
        let newest = stored()?.sessions(&query)?.into_iter().find(|hit| hit.resumable && !hit.open);
        Some(newest.ok_or_else(|| {
            Failure::new(FailureKind::Failed, "there is no session that can go on")
                .hint("`benchdog resume --all` looks in every workspace")
        })?)
    } else if query.is_empty() {
        None
    } else {
        match find(stored()?.as_ref(), &query)? {
            Found::One(hit) => Some(*hit),
            Found::None | Found::Many(_) => None,
        }
    };
    let Some(hit) = chosen else {
        return on_screen(desk, &setup, Plan::Pick { query, all: args.all });
    };
    check(&hit, args.fork)?;
    let place = place_of(&hit, setup.place.clone(), desk.common.workspace.is_some())?;
    let setup = match place == setup.place {
        true => setup,
        false => place.settle(&desk.common, desk.say)?,
    };
    on_screen(desk, &setup, Plan::Resume { session: hit.row.id, fork: args.fork })
}

/// Refuses a session that cannot go on, and says why.
fn check(hit: &SessionHit, fork: bool) -> Result<(), Failure> {
    let title = &hit.row.title;
    if hit.open && !fork {
        return Err(Failure::new(FailureKind::Held, format!("`{title}` is open already"))
            .hint("`benchdog attach` shows it, `--fork` branches off from it"));
    }
    if !hit.resumable {
        let failure = Failure::new(FailureKind::Failed, format!("`{title}` cannot go on"))
            .hint("the picker offers a new session fed from what is stored");
        return Err(match &hit.obstacle {
            Some(obstacle) => failure.cause(obstacle),
            None => failure,
        });
    }
    Ok(())
}

/// A session goes on in its own workspace, unless the person named another one.
fn place_of(hit: &SessionHit, here: Place, named: bool) -> Result<Place, Failure> {
    if named {
        return Ok(here);
    }
    let own = workspace::exactly(hit.row.workspace.as_ref()).map_err(|failure| {
        Failure::new(FailureKind::Failed, format!("the workspace of `{}` is gone", hit.row.title))
            .hint(
                "`benchdog resume --all`: Enter on it begins a new session fed from what is stored",
            )
            .cause(failure.message)
    })?;
    Ok(Place { workspace: own, ..here })
}
