//! `demo`: the workbench on a scratch workspace with the built-in demo agents.
//!
//! The workspace goes with the screen, unless somebody wants to keep it or something went wrong.

use std::fs;
use std::path::Path;

use super::Desk;
use super::open::{Plan, on_screen};
use super::setup::Place;
use crate::config::folders::{Folders, private_folder};
use crate::config::workspace;
use crate::model::failure::Failure;

/// What becomes of the scratch workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
}

/// Makes a scratch workspace and opens it.
pub(super) fn demo(
    desk: &mut Desk<'_>,
    script: Option<&Path>,
    after: After,
) -> Result<u8, Failure> {
    desk.needs_screen()?;
    let folders = Folders::find(&desk.stage.environment)?;
    let name = format!("{}-{}", (desk.stage.clock)().0, std::process::id());
    let folder = folders.cache.join("demo").join(name);
    private_folder(&folder)?;
    let script = script.map(|script| desk.stage.folder.join(script));
    let bench = desk.parts.prepare_demo(script.as_deref(), &folder)?;
    let place = Place {
        folders,
        workspace: workspace::exactly(&folder)?,
        environment: desk.stage.environment.clone(),
    };
    let setup = place.settle(&desk.common, desk.say)?;
    let shown = folder.display();
    desk.say.note(&match after {
        After::Keep => format!("the demo works in {shown} and leaves it there"),
        After::Remove => {
            format!("the demo works in {shown}, which goes at its end; --keep keeps it")
        }
    });
    let code = on_screen(desk, &setup, Plan::Bench(Box::new(bench)))?;
    if after == After::Remove
        && let Err(error) = fs::remove_dir_all(&folder)
    {
        desk.say.note(&format!("{} stays: {error}", folder.display()));
    }
    Ok(code)
}
