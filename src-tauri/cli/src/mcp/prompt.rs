//! The prompt `resume`: what the user picks to let a chat that was cut go on.

use std::fmt::Write;

use rmcp::model::{GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role};

use super::{
    answers::ResumeCheck,
    arguments::{self, OneChat},
    calls::{self, Desk},
    words,
};

pub const NAME: &str = "resume";

pub fn listed() -> Prompt {
    let chat = PromptArgument::new("chat")
        .with_description("Only for another chat than this one: its id, or the start of it.")
        .with_required(false);
    Prompt::new(
        NAME,
        Some("Go on with what was cut when this chat died: what was in flight, what is open, what to look at first."),
        Some(vec![chat]),
    )
    .with_title("Resume after a crash")
}

pub fn resume(desk: &Desk, given: JsonObject) -> anyhow::Result<GetPromptResult> {
    let asked: OneChat = arguments::read("the prompt `resume`", given)?;
    let check = calls::check_resume(desk, &asked)?;
    let other = check.recognised_by.as_deref() == Some("argument");
    let messages = vec![PromptMessage::new_text(Role::User, text(&check, other))];
    Ok(GetPromptResult::new(messages).with_description("What SHIM knows of the interruption"))
}

fn text(check: &ResumeCheck, other: bool) -> String {
    let whose = if other { "A chat" } else { "This chat" };
    let mut text = if check.resume_needed {
        format!("{whose} was cut. Go on with it as follows.\n\nWhat SHIM knows:\n")
    } else {
        format!("I want to go on with my work. {whose} shows no turn that was cut.\n\nWhat SHIM knows:\n")
    };
    let _ = writeln!(text, "{}\n", words::resume_check(check));
    text.push_str(if check.resume_needed { CUT } else { WHOLE });
    text
}

const CUT: &str = "\
1. Look whether each tool call that was in flight took effect: the files, the repository, the running processes. Do not \
repeat one before you know.
2. Say in a few lines what was done, what was cut, and what is open.
3. Go on with what is open. Ask first where a step could do something twice that cannot be undone.";

const WHOLE: &str = "\
Say in a few lines where we stand and what is open, and ask me what comes next. If another chat died here, ask whether I \
want it back before you restore it.";
