//! What the pages can ask: each command is one line that calls the engine's api.

use shim_api::{
    ApiError, Engine,
    charts::Chart,
    chats::{Chat, ChatDetail},
    checkpoints::Checkpoint,
    crashes::Crash,
    doctor::Finding,
    error::ErrorCode,
    experiments::{Audit, Experiment, ExperimentRequest, Experiments},
    fleet::{FleetView, Options},
    install::{InstallRequest, Installed, Offer},
    prediction::Prediction,
    restore::{Receipt, RestoreRequest},
    search::Hit,
    settings::{SettingsChange, SettingsView},
    signals::ChatSignals,
    status::Status,
    timeline::{Point, TimelinePage},
};
use shim_core::{fingerprints::Fingerprint, opportunities::Report as OpportunityReport};
use tauri::{AppHandle, State, async_runtime::spawn_blocking};

use crate::{engine::Link, export, window::Tray};

type Answer<T> = Result<T, ApiError>;

#[tauri::command]
pub async fn status(link: State<'_, Link>) -> Answer<Status> {
    ask(&link, Engine::status).await
}

#[tauri::command]
pub async fn chats(link: State<'_, Link>) -> Answer<Vec<Chat>> {
    ask(&link, |engine| engine.chats(None, None)).await
}

#[tauri::command]
pub async fn chat(link: State<'_, Link>, target: String, limit: u32) -> Answer<ChatDetail> {
    ask(&link, move |engine| engine.chat(&target, limit)).await
}

#[tauri::command]
pub async fn crashes(link: State<'_, Link>) -> Answer<Vec<Crash>> {
    ask(&link, Engine::crashes).await
}

#[tauri::command]
pub async fn signals(link: State<'_, Link>, target: String, minutes: u64) -> Answer<ChatSignals> {
    ask(&link, move |engine| engine.signals(&target, minutes)).await
}

#[tauri::command]
pub async fn prediction(link: State<'_, Link>) -> Answer<Vec<Prediction>> {
    ask(&link, Engine::prediction).await
}

#[tauri::command]
pub async fn fingerprints(link: State<'_, Link>, offset_minutes: i32) -> Answer<Vec<Fingerprint>> {
    ask(&link, move |engine| engine.fingerprints(offset_minutes)).await
}

#[tauri::command]
pub async fn checkpoints(link: State<'_, Link>, target: String) -> Answer<Vec<Checkpoint>> {
    ask(&link, move |engine| engine.checkpoints(&target)).await
}

#[tauri::command]
pub async fn take_checkpoint(
    link: State<'_, Link>,
    target: String,
    note: Option<String>,
    point: Option<Point>,
) -> Answer<Checkpoint> {
    ask(&link, move |engine| engine.take_checkpoint(&target, note, point)).await
}

#[tauri::command]
pub async fn timeline(
    link: State<'_, Link>,
    target: String,
    from: Option<u64>,
    limit: u64,
) -> Answer<TimelinePage> {
    ask(&link, move |engine| engine.timeline(&target, from, limit)).await
}

#[tauri::command]
pub async fn crash_chart(link: State<'_, Link>, days: u32, offset_minutes: i32) -> Answer<Chart> {
    ask(&link, move |engine| engine.crash_chart(days, offset_minutes)).await
}

#[tauri::command]
pub async fn signals_chart(link: State<'_, Link>, target: String, minutes: u64) -> Answer<Chart> {
    ask(&link, move |engine| engine.signals_chart(&target, minutes)).await
}

#[tauri::command]
pub async fn experiments(link: State<'_, Link>) -> Answer<Experiments> {
    ask(&link, Engine::experiments).await
}

#[tauri::command]
pub async fn opportunities(link: State<'_, Link>, offset_minutes: i32) -> Answer<OpportunityReport> {
    ask(&link, move |engine| engine.opportunities(offset_minutes)).await
}

