//! Which kind of error a client's words tell of. Words that are not known are `other`, never guessed at further.

/// The first whose words are found; what is more telling stands first.
const KINDS: [(&str, &[&str]); 8] = [
    (
        "usage_limit",
        &["usage limit", "limit reached", "out of credits", "insufficient_quota", "hit your limit"],
    ),
    ("context_full", &["too long", "context window", "context length", "context_length", "context limit"]),
    ("overloaded", &["overloaded", "529"]),
    ("rate_limit", &["rate limit", "rate_limit", "too many requests", "resource_exhausted", "429"]),
    ("authentication", &["authentication", "api key", "unauthorized", "forbidden", "/login", "401", "403"]),
    ("invalid_request", &["invalid_request", "bad request", "invalid argument", "400"]),
    ("server", &["internal server", "api_error", "bad gateway", "unavailable", "500", "502", "503", "504"]),
    (
        "network",
        &[
            "connection",
            "network",
            "econn",
            "enotfound",
            "fetch failed",
            "timed out",
            "timeout",
            "socket",
            "terminated",
        ],
    ),
];

/// The kind of an error of the model's API, from what the client says of it.
pub fn kind_of_error(text: &str) -> &'static str {
    let text = text.to_lowercase();
    KINDS
        .iter()
        .find(|(_, words)| words.iter().any(|word| says(&text, word)))
        .map_or("other", |(kind, _)| kind)
}

/// A status number counts only where it stands alone, not within another number.
fn says(text: &str, word: &str) -> bool {
    let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return text.contains(word);
    }
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::kind_of_error;

    #[test]
    fn errors_are_told_by_what_clients_say() {
        for (text, kind) in [
            (
                r#"API Error: 529 {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
                "overloaded",
            ),
            (
                r#"API Error: 400 {"error":{"type":"invalid_request_error","message":"prompt is too long"}}"#,
                "context_full",
            ),
            (
                r#"API Error: 400 {"error":{"type":"invalid_request_error","message":"tool_use ids"}}"#,
                "invalid_request",
            ),
            ("Claude AI usage limit reached|1795222398", "usage_limit"),
            ("429", "rate_limit"),
            ("API Error: 500 Internal server error", "server"),
            ("exceeded retry limit, last status: 503 Service Unavailable", "server"),
            ("Invalid API key · Please run /login", "authentication"),
            ("API Error: Connection error.", "network"),
            ("stream disconnected before completion: connection closed", "network"),
            ("error 4290 in module 14001", "other"),
            ("", "other"),
        ] {
            assert_eq!(kind_of_error(text), kind, "{text}");
        }
    }
}
