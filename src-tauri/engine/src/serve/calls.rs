//! The calls of the api, each handed on to where it is answered.

use std::{collections::BTreeSet, convert::Infallible};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Query, State},
    middleware,
    response::{IntoResponse, Response, Sse, sse},
    routing::{get, post},
};
use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use shim_api::{
    ApiError,
    charts::{DAYS, DAYS_MAX},
    checkpoints::{CheckpointRequest, RiskyRequest},
    clinic::{RepairRequest, UndeleteRequest},
    crashes::Crash,
    error::ErrorCode,
    events::Event,
    experiments::ExperimentRequest,
    fleet::Options,
    install::InstallRequest,
    metrics::METRICS_PATH,
    restore::RestoreRequest,
    settings::SettingsChange,
    signals::{MINUTES, MINUTES_MAX},
    status::{ClientStatus, EngineStatus, OwnUse, PauseRequest, StateCount, Status},
    stopping::StopRequest,
    workspace::WorkspaceRequest,
};
use shim_core::{
    chats::{ChatId, ChatState, Client},
    redaction::Redacting,
};
use shim_store::{LogPage, StreamId};
use tokio::sync::{broadcast::error::RecvError, mpsc};

use super::{
    Engine,
    guard::{answer, guard, guard_host},
    metrics, pause_until,
};
use crate::{
    charts,
    checkpoints::earlier,
    clients::{self, ClientHome, ports},
    clinic, demo, doctor, experiments, fleet, install, opportunities, prediction, processes, restore, risky,
    run::Handle,
    search, settings, signals, stopping,
    sweep::shown,
    timeline, views, workspace,
};

const TIMELINE_ENTRIES: u64 = 500;
const AUDIT_ENTRIES: u32 = 100;
const AUDIT_ENTRIES_MAX: u32 = 10_000;
const PAUSE_SECONDS_MAX: u64 = 86_400;
/// Pieces of an export that wait for a slow reader.
const EXPORT_PIECES: usize = 4;

pub fn router(context: Engine) -> Router {
    let api = Router::new()
        .route("/status", get(status))
        .route("/chats", get(chats))
        .route("/chat", get(chat))
        .route("/timeline", get(timeline_of_chat))
        .route("/crashes", get(crashes))
        .route("/signals", get(signals_of_chat))
        .route("/charts/crashes", get(crash_chart))
        .route("/charts/signals", get(signals_chart))
        .route("/fingerprints", get(fingerprints))
        .route("/checkpoints", get(checkpoints).post(take_checkpoint))
        .route("/risky", post(before_risky))
        .route("/workspace", get(workspace).post(put_workspace_back))
        .route("/restore", post(restore_chat))
        .route("/examine", get(examine_chat))
        .route("/repair", post(repair_chat))
        .route("/undelete", post(undelete_chat))
        .route("/chat/stop", post(stop_chat))
        .route("/fleet", get(fleet_now).post(begin_fleet))
        .route("/fleet/cancel", post(cancel_fleet))
        .route("/fleet/receipts", get(fleet_receipts))
        .route("/export", get(export))
        .route("/search", get(search_all))
        .route("/experiments", get(all_experiments).post(about_experiment))
        .route("/experiments/anew", post(experiments_anew))
        .route("/experiments/audit", get(audit_log))
        .route("/experiments/chart", get(experiment_chart))
        .route("/prediction", get(prediction_report))
        .route("/metrics", get(metrics::told))
        .route("/opportunities", get(opportunities_found))
        .route("/doctor", get(examine))
        .route("/install", get(offers).post(install))
        .route("/settings", get(all_settings).post(change_settings))
        .route("/pause", post(pause))
        .route("/resume", post(resume))
        .route("/stop", post(stop))
        .route("/events", get(events))
        .layer(middleware::from_fn_with_state(context.clone(), guard));
    let told = get(metrics::exposed).layer(middleware::from_fn_with_state(context.clone(), guard_host));
    Router::new().nest("/api", api).route(METRICS_PATH, told).with_state(context)
}

#[derive(Deserialize)]
struct Target {
    target: String,
    from: Option<u64>,
    limit: Option<u64>,
    checkpoint: Option<i64>,
    redact: Option<bool>,
    minutes: Option<u64>,
}

#[derive(Deserialize)]
struct Reader {
    /// The reader's distance from UTC.
    #[serde(default)]
    offset_minutes: i32,
}

/// No place is further from UTC, in minutes.
const OFFSET_MAX: i32 = 14 * 60;

