//! `cargo xtask bundle-mcpb`: `shim mcp` as a bundle that Claude Desktop installs with one click. What the bundle says
//! of its tools is what the program itself answers.

use std::{
    env, fs,
    fs::File,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::{process, repository, say};

/// The newest that Claude Desktop's releases read.
const MANIFEST_VERSION: &str = "0.3";
const ICON: &str = "icons/128x128.png";
/// Given to an app that shows prompts without asking the server; the server's own says more.
const RESUME_TEXT: &str =
    "Call check_resume_needed, say what was cut and what is open, and ask me before you go on.";

pub fn run(args: &[&str]) -> Result<ExitCode> {
    let options = Options::read(args)?;
    let program = match options.program {
        Some(program) => program,
        None => build(!options.debug)?,
    };
    let manifest = manifest(&program)?;
    let output = options.output.map_or_else(|| default_output(&manifest), Ok)?;
    write_bundle(&output, &manifest, &program)?;
    say(&format!("{} is written; Claude Desktop installs it on a double click", output.display()));
    Ok(ExitCode::SUCCESS)
}

#[derive(Default)]
struct Options {
    debug: bool,
    program: Option<PathBuf>,
    output: Option<PathBuf>,
}

impl Options {
    fn read(args: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut path = || args.next().map(PathBuf::from).with_context(|| format!("{arg} wants a file"));
            match *arg {
                "--debug" => options.debug = true,
                "--program" => options.program = Some(path()?),
                "-o" => options.output = Some(path()?),
                other => bail!("bundle-mcpb does not know {other}"),
            }
        }
        Ok(options)
    }
}

fn build(release: bool) -> Result<PathBuf> {
    let mut cargo = repository::cargo();
    cargo.args(["build", "-p", "shim-cli"]);
    if release {
        say("building as released; the first time takes minutes");
        cargo.arg("--release");
    }
    process::run(&mut cargo)?;
    repository::built("shim", release)
}

/// Beside the program that cargo built.
fn default_output(manifest: &Value) -> Result<PathBuf> {
    let version = manifest.get("version").and_then(Value::as_str).context("the manifest has no version")?;
    let folder = repository::built("shim", true)?.with_file_name("bundle");
    let name = format!("shim-{version}-{}-{}.mcpb", env::consts::OS, env::consts::ARCH);
    Ok(folder.join(name))
}

/// The platform as bundles name it.
fn platform() -> &'static str {
    match env::consts::OS {
        "macos" => "darwin",
        "windows" => "win32",
        _ => "linux",
    }
}

fn entry_point(program: &Path) -> String {
    format!(
        "server/{}",
        program
            .with_file_name("shim")
            .with_extension(env::consts::EXE_EXTENSION)
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
    )
}

fn manifest(program: &Path) -> Result<Value> {
    let told = Told::by(program)?;
    let entry_point = entry_point(program);
    let brief = |named: &Value| json!({"name": named["name"], "description": named["description"]});
    let prompt = |prompt: &Value| {
        let arguments = list(prompt, "arguments").filter_map(|argument| argument.get("name"));
        json!({
            "name": prompt["name"],
            "description": prompt["description"],
            "arguments": arguments.collect::<Vec<_>>(),
            "text": RESUME_TEXT,
        })
    };
    Ok(json!({
        "manifest_version": MANIFEST_VERSION,
        "name": "shim",
        "display_name": "SHIM",
        "version": told.version,
        "description": "Keeps AI chats alive: tells the model what was cut when a chat died, takes checkpoints, restores.",
        "long_description": "SHIM watches the AI chats on this machine, keeps a copy of each and brings back those that \
                             died. This extension lets the model in a chat ask SHIM about them. It needs SHIM itself to \
                             run: the tray app, or `shim run`.",
        "author": {"name": "SHIM"},
        "license": "MIT",
        "icon": "icon.png",
        "server": {
            "type": "binary",
            "entry_point": entry_point,
            "mcp_config": {
                "command": format!("${{__dirname}}/{entry_point}"),
                "args": ["mcp"],
            },
        },
        "tools": told.tools.iter().map(brief).collect::<Vec<_>>(),
        "prompts": told.prompts.iter().map(prompt).collect::<Vec<_>>(),
        "prompts_generated": true,
        "compatibility": {"platforms": [platform()]},
    }))
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// What the server says of itself.
struct Told {
    version: String,
    tools: Vec<Value>,
    prompts: Vec<Value>,
}

impl Told {
    fn by(program: &Path) -> Result<Self> {
        let mut child = Command::new(program)
            .arg("mcp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let told = Self::ask(&mut child).with_context(|| format!("`{} mcp` said", program.display()));
        drop(child.stdin.take());
        child.wait()?;
        told
    }

    fn ask(child: &mut Child) -> Result<Self> {
        let mut output = BufReader::new(child.stdout.take().context("no output")?);
        let about = json!({"name": "xtask", "version": "1"});
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": about});
        let greeting = ask(child, &mut output, "initialize", &hello)?;
        let tools = ask(child, &mut output, "tools/list", &json!({}))?;
        let prompts = ask(child, &mut output, "prompts/list", &json!({}))?;
        let some = |answer: &Value, key: &str| {
            let list: Vec<_> = list(answer, key).cloned().collect();
            ensure!(!list.is_empty(), "no {key}");
            Ok(list)
        };
        let version =
            greeting.pointer("/serverInfo/version").and_then(Value::as_str).context("no version")?;
        Ok(Self {
            version: version.to_owned(),
            tools: some(&tools, "tools")?,
            prompts: some(&prompts, "prompts")?,
        })
    }
}

fn ask(
    child: &mut Child,
    output: &mut BufReader<ChildStdout>,
    method: &str,
    params: &Value,
) -> Result<Value> {
    let input = child.stdin.as_mut().context("no input")?;
    writeln!(input, "{}", json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))?;
    let mut line = String::new();
    output.read_line(&mut line)?;
    let mut answer: Value = serde_json::from_str(&line).with_context(|| format!("{method}: {line:?}"))?;
    let result = answer.get_mut("result").map(Value::take).filter(Value::is_object);
    result.with_context(|| format!("{method}: {}", line.trim()))
}

/// Whole or not at all.
fn write_bundle(output: &Path, manifest: &Value, program: &Path) -> Result<()> {
    if let Some(folder) = output.parent() {
        fs::create_dir_all(folder)?;
    }
    let icon = repository::root()?.join(ICON);
    let beside = output.with_added_extension("part");
    let written = File::create(&beside).map_err(anyhow::Error::from).and_then(|file| {
        let mut zip = ZipWriter::new(file);
        let kept = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        zip.start_file("manifest.json", kept.unix_permissions(0o644))?;
        zip.write_all(&serde_json::to_vec_pretty(manifest)?)?;
        zip.start_file("icon.png", kept.unix_permissions(0o644))?;
        std::io::copy(&mut File::open(icon)?, &mut zip)?;
        zip.start_file(entry_point(program), kept.unix_permissions(0o755))?;
        std::io::copy(&mut File::open(program)?, &mut zip)?;
        Ok(zip.finish()?.sync_all()?)
    });
    let done = written.and_then(|()| Ok(fs::rename(&beside, output)?));
    if done.is_err() {
        let _ = fs::remove_file(&beside);
    }
    done.with_context(|| format!("{} could not be written", output.display()))
}
