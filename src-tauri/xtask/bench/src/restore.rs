//! The real client, killed in the middle of an answer: how soon that is noticed, and what SHIM itself
//! takes to bring the chat back, without the client's own start.

use anyhow::Result;

use crate::{Bench, figures::Figure};

#[cfg(not(target_os = "linux"))]
pub fn measure(_: &Bench) -> Result<Vec<Figure>> {
    anyhow::bail!("the real client is run on Linux only")
}

#[cfg(target_os = "linux")]
pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    real::measure(bench)
}

#[cfg(target_os = "linux")]
mod real {
    use std::{
        collections::BTreeMap,
        time::{Duration, Instant},
    };

    use anyhow::{Context as _, Result, ensure};
    use shim_api::restore::{Receipt, RestoreRequest, Then};
    use shim_core::chats::{ChatId, Client};
    use shim_standin::{
        Standin,
        client::{Headless, Home, Signal, Start, send},
    };

    use crate::{
        Bench,
        engine::{Engine, Place},
        figures::{Bound, Figure},
        noticing::{self, Told},
    };

    const PROMPT: &str = "Count for me.\n@@slow 2000 0.05";
    const WORDS_WAIT: Duration = Duration::from_secs(60);

    pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
        let model = Standin::start(0)?;
        let place = Place::new(&bench.shim)?;
        let home = Home::new(&place.home(), &model.url())?;
        let place = place.with_environment(home.environment());
        let engine = place.start(&[])?;
        let told = Told::listen(&engine);
        let (mut noticed, mut own, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..bench.count(12, 2) {
            let (chat, after) = die(&home, &told, number)?;
            noticed.extend(after);
            let receipt = restore(&engine, &chat)?;
            own.push((receipt.seconds - receipt.client_seconds) * 1000.0);
            whole.push(receipt.seconds);
            // The next one is measured with one client at work, as this one was.
            if let Some(pid) = receipt.pid {
                send(pid, Signal::KILL);
            }
        }
        Ok(vec![
            Figure::samples("noticing, real client", "ms", noticed)
                .within(noticing::BUDGET, noticing::AIM)
                .note(noticing::HOW),
            Figure::samples("restore, SHIM's own share", "ms", own)
                .within(Bound::AtMost(1000.0), Bound::AtMost(300.0))
                .note("from the request to the receipt, less the wait for the real client's start; headless"),
            Figure::samples("restore, with the client", "s", whole),
        ])
    }

    /// A chat that is killed in mid-answer; with the milliseconds until that was told.
    fn die(home: &Home, told: &Told, number: usize) -> Result<(ChatId, Vec<f64>)> {
        let start = Start::new(home.project(&format!("p{number}"))?, PROMPT);
        let mut client = Headless::start(home, &start)?;
        client.wait_for_words(WORDS_WAIT, 5)?;
        let chat = ChatId::new(Client::ClaudeCode, &client.session_id);
        let before = Instant::now();
        client.kill()?;
        let after = told.after(&BTreeMap::from([(chat.clone(), before)]))?;
        Ok((chat, after))
    }

    fn restore(engine: &Engine, chat: &ChatId) -> Result<Receipt> {
        let request = RestoreRequest {
            target: chat.to_string(),
            checkpoint: None,
            headless: true,
            then: Then::Idle,
            dry_run: false,
        };
        let receipt = engine.api.restore(&request).context("the restore failed")?;
        let last = receipt.steps.last().map(|step| step.detail.clone());
        ensure!(receipt.ok, "the restore did not succeed: {:?}, {last:?}", receipt.refused);
        Ok(receipt)
    }
}