/// Runs what blocks off the listener's threads.
pub async fn blocking<T: Serialize + Send + 'static>(
    handle: Handle,
    call: impl FnOnce(&Handle) -> Result<T, ApiError> + Send + 'static,
) -> Response {
    match tokio::task::spawn_blocking(move || call(&handle)).await {
        Ok(Ok(value)) => Json(value).into_response(),
        Ok(Err(error)) => answer(error),
        Err(error) => {
            answer(ApiError::new(ErrorCode::Internal, format!("the call failed inside the engine: {error}")))
        }
    }
}

async fn status(State(context): State<Engine>) -> Response {
    let (file, embedded) = (context.file.clone(), context.embedded);
    blocking(context.handle, move |handle| {
        let (chats, homes, open_crashes, warnings, paused_until, watched_bytes) = handle.call(|watch| {
            let homes = watch.homes.clone();
            let paused = watch.paused_until.filter(|_| watch.is_paused());
            let warnings: Vec<_> = watch.warnings.iter().cloned().collect();
            (
                watch.chat_views(),
                homes,
                watch.open_crashes.len() as u64,
                warnings,
                paused,
                watch.watched_bytes,
            )
        })?;
        let count = |state: ChatState| StateCount {
            state,
            count: chats.iter().filter(|chat| chat.state == state).count() as u64,
        };
        let own = processes::own_usage();
        Ok(Status {
            engine: EngineStatus {
                version: file.version,
                pid: file.pid,
                started_at: file.started_at,
                home: shown(&handle.home.path),
                port: file.port,
                paused_until,
                embedded,
                demo: handle.home.demo.is_some(),
            },
            clients: clients(handle, &homes),
            chats: ChatState::ALL.into_iter().map(count).collect(),
            open_crashes,
            own: OwnUse {
                memory_bytes: own.memory_bytes,
                cpu_seconds: own.cpu_seconds,
                written_bytes: own.written_bytes,
                watched_bytes,
                database_bytes: handle.home.store.bytes_on_disk(),
            },
            warnings,
        })
    })
    .await
}

fn clients(handle: &Handle, homes: &BTreeSet<ClientHome>) -> Vec<ClientStatus> {
    if handle.home.demo.is_some() {
        let recorded = |client| ClientStatus {
            client,
            command: Some(demo::program(client)),
            homes: vec![demo::client_home(client)],
        };
        return Client::ALL.map(recorded).to_vec();
    }
    let one = |client: Client| ClientStatus {
        client,
        command: clients::program(&handle.home.settings(), client, None).as_deref().map(shown),
        homes: homes.iter().filter(|home| home.client == client).map(|home| shown(&home.folder)).collect(),
    };
    ports().map(|port| one(port.client())).to_vec()
}

#[derive(Deserialize)]
struct Filter {
    client: Option<String>,
    state: Option<String>,
}

async fn chats(State(context): State<Engine>, Query(filter): Query<Filter>) -> Response {
    blocking(context.handle, move |handle| {
        let unknown = |what: &str, given: &str| {
            ApiError::new(ErrorCode::BadRequest, format!("there is no {what} “{given}”"))
        };
        let client = filter
            .client
            .map(|name| Client::from_name(&name).ok_or_else(|| unknown("client", &name)))
            .transpose()?;
        let state = filter
            .state
            .map(|name| ChatState::from_name(&name).ok_or_else(|| unknown("state", &name)))
            .transpose()?;
        let mut views = handle.call(|watch| watch.chat_views())?;
        views.retain(|chat| client.is_none_or(|c| c == chat.client) && state.is_none_or(|s| s == chat.state));
        Ok(views)
    })
    .await
}

async fn chat(State(context): State<Engine>, Query(query): Query<Target>) -> Response {
    blocking(context.handle, move |handle| {
        let chat = restore::find_chat(handle, &query.target)?;
        timeline::chat_detail(handle, &chat, query.limit.unwrap_or(TIMELINE_ENTRIES))
    })
    .await
}

async fn timeline_of_chat(State(context): State<Engine>, Query(query): Query<Target>) -> Response {
    blocking(context.handle, move |handle| {
        let chat = restore::find_chat(handle, &query.target)?;
        timeline::page(handle, &chat, query.from, query.limit.unwrap_or(TIMELINE_ENTRIES))
    })
    .await
}

async fn crashes(State(context): State<Engine>) -> Response {
    blocking(context.handle, |handle| {
        let rows = handle.home.store.read(|store| {
            let rows = store.crashes()?.into_iter().map(|row| Ok((store.last_receipt(row.id)?, row)));
            rows.collect::<Result<Vec<_>, shim_store::StoreError>>()
        });
        let rows = rows.map_err(views::store_error)?;
        let settings = handle.home.settings();
        handle.call(move |watch| {
            let receipt = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
            let view = |(text, row): (Option<String>, shim_store::CrashRow)| {
                let chat = watch.chats.get(&row.chat);
                views::crash(row, chat, receipt(text), &settings)
            };
            rows.into_iter().map(view).collect::<Vec<Crash>>()
        })
    })
    .await
}

