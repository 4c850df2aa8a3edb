//! Usage limits as the real clients write them down: Claude Code 2.1.329 and Codex 0.169.0 against a stand-in that
//! answers 429; opencode's and Gemini's by their own words.

use serde_json::{Value, json};

use super::{Limit, old_words};
use crate::{
    chats::Client,
    digest::{Reader, Turn},
    time::Timestamp,
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_ms(second * 1000)
}

const NOW: Timestamp = Timestamp::from_ms(1_795_280_500_000);

fn folded(client: Client, records: &[Value]) -> Reader {
    let mut reader = Reader::new(client);
    for record in records {
        reader.feed(format!("{record}\n").as_bytes());
    }
    reader
}

/// The limit that the chat waits for: its words and its end.
fn waits(client: Client, records: &[Value]) -> Option<(String, Option<Timestamp>)> {
    let reader = folded(client, records);
    reader.digest.limit(NOW).map(|limit| (limit.message.clone(), limit.resets_at))
}

fn claude(more: Value, text: &str) -> Value {
    let mut record = json!({ "type": "assistant", "uuid": "e", "timestamp": "2026-11-21T17:00:44.291Z",
        "error": "rate_limit", "isApiErrorMessage": true, "apiErrorStatus": 429, "apiErrorType": "rate_limit_error",
        "message": { "model": "<synthetic>", "stop_reason": "stop_sequence",
            "content": [{ "type": "text", "text": text }] } });
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record
}

#[test]
fn claude_codes_limits_are_told_from_errors_that_pass() {
    let hit = "You\'ve hit your 5-hour limit \u{b7} resets 6pm (UTC)";
    let quota = json!({ "apiError": "usage_limit_reached", "quotaLimits": { "status": "rejected",
        "resetsAt": 1_795_284_044, "rateLimitType": "five_hour", "isUsingOverage": false } });
    let billing = json!({ "apiErrorType": "billing_error", "resendCannotCure": true });
    let credit =
        json!({ "error": "billing_error", "apiErrorStatus": 400, "apiErrorType": "invalid_request_error" });
    for (more, text, expected) in [
        (quota, hit, Some((hit, Some(at(1_795_284_044))))),
        (billing, "spend limit reached", Some(("spend limit reached", None))),
        (credit, "Credit balance is too low", Some(("Credit balance is too low", None))),
        (
            json!({}),
            "Claude AI usage limit reached|1795283934",
            Some(("Claude AI usage limit reached|1795283934", Some(at(1_795_283_934)))),
        ),
        (json!({}), "API Error: Request rejected (429) \u{b7} too many tokens a minute", None),
        (json!({ "quotaLimits": 7, "apiError": 3 }), "API Error", None),
        (json!({ "error": "server_error", "apiErrorStatus": 529 }), "API Error: Overloaded", None),
    ] {
        let expected = expected.map(|(words, end)| (words.to_owned(), end));
        assert_eq!(waits(Client::ClaudeCode, &[claude(more, text)]), expected, "{text}");
    }
}

#[test]
fn a_limit_is_over_at_its_end_or_when_the_model_answers() {
    let quota = json!({ "apiError": "usage_limit_reached", "quotaLimits": { "resetsAt": 1_795_284_044 } });
    let asked = json!({ "type": "user", "uuid": "u", "timestamp": "2026-11-21T17:00:50.000Z",
        "message": { "content": "and now?" } });
    let answered = json!({ "type": "assistant", "uuid": "a", "timestamp": "2026-11-21T17:00:55.000Z",
        "message": { "id": "m", "stop_reason": "end_turn", "content": [{ "type": "text", "text": "yes" }] } });
    let limited = claude(quota, "hit");
    let chat = folded(Client::ClaudeCode, std::slice::from_ref(&limited)).digest;
    assert_eq!(chat.turn, Turn::Failed);
    assert!(chat.limit(at(1_795_284_043)).is_some() && chat.limit(at(1_795_284_044)).is_none());
    assert!(waits(Client::ClaudeCode, &[limited.clone(), asked.clone()]).is_some(), "asking alone ends none");
    assert_eq!(waits(Client::ClaudeCode, &[limited, asked, answered]), None);
}

#[test]
fn codexs_limit_ends_when_the_quota_that_is_used_up_does() {
    let event = |payload: Value| json!({ "timestamp": "2026-11-21T17:13:04.720Z", "type": "event_msg", "payload": payload });
    let count = |primary: f64, secondary: f64| {
        event(json!({ "type": "token_count", "info": null, "rate_limits": {
            "primary": { "used_percent": primary, "window_minutes": 300, "resets_at": 1_795_284_784 },
            "secondary": { "used_percent": secondary, "window_minutes": 10080, "resets_at": 1_795_999_999 } } }))
    };
    let failed = |info: Value| {
        event(json!({ "type": "task_complete", "turn_id": "t", "last_agent_message": null,
            "error": { "message": "You\u{2019}ve hit your usage limit.", "codex_error_info": info } }))
    };
    let limit = || failed(json!("usage_limit_exceeded"));
    let words = "You\u{2019}ve hit your usage limit.".to_owned();
    for (records, expected) in [
        (vec![count(100.0, 3.0), limit()], Some((words.clone(), Some(at(1_795_284_784))))),
        (vec![count(100.0, 100.0), limit()], Some((words.clone(), Some(at(1_795_999_999))))),
        (vec![count(40.0, 3.0), limit()], Some((words.clone(), None))),
        (vec![limit()], Some((words, None))),
        (vec![count(100.0, 3.0), failed(json!("server_overloaded"))], None),
        (vec![count(100.0, 3.0), failed(json!({ "http": 500 }))], None),
        (vec![count(100.0, 3.0)], None),
        (vec![event(json!({ "type": "token_count", "rate_limits": { "primary": 7 } }))], None),
    ] {
        assert_eq!(waits(Client::Codex, &records), expected, "{records:?}");
    }
}

#[test]
fn geminis_limit_has_no_end_of_its_own() {
    let error = |text: &str| {
        let record =
            json!({ "id": "e", "timestamp": "2026-11-21T17:13:04.720Z", "type": "error", "content": text });
        waits(Client::Gemini, &[record])
    };
    let said = "You exceeded your current quota, please check your plan and billing details.";
    assert_eq!(error(said), Some((said.to_owned(), None)));
    assert_eq!(error("[API Error: overloaded]"), None);
}

#[test]
fn a_limit_lasts_until_its_end_or_for_a_while() {
    let limit = |at, resets_at| Limit { message: String::new(), at, resets_at };
    for (limit, now, lasts) in [
        (limit(Some(at(0)), Some(at(100))), 99, true),
        (limit(Some(at(0)), Some(at(100))), 100, false),
        (limit(Some(at(0)), None), 17_999, true),
        (limit(Some(at(0)), None), 18_000, false),
        (limit(None, None), 0, false),
    ] {
        assert_eq!(limit.lasts(at(now)), lasts, "{limit:?} at {now}");
    }
}

#[test]
fn an_older_clients_words_hold_the_end() {
    assert_eq!(old_words("Claude AI usage limit reached|1795283934"), Some(at(1_795_283_934)));
    assert_eq!(old_words("API Error: Claude usage limit reached|17x"), Some(at(17)));
    for text in ["usage limit reached", "usage limit reached|", "usage limit reached|99999999999999999999"] {
        assert_eq!(old_words(text), None, "{text}");
    }
}
