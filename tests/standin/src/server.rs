//! The listener on loopback: answers as the script says and keeps what it was asked. Its own thread, which ends
//! with it; whatever streams then is cut.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Request as HttpRequest, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{
    gemini,
    limits::{self, Wire},
    requests::{Answer, Request, kept_headers},
    rules::{Rules, broken},
    script::{Directive, Part, part},
    stream::{Frame, Piece, pieces, tokens, whole},
};

/// Largest body read: a client's whole context, many times over.
const BODY_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Requests kept; older ones are forgotten.
const REQUESTS_MAX: usize = 5_000;
/// Points of scripts whose tries are counted; all are forgotten together beyond that.
const TRIES_MAX: usize = 10_000;

/// A running stand-in. Dropped, it stops.
pub struct Standin {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    kept: Mutex<Kept>,
    changed: Condvar,
}

#[derive(Default)]
struct Kept {
    requests: Vec<Request>,
    count: u64,
    rules: Rules,
    /// How often each point of a script that fails was tried.
    tries: HashMap<String, u32>,
}

impl Standin {
    /// Listens on 127.0.0.1; port 0 takes a free one.
    pub fn start(port: u16) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)))
            .with_context(|| format!("the stand-in cannot listen on 127.0.0.1:{port}"))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let router =
            Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(Arc::clone(&shared));
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("standin".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = axum::serve(listener, router) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// From here on requests to the Messages API are held against these rules.
    pub fn hold_to(&self, rules: Rules) {
        self.shared.lock().rules = rules;
    }

    /// What a client takes as its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Everything asked so far, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// The requests of one chat, oldest first.
    pub fn requests_of(&self, session_id: &str) -> Vec<Request> {
        let kept = self.shared.lock();
        kept.requests.iter().filter(|request| request.session_id() == Some(session_id)).cloned().collect()
    }

    /// Waits until a request is such as asked for, and gives it.
    pub fn wait_for(&self, timeout: Duration, such: impl Fn(&Request) -> bool) -> Result<Request> {
        let deadline = Instant::now() + timeout;
        let mut kept = self.shared.lock();
        loop {
            if let Some(request) = kept.requests.iter().find(|request| such(request)) {
                return Ok(request.clone());
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                let seen: Vec<_> =
                    kept.requests.iter().map(|r| (&r.path, r.session_id(), r.answer)).collect();
                bail!("no such request came within {timeout:?}; these came: {seen:?}");
            };
            kept = self.shared.changed.wait_timeout(kept, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until the newest answer to this chat has sent so many words.
    pub fn wait_for_words(&self, timeout: Duration, session_id: &str, words: u64) -> Result<Request> {
        self.wait_for(timeout, |request| {
            request.session_id() == Some(session_id)
                && matches!(request.answer, Answer::Sending { words: sent } if sent >= words)
        })
    }

    /// Returns when the listener has ended, which it does not by itself.
    pub fn join(mut self) -> Result<()> {
        match self.thread.take() {
            Some(thread) => thread.join().map_err(|_| anyhow!("the stand-in's thread failed")),
            None => Ok(()),
        }
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a request and gives its number.
    fn keep(&self, http: &axum::http::request::Parts, body: Value) -> u64 {
        let mut kept = self.lock();
        kept.count += 1;
        let number = kept.count;
        if kept.requests.len() >= REQUESTS_MAX {
            kept.requests.remove(0);
        }
        kept.requests.push(Request {
            number,
            method: http.method.to_string(),
            path: http.uri.path().to_owned(),
            headers: kept_headers(&http.headers),
            body,
            answer: Answer::Sending { words: 0 },
        });
        drop(kept);
        self.changed.notify_all();
        number
    }

    fn update(&self, number: u64, change: impl FnOnce(Answer) -> Answer) {
        let mut kept = self.lock();
        if let Some(request) = kept.requests.iter_mut().rev().find(|request| request.number == number) {
            request.answer = change(request.answer);
        }
        drop(kept);
        self.changed.notify_all();
    }

    /// Whether a directive that fails `times` tries is still due at this point; counts the try.
    fn is_due(&self, point: String, times: Option<u32>) -> bool {
        let Some(times) = times else { return true };
        let mut kept = self.lock();
        if kept.tries.len() >= TRIES_MAX {
            kept.tries.clear();
        }
        let tries = kept.tries.entry(point).or_default();
        *tries += 1;
        *tries <= times
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: HttpRequest) -> Response {
    let (http, body) = request.into_parts();
    let bytes = match axum::body::to_bytes(body, BODY_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(e) => return failure(413, &format!("the body could not be read: {e}")),
    };
    let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let number = shared.keep(&http, body.clone());
    let answer = match (http.method.as_str(), http.uri.path()) {
        ("POST", "/v1/messages") => return messages(&shared, number, &body, bytes.len() as u64).await,
        ("POST", "/v1/responses") => return responses(&shared, number, &body, bytes.len() as u64),
        ("POST", "/v1/chat/completions") => {
            let chat = http.headers.get("x-session-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
            return chat_completions(&shared, number, chat, &body, bytes.len() as u64);
        }
        ("POST", "/v1/messages/count_tokens") => {
            Json(json!({"input_tokens": tokens(bytes.len() as u64)})).into_response()
        }
        ("GET" | "HEAD", "/") => Json(json!({"stand-in": "Anthropic Messages API"})).into_response(),
        ("POST", path) if gemini::asked(path).is_some() => {
            return gemini(&shared, number, path, &body, bytes.len() as u64);
        }
        (method, path) => failure(404, &format!("the stand-in does not answer {method} {path}")),
    };
    let status = answer.status();
    shared.update(number, |_| {
        if status.is_success() {
            Answer::Sent { words: 0 }
        } else {
            Answer::Refused { status: status.as_u16() }
        }
    });
    answer
}

async fn messages(shared: &Arc<Shared>, number: u64, body: &Value, request_bytes: u64) -> Response {
    let Some(messages) = body["messages"].as_array() else {
        shared.update(number, |_| Answer::Refused { status: 400 });
        return failure(400, "messages: Field required");
    };
    let rules = shared.lock().rules;
    if let Some(why) = broken(rules, messages) {
        shared.update(number, |_| Answer::Refused { status: 400 });
        return failure(400, &why);
    }
    let directives = match due(shared, &body["metadata"], part(messages)) {
        Ok(directives) => directives,
        Err(refusal) => return refuse(shared, number, Wire::Anthropic, refusal),
    };
    let frame = frame(body, request_bytes);
    let progress = Progress { shared: Arc::clone(shared), number };
    if body["stream"] == true {
        return streamed(progress, pieces(&frame, &directives));
    }
    let (message, pause) = whole(&frame, &directives);
    tokio::time::sleep(pause).await;
    progress.done();
    Json(message).into_response()
}

/// The Gemini API, which Gemini CLI speaks. It names no chat: a script is told by its prompt.
fn gemini(shared: &Arc<Shared>, number: u64, path: &str, body: &Value, request_bytes: u64) -> Response {
    let progress = Progress { shared: Arc::clone(shared), number };
    let (Some((model, ask)), Some(part)) = (gemini::asked(path), gemini::part(body)) else {
        shared.update(number, |_| Answer::Refused { status: 400 });
        return (StatusCode::BAD_REQUEST, Json(gemini::failure(400, "contents is required"))).into_response();
    };
    let frame = Frame { model: model.to_owned(), ..frame(body, request_bytes) };
    let whole = match ask {
        gemini::Ask::CountTokens => json!({"totalTokens": tokens(request_bytes)}),
        gemini::Ask::Whole => gemini::whole(&frame, body),
        gemini::Ask::Stream => match due(shared, &Value::Null, part) {
            Ok(directives) => return streamed(progress, gemini::pieces(&frame, &directives)),
            Err(Refusal::Limit(ends)) => {
                return refuse(shared, number, Wire::Gemini, Refusal::Limit(ends));
            }
            Err(Refusal::Status(status)) => {
                shared.update(number, |_| Answer::Refused { status });
                let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                return (code, Json(gemini::failure(status, "the script says so"))).into_response();
            }
        },
    };
    progress.done();
    Json(whole).into_response()
}

/// The Responses API, which Codex speaks.
fn responses(shared: &Arc<Shared>, number: u64, body: &Value, request_bytes: u64) -> Response {
    let Some(part) = crate::responses::part(body) else {
        return refuse(shared, number, Wire::Responses, Refusal::Status(400));
    };
    match due(shared, &body["prompt_cache_key"], part) {
        Ok(directives) => {
            let pieces = crate::responses::pieces(&frame(body, request_bytes), body, &directives);
            streamed(Progress { shared: Arc::clone(shared), number }, pieces)
        }
        Err(refusal) => refuse(shared, number, Wire::Responses, refusal),
    }
}

/// Chat completions, which opencode speaks.
fn chat_completions(
    shared: &Arc<Shared>,
    number: u64,
    chat: &str,
    body: &Value,
    request_bytes: u64,
) -> Response {
    let Some(part) = crate::chat_completions::part(body) else {
        return refuse(shared, number, Wire::ChatCompletions, Refusal::Status(400));
    };
    match due(shared, &Value::from(chat), part) {
        Ok(directives) => {
            let pieces = crate::chat_completions::pieces(&frame(body, request_bytes), &directives);
            streamed(Progress { shared: Arc::clone(shared), number }, pieces)
        }
        Err(refusal) => refuse(shared, number, Wire::ChatCompletions, refusal),
    }
}

/// Why a request is not answered.
enum Refusal {
    Status(u16),
    Limit(Option<Duration>),
}

/// What is to be played in this try of a part of `chat`'s script; the refusal where the script has it fail.
fn due(shared: &Shared, chat: &Value, part: Part) -> Result<Vec<Directive>, Refusal> {
    let mut directives = Vec::new();
    for (place, directive) in part.directives.into_iter().enumerate() {
        let point = || format!("{chat}\n{}\n{}\n{place}", part.prompt, part.results);
        match directive {
            Directive::Error { status, times } if shared.is_due(point(), times) => {
                return Err(Refusal::Status(status));
            }
            Directive::Limit(ends) => return Err(Refusal::Limit(ends)),
            Directive::Cut { times } if !shared.is_due(point(), times) => {}
            Directive::Slow { words, times, .. } if !shared.is_due(point(), times) => {
                directives.push(Directive::Slow { words, every: Duration::ZERO, times });
            }
            directive => directives.push(directive),
        }
    }
    Ok(directives)
}

/// What the real API says of a chat that it does not take, where no record of it is the cause.
const MALFORMED: &str = "messages: roles must alternate between \"user\" and \"assistant\"";

fn refuse(shared: &Shared, number: u64, wire: Wire, refusal: Refusal) -> Response {
    let (status, response) = match refusal {
        Refusal::Status(400) => (400, failure(400, MALFORMED)),
        Refusal::Status(status) => (status, failure(status, "the script says so")),
        Refusal::Limit(ends) => (429, limits::reached(wire, ends)),
    };
    shared.update(number, |_| Answer::Refused { status });
    response
}

fn frame(body: &Value, request_bytes: u64) -> Frame {
    Frame {
        id: uuid::Uuid::new_v4().simple().to_string(),
        model: body["model"].as_str().unwrap_or("stand-in").to_owned(),
        request_bytes,
    }
}

fn streamed(progress: Progress, pieces: Vec<Piece>) -> Response {
    let chunks = stream::unfold((pieces.into_iter(), progress), |(mut pieces, progress)| async move {
        loop {
            match pieces.next() {
                Some(Piece::Event(event)) => return Some((Ok(sse(&event)), (pieces, progress))),
                Some(Piece::Word(event)) => {
                    progress.word();
                    return Some((Ok(sse(&event)), (pieces, progress)));
                }
                Some(Piece::Wait(pause)) => tokio::time::sleep(pause).await,
                Some(Piece::Cut) => {
                    return Some((Err(std::io::Error::other("the script cuts here")), (pieces, progress)));
                }
                None => {
                    progress.done();
                    return None;
                }
            }
        }
    });
    (
        [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")],
        Body::from_stream(chunks),
    )
        .into_response()
}

fn sse(event: &Value) -> Bytes {
    // Chat completions and Gemini name no event; the former end with a word that is no JSON.
    let name = event["type"].as_str().map(|name| format!("event: {name}\n")).unwrap_or_default();
    let data = event.as_str().map_or_else(|| event.to_string(), str::to_owned);
    Bytes::from(format!("{name}data: {data}\n\n"))
}

/// Notes how far an answer got; dropped before `done`, the answer was broken off.
struct Progress {
    shared: Arc<Shared>,
    number: u64,
}

impl Progress {
    fn word(&self) {
        self.shared.update(self.number, |answer| match answer {
            Answer::Sending { words } => Answer::Sending { words: words + 1 },
            other => other,
        });
    }

    fn done(&self) {
        self.shared.update(self.number, |answer| match answer {
            Answer::Sending { words } => Answer::Sent { words },
            other => other,
        });
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.shared.update(self.number, |answer| match answer {
            Answer::Sending { words } => Answer::Broken { words },
            other => other,
        });
    }
}

/// An error in the real API's shape.
fn failure(status: u16, message: &str) -> Response {
    let kind = match status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(json!({"type": "error", "error": {"type": kind, "message": message}}))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(standin: &Standin, path: &str, body: Value) -> (u16, Value) {
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build();
        let mut answer = ureq::Agent::new_with_config(config)
            .post(format!("{}{path}", standin.url()))
            .header("x-api-key", "secret")
            .header("X-Claude-Code-Session-Id", "s1")
            .send_json(body)
            .unwrap();
        (answer.status().as_u16(), answer.body_mut().read_json().unwrap())
    }

    fn asking(text: &str) -> Value {
        json!({"model": "m1", "messages": [{"role": "user", "content": text}]})
    }

    #[test]
    fn answers_without_a_stream_and_keeps_what_it_was_asked() {
        let standin = Standin::start(0).unwrap();
        let (status, message) = post(&standin, "/v1/messages?beta=true", asking("@@text well then"));
        assert_eq!(
            (status, &message["content"], &message["model"]),
            (200, &json!([{"type": "text", "text": "well then"}]), &json!("m1"))
        );
        assert_eq!(post(&standin, "/v1/messages", asking("@@error 429")).0, 429);
        assert_eq!(post(&standin, "/v1/messages", json!({})).1["error"]["type"], "invalid_request_error");
        assert!(
            post(&standin, "/v1/messages/count_tokens", asking("hi")).1["input_tokens"].as_u64() > Some(0)
        );
        assert_eq!(post(&standin, "/v1/models", json!({})).1["error"]["type"], "not_found_error");
        let kept: Vec<_> = standin.requests_of("s1").into_iter().map(|r| (r.path, r.answer)).collect();
        let kept: Vec<_> = kept.iter().map(|(path, answer)| (path.as_str(), *answer)).collect();
        assert_eq!(
            kept,
            [
                ("/v1/messages", Answer::Sent { words: 0 }),
                ("/v1/messages", Answer::Refused { status: 429 }),
                ("/v1/messages", Answer::Refused { status: 400 }),
                ("/v1/messages/count_tokens", Answer::Sent { words: 0 }),
                ("/v1/models", Answer::Refused { status: 404 }),
            ]
        );
        assert!(!format!("{:?}", standin.requests()).contains("secret"));
    }

    #[test]
    fn a_request_that_never_comes_is_told_with_those_that_came() {
        let standin = Standin::start(0).unwrap();
        post(&standin, "/v1/models", json!({}));
        let error = standin.wait_for(Duration::from_millis(1), |_| false).unwrap_err().to_string();
        assert!(error.contains("/v1/models"), "{error}");
    }
}