async fn fingerprints(State(context): State<Engine>, Query(query): Query<Reader>) -> Response {
    blocking(context.handle, move |handle| {
        crate::fingerprints::fingerprints(handle, query.offset_minutes.clamp(-OFFSET_MAX, OFFSET_MAX))
    })
    .await
}

async fn checkpoints(State(context): State<Engine>, Query(query): Query<Target>) -> Response {
    blocking(context.handle, move |handle| {
        let chat = restore::find_chat(handle, &query.target)?;
        let rows = handle.home.store.read(|store| store.checkpoints(&chat)).map_err(views::store_error)?;
        let settings = handle.home.settings();
        Ok(rows.into_iter().map(|row| views::checkpoint(row, &settings)).collect::<Vec<_>>())
    })
    .await
}

async fn signals_of_chat(State(context): State<Engine>, Query(query): Query<Target>) -> Response {
    blocking(context.handle, move |handle| {
        let minutes = within("minutes", query.minutes.unwrap_or(MINUTES), MINUTES_MAX)?;
        let chat = restore::find_chat(handle, &query.target)?;
        signals::of_chat(handle, &chat, minutes)
    })
    .await
}

fn within(name: &str, given: u64, max: u64) -> Result<u64, ApiError> {
    if (1..=max).contains(&given) {
        return Ok(given);
    }
    Err(ApiError::new(ErrorCode::BadRequest, format!("`{name}` is a whole number from 1 to {max}")))
}

#[derive(Deserialize)]
struct Span {
    days: Option<u32>,
    #[serde(default)]
    offset_minutes: i32,
}

async fn crash_chart(State(context): State<Engine>, Query(query): Query<Span>) -> Response {
    blocking(context.handle, move |handle| {
        let days = query.days.unwrap_or(DAYS);
        within("days", u64::from(days), u64::from(DAYS_MAX))?;
        charts::crashes(handle, days, query.offset_minutes.clamp(-OFFSET_MAX, OFFSET_MAX))
    })
    .await
}

async fn signals_chart(State(context): State<Engine>, Query(query): Query<Target>) -> Response {
    blocking(context.handle, move |handle| {
        let minutes = within("minutes", query.minutes.unwrap_or(MINUTES), MINUTES_MAX)?;
        let chat = restore::find_chat(handle, &query.target)?;
        charts::signals(handle, &chat, minutes)
    })
    .await
}

async fn take_checkpoint(
    State(context): State<Engine>,
    Query(query): Query<Target>,
    Json(request): Json<CheckpointRequest>,
) -> Response {
    blocking(context.handle, move |handle| {
        let chat = restore::find_chat(handle, &query.target)?;
        match request.point {
            Some(point) => earlier::take(handle, &chat, request.note, point),
            None => handle.call(move |watch| watch.take_checkpoint_for_user(&chat, request.note))?,
        }
    })
    .await
}

async fn before_risky(State(context): State<Engine>, Json(request): Json<RiskyRequest>) -> Response {
    blocking(context.handle, move |handle| risky::before(handle, &request)).await
}

#[derive(Deserialize)]
struct Number {
    checkpoint: i64,
}

async fn workspace(State(context): State<Engine>, Query(query): Query<Number>) -> Response {
    blocking(context.handle, move |handle| workspace::look(handle, query.checkpoint)).await
}

/// Only so many at a time: the others wait.
async fn in_turn<T: Serialize + Send + 'static>(
    context: Engine,
    work: impl FnOnce(&Handle) -> Result<T, ApiError> + Send + 'static,
) -> Response {
    let Ok(permit) = context.restores.acquire_owned().await else {
        return answer(ApiError::new(ErrorCode::EngineDown, "the engine is ending"));
    };
    blocking(context.handle, move |handle| {
        let _permit = permit;
        work(handle)
    })
    .await
}

async fn put_workspace_back(
    State(context): State<Engine>,
    Json(request): Json<WorkspaceRequest>,
) -> Response {
    in_turn(context, move |handle| workspace::put_back(handle, &request)).await
}

async fn restore_chat(State(context): State<Engine>, Json(request): Json<RestoreRequest>) -> Response {
    in_turn(context, move |handle| restore::restore(handle, &request)).await
}

async fn all_settings(State(context): State<Engine>) -> Response {
    blocking(context.handle, settings::view).await
}

