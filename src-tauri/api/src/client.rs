//! The loopback client of a running engine. Blocking: callers are a command line and one thread each.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use shim_core::{chats::ChatState, fingerprints::Fingerprint, opportunities::Report};

use crate::{
    charts::Chart,
    chats::{Chat, ChatDetail},
    checkpoints::{Checkpoint, CheckpointRequest, RiskyRequest},
    clinic::{Examined, RepairReport, RepairRequest, UndeleteRequest},
    crashes::Crash,
    doctor::Finding,
    error::{ApiError, ErrorCode},
    events::Event,
    experiments::{Audit, Experiment, ExperimentRequest, Experiments, PutAside},
    fleet::{FleetReceipts, FleetView, Options},
    home::{EngineFile, read_engine_file},
    install::{InstallRequest, Installed, Offer},
    metrics::Exposed,
    prediction::Prediction,
    restore::{Receipt, RestoreRequest},
    search::Hit,
    settings::{SettingsChange, SettingsView},
    signals::ChatSignals,
    status::{PauseRequest, Status},
    stopping::{StopRequest, Stopped},
    timeline::{Point, TimelinePage},
    workspace::{Kept, PutBack, WorkspaceRequest},
};

/// Longest wait for an answer. A restore waits for the client's own start, which settings allow ten minutes.
const ANSWER_WAIT: Duration = Duration::from_secs(15 * 60);
const CONNECT_WAIT: Duration = Duration::from_secs(2);
/// Largest answer read, except for exports, which stream.
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A running engine.
#[derive(Clone, Debug)]
pub struct Engine {
    base: String,
    token: String,
    agent: ureq::Agent,
    pub file: EngineFile,
}

impl Engine {
    /// The engine that runs on this data folder; `EngineDown` when none answers.
    pub fn connect(home: &Path) -> Result<Self, ApiError> {
        let file = read_engine_file(home).ok_or_else(|| down("no engine has written engine.json"))?;
        let engine = Self::at(file);
        engine.status()?;
        Ok(engine)
    }

    pub fn at(file: EngineFile) -> Self {
        Self::waiting(file, ANSWER_WAIT)
    }

