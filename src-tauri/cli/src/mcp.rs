//! `shim mcp`: SHIM's tools for the model in a chat, over MCP on standard input and output. A thin client of the
//! running engine: it holds nothing, never takes the data folder's lock, and as many run as there are chats.

mod answers;
mod arguments;
mod caller;
mod calls;
mod input;
mod prompt;
mod tools;
mod words;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, GetPromptRequestParams,
        GetPromptResponse, Implementation, JsonObject, ListPromptsResult, ListToolsResult,
        PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::{RequestContext, ServerInitializeError},
    transport::io::stdio_pipes,
};

use self::{answers::Answer, caller::Clues, input::Bounded};

/// Calls that wait for the engine at once; further ones queue. One thread more reads the input where the system
/// has no other way.
const CALLS_MAX: usize = 8;
/// Longest wait for an engine that does not answer. A restore waits as long as the client does.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// Serves until the client closes the input.
pub fn run(home: &Path) -> anyhow::Result<ExitCode> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.max_blocking_threads(CALLS_MAX + 1).enable_all().build();
    let runtime = runtime.context("no threads are to be had")?;
    let server = Server { home: home.to_owned(), clues: Arc::new(Clues::of_this_process()) };
    runtime.block_on(async {
        let (read, write) = stdio_pipes();
        let serving = match server.serve((Bounded::new(read), write)).await {
            Ok(serving) => serving,
            // It only looked whether the program starts.
            Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
            Err(error) => {
                return Err(error).context("the client and SHIM could not agree on how to speak MCP");
            }
        };
        serving.waiting().await.map(drop).context("serving MCP broke off")
    })?;
    // A call that still waits for the engine has nobody left to answer.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

struct Server {
    home: PathBuf,
    clues: Arc<Clues>,
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_prompts().build();
        let about = Implementation::new("shim", env!("CARGO_PKG_VERSION")).with_title("SHIM");
        ServerConfig::new(capabilities).with_server_info(about).with_instructions(tools::INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::all()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::all().into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = tools::Name::read(&request.name) else {
            let known: Vec<_> = tools::Name::ALL.iter().map(|name| name.as_str()).collect();
            let message = format!("SHIM has no tool “{}”; it has {}", request.name, known.join(", "));
            return Err(ErrorData::invalid_params(message, None));
        };
        let arguments = request.arguments.unwrap_or_default();
        let wait = if tool == tools::Name::Restore { Duration::MAX } else { ANSWER_WAIT };
        let answer = self.off_thread(&context, wait, move |desk| calls::answer(&desk, tool, arguments)).await;
        Ok(CallToolResponse::from(tool_result(answer)))
    }

    async fn list_prompts(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(vec![prompt::listed()]))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if request.name != prompt::NAME {
            let message = format!("SHIM has no prompt “{}”; it has {}", request.name, prompt::NAME);
            return Err(ErrorData::invalid_params(message, None));
        }
        let arguments: JsonObject = request.arguments.unwrap_or_default();
        let said = self.off_thread(&context, ANSWER_WAIT, move |desk| prompt::resume(&desk, arguments)).await;
        said.map(GetPromptResponse::from).map_err(|error| ErrorData::invalid_params(words::why(&error), None))
    }
}

impl Server {
    /// Runs a call that waits for the engine beside the one thread that speaks to the client.
    async fn off_thread<T: Send + 'static>(
        &self,
        context: &RequestContext<RoleServer>,
        wait: Duration,
        call: impl FnOnce(calls::Desk) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let desk = calls::Desk {
            home: self.home.clone(),
            clues: Arc::clone(&self.clues),
            asker: caller::Asker::of(context),
        };
        let done = tokio::task::spawn_blocking(move || call(desk));
        match tokio::time::timeout(wait, done).await {
            Ok(done) => done.context("the call failed inside SHIM")?,
            Err(_) => bail!(words::no_answer(wait)),
        }
    }
}

/// What went wrong is told as the tool's own result: a model reads it, while protocol errors stay hidden from it.
fn tool_result(answer: anyhow::Result<Answer>) -> CallToolResult {
    match answer {
        Ok(answer) => {
            let content = vec![ContentBlock::text(answer.text)];
            let mut result =
                if answer.failed { CallToolResult::error(content) } else { CallToolResult::success(content) };
            result.structured_content = Some(answer.value);
            result
        }
        Err(error) => CallToolResult::error(vec![ContentBlock::text(words::why(&error))]),
    }
}
