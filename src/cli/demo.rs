//! `demo`: the workbench on a scratch workspace with the built-in demo agents.

use std::path::Path;

use super::Desk;
use super::open::{Plan, on_screen};
use super::setup::Place;
use crate::config::folders::{Folders, private_folder};
use crate::config::workspace;
use crate::model::failure::Failure;

/// Makes a scratch workspace and opens it.
pub(super) fn demo(desk: &mut Desk<'_>, script: Option<&Path>) -> Result<u8, Failure> {
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
    desk.say.note(&format!("the demo works in {}", folder.display()));
    on_screen(desk, &setup, Plan::Bench(Box::new(bench)))
}