async fn change_settings(State(context): State<Engine>, Json(change): Json<SettingsChange>) -> Response {
    blocking(context.handle, move |handle| settings::change(handle, change)).await
}

async fn examine_chat(State(context): State<Engine>, Query(query): Query<Target>) -> Response {
    blocking(context.handle, move |handle| clinic::examine(handle, &query.target)).await
}

async fn repair_chat(State(context): State<Engine>, Json(request): Json<RepairRequest>) -> Response {
    blocking(context.handle, move |handle| clinic::repair(handle, &request)).await
}

async fn undelete_chat(State(context): State<Engine>, Json(request): Json<UndeleteRequest>) -> Response {
    blocking(context.handle, move |handle| clinic::undelete(handle, &request)).await
}

async fn stop_chat(State(context): State<Engine>, Json(request): Json<StopRequest>) -> Response {
    blocking(context.handle, move |handle| stopping::stop(handle, &request)).await
}

async fn fleet_now(State(context): State<Engine>) -> Response {
    blocking(context.handle, fleet::view).await
}

async fn begin_fleet(State(context): State<Engine>, Json(options): Json<Options>) -> Response {
    blocking(context.handle, move |handle| fleet::begin(handle, options)).await
}

async fn cancel_fleet(State(context): State<Engine>) -> Response {
    blocking(context.handle, fleet::cancel).await
}

async fn fleet_receipts(State(context): State<Engine>) -> Response {
    blocking(context.handle, fleet::receipts).await
}

/// Streams a transcript's bytes as they are journaled, or its lines without secrets.
async fn export(State(context): State<Engine>, Query(query): Query<Target>) -> Response {
    let handle = context.handle.clone();
    let redacted = query.redact.unwrap_or_else(|| handle.home.settings().privacy.redact_exports);
    let found = tokio::task::spawn_blocking(move || export_range(&handle, &query)).await;
    let (stream_id, generation, until) = match found {
        Ok(Ok(range)) => range,
        Ok(Err(error)) => return answer(error),
        Err(error) => return answer(ApiError::new(ErrorCode::Internal, error.to_string())),
    };
    let (pieces, taken) = mpsc::channel::<Result<Bytes, std::io::Error>>(EXPORT_PIECES);
    let handle = context.handle;
    // Ends with the request: a reader that goes away closes the channel.
    tokio::task::spawn_blocking(move || {
        let mut redacting = redacted.then(Redacting::default);
        let read = handle.home.store.read(|store| {
            store.read_journal(stream_id, generation, 0, until, |bytes| {
                let piece = match &mut redacting {
                    Some(redacting) => redacting.feed(bytes).into(),
                    None => Bytes::copy_from_slice(bytes),
                };
                pieces.blocking_send(Ok(piece)).is_ok()
            })
        });
        let _ = match read {
            Ok(_) => pieces.blocking_send(Ok(redacting.map(Redacting::rest).unwrap_or_default().into())),
            Err(error) => pieces.blocking_send(Err(std::io::Error::other(error.to_string()))),
        };
    });
    Body::from_stream(stream::unfold(taken, |mut taken| async { Some((taken.recv().await?, taken)) }))
        .into_response()
}

fn export_range(handle: &Handle, query: &Target) -> Result<(StreamId, i64, u64), ApiError> {
    let chat: ChatId = restore::find_chat(handle, &query.target)?;
    let gone = |what: String| ApiError::new(ErrorCode::NotFound, what);
    if let Some(id) = query.checkpoint {
        let row = handle.home.store.read(|store| store.checkpoint(id)).map_err(views::store_error)?;
        let row = row.filter(|row| row.checkpoint.chat == chat);
        let point = row
            .ok_or_else(|| gone(format!("{chat} has no checkpoint {id}; `shim checkpoints` lists them")))?
            .checkpoint;
        return Ok((point.stream, point.generation, point.offset));
    }
    let id = chat.clone();
    handle.call(move |watch| {
        for transcript in watch.transcripts_of(&id) {
            watch.catch_up_wholly(&transcript);
        }
        watch.settle();
    })?;
    let stream = handle.home.store.read(|store| store.main_stream(&chat)).map_err(views::store_error)?;
    let stream =
        stream.ok_or_else(|| gone(format!("nothing of {chat} was kept: it has no transcript yet")))?;
    Ok((stream.id, stream.generation, stream.known.bytes))
}

#[derive(Deserialize)]
struct SearchQuery {
    q: String,
}

