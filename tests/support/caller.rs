//! Somebody who uses the bench's tools again and again, over one connection.

use std::path::{Path, PathBuf};

use benchdog::control::client::{Client, connect};
use benchdog::engine::command::Command;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::bench_process::Bench;

/// A connection, and in whose name it is used.
pub(crate) struct Caller {
    runtime: Runtime,
    client: Client,
    name: String,
}

/// Where the engine of a bench listens.
pub(crate) fn socket(bench: &Bench) -> PathBuf {
    bench.json(&["config", "path", "--json"])["socket"].as_str().unwrap().into()
}

impl Caller {
    /// Connects to the engine at `socket`.
    pub(crate) fn connect(socket: &Path, name: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (_, link) = runtime.block_on(connect(socket)).unwrap();
        Self { runtime, client: Client::new(link), name: name.to_owned() }
    }

    /// Uses a tool; what it answers.
    pub(crate) fn tool(&mut self, tool: &str, input: Value) -> Value {
        let command = Command::CallTool { name: self.name.clone(), tool: tool.to_owned(), input };
        self.runtime.block_on(self.client.tool(command)).unwrap()
    }

    /// Looks at a file; what it holds, if that is to be had now.
    pub(crate) fn read(&mut self, path: &str) -> Option<String> {
        let seen = self.tool("read_file", serde_json::json!({ "path": path }));
        seen["data"]["content"].as_str().map(str::to_owned)
    }
}
