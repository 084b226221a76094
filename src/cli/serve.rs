//! `serve`, `shutdown`: an engine without a screen, and its end.

use serde_json::json;

use super::host::{Host, shut_down_other};
use super::stage::Break;
use super::{DONE, Desk, large_runtime, small_runtime};
use crate::model::failure::{Failure, FailureKind};

/// Runs the engine until somebody ends it.
pub(super) fn serve(desk: &mut Desk<'_>, foreground: bool) -> Result<u8, Failure> {
    let setup = desk.setup()?;
    if !foreground {
        desk.say.note("the engine stays in the foreground: starting it behind is not built yet");
    }
    let Desk { stage, say, parts, common: _ } = desk;
    let parts = *parts;
    large_runtime()?.block_on(async {
        let mut breaks = stage.breaks.listen()?;
        let mut host = Host::start(&setup, parts)?;
        if say.json {
            say.value(&json!({
                "ready": true,
                "pid": std::process::id(),
                "socket": setup.place.socket(),
                "workspace": setup.place.workspace,
            }));
        } else {
            say.line("ready");
        }
        let code = tokio::select! {
            () = host.wait() => DONE,
            wish = breaks.wait() => match wish {
                Break::Person => FailureKind::Interrupted.exit_code(),
                Break::System => DONE,
            },
        };
        host.shut_down(&mut breaks).await.map(|()| code)
    })
}

/// Ends the running engine and waits until it is gone.
pub(super) fn shutdown(desk: &mut Desk<'_>) -> Result<u8, Failure> {
    let place = desk.place()?;
    small_runtime()?.block_on(async {
        let (_, link) = place.attach().await?;
        shut_down_other(link).await
    })?;
    if desk.say.json {
        desk.say.value(&json!({"ok": true}));
    }
    Ok(DONE)
}
