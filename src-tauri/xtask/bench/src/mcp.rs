//! `shim mcp`: what a client waits for when it starts a server, what a model waits for when it calls a tool, and what
//! each of twenty servers takes.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::{Bench, chats, engine::Place, figures::Figure};

/// Chats that a person may have open, each with a server of its own.
const SERVERS: usize = 20;

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let place = Place::new(&bench.shim)?;
    let engine = place.start(&[])?;
    let live = chats::start_all(&place, &engine, SERVERS, "idle")?;
    let starts = (0..bench.count(100, 10)).map(|_| Ok(Server::start(&place)?.1)).collect::<Result<_>>()?;
    let mut servers = (0..SERVERS).map(|_| Ok(Server::start(&place)?.0)).collect::<Result<Vec<Server>>>()?;
    let mut calls = Vec::new();
    for _ in 0..bench.count(50, 5) {
        for server in &mut servers {
            let begun = Instant::now();
            let asked = json!({"name": "check_resume_needed", "arguments": {}});
            let answer = server.ask("tools/call", &asked)?;
            ensure!(answer.get("structuredContent").is_some(), "check_resume_needed said {answer}");
            calls.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
    }
    let memory = |key| servers.iter().map(|server| server.memory_mb(key)).collect::<Result<Vec<_>>>();
    let (resident, own) = (memory("VmRSS:")?, memory("RssAnon:")?);
    drop(live);
    Ok(vec![
        Figure::samples("shim mcp, start to tools", "ms", starts),
        Figure::samples("shim mcp, a tool's answer", "ms", calls).note(format!("{SERVERS} live chats")),
        Figure::samples("shim mcp, memory", "MB", resident).note("resident, most of it shared"),
        Figure::samples("shim mcp, memory of its own", "MB", own).note("not shared with the others"),
    ])
}

struct Server {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Server {
    /// A server that has listed its tools, and how long that took in milliseconds.
    fn start(place: &Place) -> Result<(Self, f64)> {
        let begun = Instant::now();
        let mut command = place.command(&[], &["mcp"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) = child.stdin.take().zip(child.stdout.take()).context("no pipes")?;
        let mut server = Self { child, input, output: BufReader::new(output) };
        let about = json!({"name": "claude-desktop", "version": "1"});
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": about});
        server.ask("initialize", &hello)?;
        server.tell(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
        let listed = server.ask("tools/list", &json!({}))?;
        let took = begun.elapsed().as_secs_f64() * 1000.0;
        ensure!(listed.get("tools").is_some(), "tools/list said {listed}");
        Ok((server, took))
    }

    fn ask(&mut self, method: &str, params: &Value) -> Result<Value> {
        self.tell(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let answer: Value = serde_json::from_str(&line).with_context(|| format!("{method}: {line:?}"))?;
        answer.get("result").cloned().with_context(|| format!("{method}: {answer}"))
    }

    fn tell(&mut self, message: &Value) -> Result<()> {
        writeln!(self.input, "{message}")?;
        Ok(self.input.flush()?)
    }

    fn memory_mb(&self, key: &str) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        Ok(kib.context("no such key")? * 1024.0 / 1e6)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
