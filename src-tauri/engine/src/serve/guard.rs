//! Who may call: whoever holds the token, from this machine, and no foreign page.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use shim_api::{ApiError, error::ErrorCode};

use super::Engine;
use crate::demo;

pub async fn guard(State(context): State<Engine>, request: Request, next: Next) -> Response {
    if let Err(error) = check(request.headers(), context.file.port, &context.file.token) {
        return turn_away(error);
    }
    let is_demo = context.handle.home.demo.is_some();
    if is_demo && !demo::answers(request.method() == Method::GET, request.uri().path()) {
        return turn_away(demo::refusal());
    }
    // A page that asks without end must not starve the others.
    let Ok(_permit) = context.requests.acquire().await else {
        return answer(ApiError::new(ErrorCode::EngineDown, "the engine is ending"));
    };
    next.run(request).await
}

/// For what is told without the token: to this machine's programs, and to no page.
pub async fn guard_host(State(context): State<Engine>, request: Request, next: Next) -> Response {
    if let Err(error) = check_host(request.headers(), context.file.port) {
        return turn_away(error);
    }
    let Ok(_permit) = context.requests.acquire().await else {
        return answer(ApiError::new(ErrorCode::EngineDown, "the engine is ending"));
    };
    next.run(request).await
}

fn check(headers: &HeaderMap, port: u16, token: &str) -> Result<(), ApiError> {
    check_host(headers, port)?;
    let given = text(headers, header::AUTHORIZATION)
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    if !same(given.as_bytes(), token.as_bytes()) {
        return forbidden("the token is missing or wrong; it stands in engine.json in SHIM's data folder");
    }
    Ok(())
}

fn check_host(headers: &HeaderMap, port: u16) -> Result<(), ApiError> {
    let ours = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    if !text(headers, header::HOST).is_some_and(|host| ours.iter().any(|own| own == host)) {
        return forbidden("this listener answers 127.0.0.1 only");
    }
    if headers.contains_key(header::ORIGIN) {
        return forbidden("web pages may not call this listener");
    }
    Ok(())
}

fn forbidden(why: &str) -> Result<(), ApiError> {
    Err(ApiError::new(ErrorCode::Forbidden, why))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Takes as long for a nearly right token as for a wrong one.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// Nothing is read of the request, so that its connection ends with it: a caller who is not told would ask again on it,
/// and find it closed.
fn turn_away(error: ApiError) -> Response {
    ([(header::CONNECTION, "close")], answer(error)).into_response()
}

pub fn answer(error: ApiError) -> Response {
    let status = match error.code {
        ErrorCode::BadRequest | ErrorCode::Ambiguous => StatusCode::BAD_REQUEST,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::Refused => StatusCode::CONFLICT,
        ErrorCode::EngineDown => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Store | ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, axum::Json(error)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::{check, check_host, turn_away};

    #[test]
    fn who_is_turned_away_is_told_that_the_connection_ends() {
        let told = turn_away(crate::demo::refusal());
        assert_eq!(told.headers().get(header::CONNECTION), Some(&HeaderValue::from_static("close")));
        assert_eq!(told.status(), axum::http::StatusCode::CONFLICT);
    }

    #[test]
    fn only_the_holder_of_the_token_on_this_machine_may_call() {
        for (host, origin, authorization, allowed) in [
            ("127.0.0.1:7", None, "Bearer t0ken", true),
            ("localhost:7", None, "Bearer t0ken", true),
            ("127.0.0.1:7", None, "Bearer t0kem", false),
            ("127.0.0.1:7", None, "t0ken", false),
            ("127.0.0.1:8", None, "Bearer t0ken", false),
            ("evil.example:7", None, "Bearer t0ken", false),
            ("127.0.0.1:7", Some("http://127.0.0.1:7"), "Bearer t0ken", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(authorization));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(check(&headers, 7, "t0ken").is_ok(), allowed, "{host} {origin:?} {authorization}");
            let from_here = host != "evil.example:7" && host != "127.0.0.1:8" && origin.is_none();
            assert_eq!(check_host(&headers, 7).is_ok(), from_here, "{host} {origin:?}");
        }
    }
}