    /// Waits so long for each answer.
    pub fn waiting(file: EngineFile, wait: Duration) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_WAIT.min(wait)))
            .timeout_recv_response(Some(wait))
            .proxy(None)
            .build();
        Self {
            base: format!("http://127.0.0.1:{}/api", file.port),
            token: file.token.clone(),
            agent: ureq::Agent::new_with_config(config),
            file,
        }
    }

    pub fn status(&self) -> Result<Status, ApiError> {
        self.get("/status", &[])
    }

    pub fn chats(&self, client: Option<&str>, state: Option<ChatState>) -> Result<Vec<Chat>, ApiError> {
        let mut query = Vec::new();
        query.extend(client.map(|client| ("client", client.to_owned())));
        query.extend(state.map(|state| ("state", state.name().to_owned())));
        self.get("/chats", &query)
    }

    /// A chat and the newest `limit` entries of its timeline.
    pub fn chat(&self, target: &str, limit: u32) -> Result<ChatDetail, ApiError> {
        self.get("/chat", &[("target", target.to_owned()), ("limit", limit.to_string())])
    }

    /// At most `limit` entries of a chat's timeline, the oldest of them the `from`th; without `from`, the newest.
    pub fn timeline(&self, target: &str, from: Option<u64>, limit: u64) -> Result<TimelinePage, ApiError> {
        let mut query = vec![("target", target.to_owned()), ("limit", limit.to_string())];
        query.extend(from.map(|from| ("from", from.to_string())));
        self.get("/timeline", &query)
    }

    /// Crashes by day and kind; days are those of so many minutes east of UTC.
    pub fn crash_chart(&self, days: u32, offset_minutes: i32) -> Result<Chart, ApiError> {
        let query = [("days", days.to_string()), ("offset_minutes", offset_minutes.to_string())];
        self.get("/charts/crashes", &query)
    }

    /// A live chat's memory and context over so many minutes.
    pub fn signals_chart(&self, target: &str, minutes: u64) -> Result<Chart, ApiError> {
        self.get("/charts/signals", &[("target", target.to_owned()), ("minutes", minutes.to_string())])
    }

    pub fn signals(&self, target: &str, minutes: u64) -> Result<ChatSignals, ApiError> {
        self.get("/signals", &[("target", target.to_owned()), ("minutes", minutes.to_string())])
    }

    pub fn metrics(&self) -> Result<Vec<Exposed>, ApiError> {
        self.get("/metrics", &[])
    }

    pub fn crashes(&self) -> Result<Vec<Crash>, ApiError> {
        self.get("/crashes", &[])
    }

    /// Crashes that look alike, grouped; days are named as so many minutes east of UTC.
    pub fn fingerprints(&self, offset_minutes: i32) -> Result<Vec<Fingerprint>, ApiError> {
        self.get("/fingerprints", &[("offset_minutes", offset_minutes.to_string())])
    }

    pub fn checkpoints(&self, target: &str) -> Result<Vec<Checkpoint>, ApiError> {
        self.get("/checkpoints", &[("target", target.to_owned())])
    }

    /// At an earlier `point` of the chat, or where it stands.
    pub fn take_checkpoint(
        &self,
        target: &str,
        note: Option<String>,
        point: Option<Point>,
    ) -> Result<Checkpoint, ApiError> {
        self.post("/checkpoints", &[("target", target.to_owned())], &CheckpointRequest { note, point })
    }

    /// Has a risky call's checkpoint taken; it answers once the working tree is kept.
    pub fn before_risky(&self, request: &RiskyRequest) -> Result<(), ApiError> {
        self.post("/risky", &[], request)
    }

    pub fn restore(&self, request: &RestoreRequest) -> Result<Receipt, ApiError> {
        self.post("/restore", &[], request)
    }

    /// What was kept of the working tree with a checkpoint.
    pub fn workspace(&self, checkpoint: i64) -> Result<Kept, ApiError> {
        self.get("/workspace", &[("checkpoint", checkpoint.to_string())])
    }

    /// Puts a kept working tree somewhere.
    pub fn put_workspace_back(&self, request: &WorkspaceRequest) -> Result<PutBack, ApiError> {
        self.post("/workspace", &[], request)
    }

    /// What ails a chat's transcript.
    pub fn examine(&self, target: &str) -> Result<Examined, ApiError> {
        self.get("/examine", &[("target", target.to_owned())])
    }

    pub fn repair(&self, request: &RepairRequest) -> Result<RepairReport, ApiError> {
        self.post("/repair", &[], request)
    }

    /// Puts back a chat's file that its client deleted.
    pub fn undelete(&self, request: &UndeleteRequest) -> Result<RepairReport, ApiError> {
        self.post("/undelete", &[], request)
    }

    /// Ends a chat, which stays ended.
    pub fn stop_chat(&self, request: &StopRequest) -> Result<Stopped, ApiError> {
        self.post("/chat/stop", &[], request)
    }

    /// What many chats could be brought back, and the restore of many that was begun last.
    pub fn fleet(&self) -> Result<FleetView, ApiError> {
        self.get("/fleet", &[])
    }

    /// Begins to bring back all that is offered; where that is under way, joins it.
    pub fn begin_fleet(&self, options: Options) -> Result<FleetView, ApiError> {
        self.post("/fleet", &[], &options)
    }

    pub fn cancel_fleet(&self) -> Result<FleetView, ApiError> {
        self.post("/fleet/cancel", &[], &())
    }

    pub fn fleet_receipts(&self) -> Result<FleetReceipts, ApiError> {
        self.get("/fleet/receipts", &[])
    }

    /// The transcript's bytes, as a stream.
    /// Byte for byte, unless the settings have secrets replaced in it.
    pub fn export(&self, target: &str, checkpoint: Option<i64>) -> Result<impl Read + 'static, ApiError> {
        self.export_as(target, checkpoint, None)
    }

    /// With secrets replaced or not, whatever the settings say.
    pub fn export_as(
        &self,
        target: &str,
        checkpoint: Option<i64>,
        redact: Option<bool>,
    ) -> Result<impl Read + 'static, ApiError> {
        let mut query = vec![("target", target.to_owned())];
        query.extend(checkpoint.map(|id| ("checkpoint", id.to_string())));
        query.extend(redact.map(|redact| ("redact", redact.to_string())));
        Ok(self.send(self.request_get("/export", &query))?.into_body().into_reader())
    }

    pub fn search(&self, text: &str) -> Result<Vec<Hit>, ApiError> {
        self.get("/search", &[("q", text.to_owned())])
    }

    pub fn experiments(&self) -> Result<Experiments, ApiError> {
        self.get("/experiments", &[])
    }

    /// The user's word about an experiment; gives it as it then stands.
    pub fn about_experiment(&self, request: &ExperimentRequest) -> Result<Experiment, ApiError> {
        self.post("/experiments", &[], request)
    }

    /// Puts aside what is known of experiments and cannot be read, and begins anew.
    pub fn experiments_anew(&self) -> Result<PutAside, ApiError> {
        self.post("/experiments/anew", &[], &())
    }

    /// How the evidence about an experiment's new value `arm` came to stand where it does.
    pub fn experiment_chart(
        &self,
        experiment: u64,
        arm: usize,
        offset_minutes: i32,
    ) -> Result<Chart, ApiError> {
        let query = [
            ("experiment", experiment.to_string()),
            ("arm", arm.to_string()),
            ("offset_minutes", offset_minutes.to_string()),
        ];
        self.get("/experiments/chart", &query)
    }

    /// The newest entries of the audit log, decisions alone or all, before the one of a number; the whole log is
    /// played again where `replay` says so.
    pub fn audit(&self, all: bool, before: Option<u64>, limit: u32, replay: bool) -> Result<Audit, ApiError> {
        let mut query =
            vec![("all", all.to_string()), ("limit", limit.to_string()), ("replay", replay.to_string())];
        query.extend(before.map(|before| ("before", before.to_string())));
        self.get("/experiments/audit", &query)
    }

    pub fn prediction(&self) -> Result<Vec<Prediction>, ApiError> {
        self.get("/prediction", &[])
    }

    /// What goes with crashes, cost and latency; hours of the day are those of so many minutes east of UTC.
    pub fn opportunities(&self, offset_minutes: i32) -> Result<Report, ApiError> {
        self.get("/opportunities", &[("offset_minutes", offset_minutes.to_string())])
    }

    pub fn doctor(&self, verify: bool) -> Result<Vec<Finding>, ApiError> {
        self.get("/doctor", &[("verify", verify.to_string())])
    }

    /// What can be installed here, as it stands.
    pub fn offers(&self) -> Result<Vec<Offer>, ApiError> {
        self.get("/install", &[])
    }

    pub fn install(&self, request: &InstallRequest) -> Result<Vec<Installed>, ApiError> {
        self.post("/install", &[], request)
    }

    pub fn settings(&self) -> Result<SettingsView, ApiError> {
        self.get("/settings", &[])
    }

    pub fn change_settings(&self, change: &SettingsChange) -> Result<SettingsView, ApiError> {
        self.post("/settings", &[], change)
    }

    pub fn pause(&self, seconds: Option<u64>) -> Result<(), ApiError> {
        self.post("/pause", &[], &PauseRequest { seconds })
    }

    pub fn resume(&self) -> Result<(), ApiError> {
        self.post("/resume", &[], &())
    }

    /// Asks the engine to end; it finishes what it acknowledged first.
    pub fn stop(&self) -> Result<(), ApiError> {
        self.post("/stop", &[], &())
    }

    /// Calls `each` for every event until the engine ends or `each` says to stop by returning false.
    pub fn events(&self, mut each: impl FnMut(Event) -> bool) -> Result<(), ApiError> {
        let answer = self.send(self.request_get("/events", &[]))?;
        for line in BufReader::new(answer.into_body().into_reader()).lines() {
            let line = line.map_err(|e| down(&format!("the event stream broke: {e}")))?;
            let Some(data) = line.strip_prefix("data: ") else { continue };
            // An event of a newer engine that this client does not know is not an error.
            if let Ok(event) = serde_json::from_str(data)
                && !each(event)
            {
                return Ok(());
            }
        }
        Ok(())
    }

    fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> Result<T, ApiError> {
        read(self.send(self.request_get(path, query))?)
    }

    fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        let request = self
            .agent
            .post(format!("{}{path}", self.base))
            .query_pairs(query.iter().map(|(k, v)| (*k, v.as_str())))
            .header("authorization", format!("Bearer {}", self.token));
        read(checked(request.send_json(body))?)
    }

    fn request_get(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> ureq::RequestBuilder<ureq::typestate::WithoutBody> {
        self.agent
            .get(format!("{}{path}", self.base))
            .query_pairs(query.iter().map(|(k, v)| (*k, v.as_str())))
            .header("authorization", format!("Bearer {}", self.token))
    }

    fn send(
        &self,
        request: ureq::RequestBuilder<ureq::typestate::WithoutBody>,
    ) -> Result<ureq::http::Response<ureq::Body>, ApiError> {
        checked(request.call())
    }
}

fn checked(
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<ureq::http::Response<ureq::Body>, ApiError> {
    let answer = answer.map_err(|e| down(&e.to_string()))?;
    if answer.status().is_success() { Ok(answer) } else { Err(error_of(answer)) }
}

fn error_of(mut answer: ureq::http::Response<ureq::Body>) -> ApiError {
    let status = answer.status();
    answer.body_mut().read_json().unwrap_or_else(|_| {
        ApiError::new(ErrorCode::Internal, format!("the engine answered {status} without saying why"))
    })
}

fn read<T: DeserializeOwned>(mut answer: ureq::http::Response<ureq::Body>) -> Result<T, ApiError> {
    answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_json().map_err(|e| {
        ApiError::new(
            ErrorCode::Internal,
            format!("the engine's answer could not be read: {e}; is it of another version?"),
        )
    })
}

fn down(why: &str) -> ApiError {
    ApiError::new(ErrorCode::EngineDown, format!("no engine answers ({why}); start it with `shim run`"))
}