async fn search_all(State(context): State<Engine>, Query(query): Query<SearchQuery>) -> Response {
    if query.q.trim().is_empty() {
        return answer(ApiError::new(ErrorCode::BadRequest, "say what to search for"));
    }
    blocking(context.handle, move |handle| search::search(handle, query.q.trim())).await
}

async fn prediction_report(State(context): State<Engine>) -> Response {
    blocking(context.handle, |handle| prediction::report(&handle.home.store)).await
}

async fn all_experiments(State(context): State<Engine>) -> Response {
    blocking(context.handle, experiments::view).await
}

async fn about_experiment(State(context): State<Engine>, Json(request): Json<ExperimentRequest>) -> Response {
    blocking(context.handle, move |handle| experiments::follow(handle, request)).await
}

async fn experiments_anew(State(context): State<Engine>) -> Response {
    blocking(context.handle, experiments::begin_anew).await
}

#[derive(Deserialize)]
struct AuditQuery {
    #[serde(default)]
    all: bool,
    before: Option<u64>,
    limit: Option<u32>,
    #[serde(default)]
    replay: bool,
}

async fn audit_log(State(context): State<Engine>, Query(query): Query<AuditQuery>) -> Response {
    blocking(context.handle, move |handle| {
        let limit = query.limit.unwrap_or(AUDIT_ENTRIES);
        within("limit", u64::from(limit), u64::from(AUDIT_ENTRIES_MAX))?;
        let page = LogPage { before: query.before, only_decided: !query.all, limit };
        experiments::audit(handle, page, query.replay)
    })
    .await
}

#[derive(Deserialize)]
struct Hours {
    #[serde(default)]
    offset_minutes: i32,
}

async fn opportunities_found(State(context): State<Engine>, Query(query): Query<Hours>) -> Response {
    let offset = query.offset_minutes.clamp(-OFFSET_MAX, OFFSET_MAX);
    blocking(context.handle, move |handle| opportunities::report(&handle.home.store, offset)).await
}

#[derive(Deserialize)]
struct CourseQuery {
    experiment: u64,
    /// The first new value.
    #[serde(default = "first_new")]
    arm: usize,
    #[serde(default)]
    offset_minutes: i32,
}

fn first_new() -> usize {
    1
}

async fn experiment_chart(State(context): State<Engine>, Query(query): Query<CourseQuery>) -> Response {
    let CourseQuery { experiment, arm, offset_minutes } = query;
    let offset = offset_minutes.clamp(-OFFSET_MAX, OFFSET_MAX);
    blocking(context.handle, move |handle| charts::evidence(handle, experiment, arm, offset)).await
}

#[derive(Deserialize)]
struct DoctorQuery {
    #[serde(default)]
    verify: bool,
}

async fn examine(State(context): State<Engine>, Query(query): Query<DoctorQuery>) -> Response {
    blocking(context.handle, move |handle| doctor::examine(handle, query.verify)).await
}

async fn offers(State(context): State<Engine>) -> Response {
    blocking(context.handle, |handle| Ok(install::offers(&handle.home.path, &handle.home.program))).await
}

async fn install(State(context): State<Engine>, Json(request): Json<InstallRequest>) -> Response {
    blocking(context.handle, move |handle| install::install(handle, &request)).await
}

async fn pause(State(context): State<Engine>, Json(request): Json<PauseRequest>) -> Response {
    if request.seconds.is_some_and(|seconds| !(1..=PAUSE_SECONDS_MAX).contains(&seconds)) {
        let message = format!("a pause lasts 1 to {PAUSE_SECONDS_MAX} seconds, or until it is resumed");
        return answer(ApiError::new(ErrorCode::BadRequest, message));
    }
    blocking(context.handle, move |handle| {
        handle.call(move |watch| watch.pause(Some(pause_until(request.seconds))))
    })
    .await
}

async fn resume(State(context): State<Engine>) -> Response {
    blocking(context.handle, |handle| handle.call(|watch| watch.pause(None))).await
}

async fn stop(State(context): State<Engine>) -> Response {
    context.stop.cancel();
    Json(()).into_response()
}

async fn events(State(context): State<Engine>) -> Sse<impl Stream<Item = Result<sse::Event, Infallible>>> {
    let listening = context.handle.events.subscribe();
    let told = stream::unfold(listening, |mut listening| async {
        let event = match listening.recv().await {
            Ok(event) => event,
            Err(RecvError::Lagged(_)) => Event::Missed,
            Err(RecvError::Closed) => return None,
        };
        let data = serde_json::to_string(&event).unwrap_or_default();
        Some((Ok(sse::Event::default().data(data)), listening))
    });
    let told = told.take_until(context.stop.cancelled_owned());
    Sse::new(told).keep_alive(sse::KeepAlive::default())
}
