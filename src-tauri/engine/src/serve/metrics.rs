//! `/metrics`: text for Prometheus, and `/api/metrics`: the same as JSON for who holds the token.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use shim_api::{ApiError, error::ErrorCode};
use shim_core::metrics::text;

use super::{Engine, calls::blocking, guard::answer};

const OPEN_METRICS: &str = "application/openmetrics-text";
const OPEN_METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// OpenMetrics, with exemplars, where it is asked for; else text 0.0.4.
pub async fn exposed(State(context): State<Engine>, headers: HeaderMap) -> Response {
    if !context.handle.home.settings().metrics_serve {
        let off = "metrics are not handed out here: `metrics.serve` is off; `shim metrics` shows them";
        return answer(ApiError::new(ErrorCode::NotFound, off));
    }
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_open = accepted.contains(OPEN_METRICS);
    let (handle, started) = (context.handle, context.file.started_at.ms());
    match tokio::task::spawn_blocking(move || handle.metrics.text(&handle, started)).await {
        Ok(Ok(told)) if is_open => ([(header::CONTENT_TYPE, OPEN_METRICS_TYPE)], told).into_response(),
        Ok(Ok(told)) => {
            ([(header::CONTENT_TYPE, PLAIN_TYPE)], text::plain(&text::read(&told))).into_response()
        }
        Ok(Err(error)) => answer(error),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

pub async fn told(State(context): State<Engine>) -> Response {
    let started = context.file.started_at.ms();
    blocking(context.handle, move |handle| Ok(text::read(&handle.metrics.text(handle, started)?))).await
}
