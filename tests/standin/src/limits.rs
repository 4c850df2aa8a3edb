//! What each model API says when a usage limit is reached: status 429, with the headers and the body by which its
//! client tells that it ends only later.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

#[derive(Clone, Copy)]
pub enum Wire {
    Anthropic,
    Responses,
    Gemini,
    ChatCompletions,
}

/// Seconds that a limit of which no end is told still lasts, by the headers that cannot do without.
const UNSAID_SECONDS: u64 = 3600;

pub fn reached(wire: Wire, ends: Option<Duration>) -> Response {
    let seconds = ends.map(|ends| ends.as_secs());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let at = seconds.map(|seconds| now + seconds);
    let (headers, body) = match wire {
        Wire::Anthropic => anthropic(seconds, at),
        Wire::Responses => responses(seconds, at),
        Wire::Gemini => (Vec::new(), gemini(seconds)),
        Wire::ChatCompletions => (
            vec![("retry-after", seconds.unwrap_or(UNSAID_SECONDS).to_string())],
            json!({"error": {"type": "insufficient_quota", "code": "insufficient_quota",
                "message": "You exceeded your current quota, please check your plan and billing details."}}),
        ),
    };
    let mut response = (StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response();
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// With an end: a subscription's five hours. Without: a cap on what may be spent.
fn anthropic(seconds: Option<u64>, at: Option<u64>) -> (Vec<(&'static str, String)>, Value) {
    let mut headers = vec![
        ("x-should-retry", "false".to_owned()),
        ("retry-after", seconds.unwrap_or(UNSAID_SECONDS).to_string()),
        ("anthropic-ratelimit-unified-status", "rejected".to_owned()),
    ];
    let Some(at) = at else {
        headers.push((
            "anthropic-ratelimit-unified-overage-disabled-reason",
            "org_spend_cap_reached".to_owned(),
        ));
        return (
            headers,
            error("billing_error", "spend limit reached \u{b7} ask your administrator for more"),
        );
    };
    headers.extend([
        ("anthropic-ratelimit-unified-reset", at.to_string()),
        ("anthropic-ratelimit-unified-representative-claim", "five_hour".to_owned()),
        ("anthropic-ratelimit-unified-5h-status", "rejected".to_owned()),
        ("anthropic-ratelimit-unified-5h-reset", at.to_string()),
        ("anthropic-ratelimit-unified-overage-status", "rejected".to_owned()),
        ("anthropic-ratelimit-unified-overage-disabled-reason", "org_level_disabled".to_owned()),
    ]);
    (headers, error("rate_limit_error", "This request would exceed your account's rate limit."))
}

fn error(kind: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}})
}

fn responses(seconds: Option<u64>, at: Option<u64>) -> (Vec<(&'static str, String)>, Value) {
    let headers = at.map(|at| {
        [
            ("x-codex-primary-used-percent", "100.0".to_owned()),
            ("x-codex-primary-window-minutes", "300".to_owned()),
            ("x-codex-primary-reset-at", at.to_string()),
        ]
    });
    let body = json!({"error": {"type": "usage_limit_reached", "message": "The usage limit has been reached",
        "plan_type": "pro", "resets_at": at, "resets_in_seconds": seconds}});
    (headers.into_iter().flatten().collect(), body)
}

fn gemini(seconds: Option<u64>) -> Value {
    let retry = seconds.map(|seconds| {
        json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": format!("{seconds}s")})
    });
    let quota = json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{
        "quotaMetric": "generativelanguage.googleapis.com/generate_requests_per_model_per_day",
        "quotaId": "GenerateRequestsPerDayPerProjectPerModel", "quotaValue": "100"}]});
    let details: Vec<_> = std::iter::once(quota).chain(retry).collect();
    json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": details,
        "message": "You exceeded your current quota, please check your plan and billing details."}})
}