#[tauri::command]
pub async fn experiment_chart(
    link: State<'_, Link>,
    experiment: u64,
    arm: usize,
    offset_minutes: i32,
) -> Answer<Chart> {
    ask(&link, move |engine| engine.experiment_chart(experiment, arm, offset_minutes)).await
}

#[tauri::command]
pub async fn about_experiment(link: State<'_, Link>, request: ExperimentRequest) -> Answer<Experiment> {
    ask(&link, move |engine| engine.about_experiment(&request)).await
}

#[tauri::command]
pub async fn audit(
    link: State<'_, Link>,
    all: bool,
    before: Option<u64>,
    limit: u32,
    replay: bool,
) -> Answer<Audit> {
    ask(&link, move |engine| engine.audit(all, before, limit, replay)).await
}

#[tauri::command]
pub async fn offers(link: State<'_, Link>) -> Answer<Vec<Offer>> {
    ask(&link, Engine::offers).await
}

#[tauri::command]
pub async fn install(link: State<'_, Link>, request: InstallRequest) -> Answer<Vec<Installed>> {
    ask(&link, move |engine| engine.install(&request)).await
}

/// Where the transcript was saved.
#[tauri::command]
pub async fn export_chat(
    app: AppHandle,
    link: State<'_, Link>,
    target: String,
    checkpoint: Option<i64>,
) -> Answer<String> {
    let folder = export::folder(&app)?;
    ask(&link, move |engine| export::save(engine, &folder, &target, checkpoint)).await
}

#[tauri::command]
pub async fn restore(
    link: State<'_, Link>,
    tray: State<'_, Tray>,
    request: RestoreRequest,
) -> Answer<Receipt> {
    let receipt = ask(&link, move |engine| engine.restore(&request)).await?;
    tray.restored(&receipt);
    Ok(receipt)
}

#[tauri::command]
pub async fn fleet(link: State<'_, Link>) -> Answer<FleetView> {
    ask(&link, Engine::fleet).await
}

#[tauri::command]
pub async fn begin_fleet(link: State<'_, Link>, options: Options) -> Answer<FleetView> {
    ask(&link, move |engine| engine.begin_fleet(options)).await
}

#[tauri::command]
pub async fn cancel_fleet(link: State<'_, Link>) -> Answer<FleetView> {
    ask(&link, Engine::cancel_fleet).await
}

#[tauri::command]
pub async fn doctor(link: State<'_, Link>, verify: bool) -> Answer<Vec<Finding>> {
    ask(&link, move |engine| engine.doctor(verify)).await
}

#[tauri::command]
pub async fn settings(link: State<'_, Link>) -> Answer<SettingsView> {
    ask(&link, Engine::settings).await
}

#[tauri::command]
pub async fn change_settings(link: State<'_, Link>, change: SettingsChange) -> Answer<SettingsView> {
    ask(&link, move |engine| engine.change_settings(&change)).await
}

#[tauri::command]
pub async fn search(link: State<'_, Link>, text: String) -> Answer<Vec<Hit>> {
    ask(&link, move |engine| engine.search(&text)).await
}

#[tauri::command]
pub async fn pause(link: State<'_, Link>, seconds: Option<u64>) -> Answer<()> {
    ask(&link, move |engine| engine.pause(seconds)).await
}

#[tauri::command]
pub async fn resume(link: State<'_, Link>) -> Answer<()> {
    ask(&link, Engine::resume).await
}

/// The client blocks, so each question has a thread of the blocking pool.
async fn ask<T: Send + 'static>(
    link: &Link,
    question: impl FnOnce(&Engine) -> Answer<T> + Send + 'static,
) -> Answer<T> {
    let engine = link.engine()?;
    spawn_blocking(move || question(&engine)).await.unwrap_or_else(|error| {
        Err(ApiError::new(ErrorCode::Internal, format!("the question to the engine broke off: {error}")))
    })
}
