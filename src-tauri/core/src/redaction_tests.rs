//! What is taken for a secret and what is not, and that any text is taken.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn check(rows: &[(&str, &str)]) {
    for (text, expected) in rows {
        assert_eq!(redact(text), *expected, "{text}");
    }
}

#[test]
fn keys_are_told_by_what_they_look_like() {
    let web = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P";
    check(&[
        ("key sk-ant-api03-AbCdEf123_456-789 end", "key [redacted: api key] end"),
        ("sk-proj-abcdefghijklmnop0123", "[redacted: api key]"),
        ("(AKIAIOSFODNN7EXAMPLE)", "([redacted: aws key])"),
        ("ghp_abcdefghijklmnopqrstuvwxyz012345", "[redacted: github token]"),
        ("github_pat_11ABCDEFG0abcdefghijkl_mnop", "[redacted: github token]"),
        ("xoxb-1234567890-abcdefghij", "[redacted: slack token]"),
        ("AIzaSyA-1234567890abcdefghijklmnopqrstu", "[redacted: google key]"),
        (&format!("got {web}!"), "got [redacted: web token]!"),
        (
            "a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nab==\n-----END RSA PRIVATE KEY-----\nb",
            "a\n[redacted: private key]\nb",
        ),
        ("-----BEGIN OPENSSH PRIVATE KEY----- b3BlbnNza", "[redacted: private key]"),
    ]);
}

#[test]
fn secrets_are_told_by_the_name_before_them() {
    check(&[
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer [redacted: authorization]"),
        (
            "curl -H 'authorization: Basic dXNlcjpwYXNz' x",
            "curl -H 'authorization: Basic [redacted: authorization]' x",
        ),
        ("use bearer 0123456789abcdef here", "use bearer [redacted: authorization] here"),
        ("password=hunter2&x=1", "password=[redacted: password]&x=1"),
        ("DB_PASSWORD: \"correct horse battery\"", "DB_PASSWORD: \"[redacted: password]\""),
        ("api_key: abcd1234", "api_key: [redacted: api key]"),
        ("apiKey => 'abcd1234'", "apiKey => '[redacted: api key]'"),
        (r#"{\"client_secret\": \"s3cr3t-value\"}"#, r#"{\"client_secret\": \"[redacted: secret]\"}"#),
        ("mysql --password hunter22 db", "mysql --password [redacted: password] db"),
        ("postgres://me:pa55@db.example/x", "postgres://me:[redacted: password]@db.example/x"),
        ("password=ä-geheim-ß end", "password=[redacted: password] end"),
    ]);
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        "the risk-assessment-of-everything-we-did",
        "password: null",
        "password=$PASSWORD",
        "the password is wrong",
        "token: 4096",
        "input_tokens: 123456",
        "https://example.org:8080/a@b",
        "eyJust a word.",
        "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
        "sk-learn",
        "",
    ] {
        assert!(matches!(redact(text), Cow::Borrowed(same) if same == text), "{text}: {}", redact(text));
    }
}

#[test]
fn a_line_of_json_keeps_every_other_byte_and_stays_json() {
    let line = br#"{"b" :1.50,"token":"abcdefghij","a":["x \"password=hunter2\" \u00e4","y"],"api_key" : "abcd1234","n":{}}"#;
    let expected = r#"{"b" :1.50,"token":"[redacted: token]","a":["x \"password=[redacted: password]\" ä","y"],"api_key" : "[redacted: api key]","n":{}}"#;
    assert_eq!(String::from_utf8_lossy(&redact_line(line)), expected);
    let plain = br#"{"type":"user","message":{"content":"hello"}}"#;
    assert!(matches!(redact_line(plain), Cow::Borrowed(_)));
    let torn = br#"{"a":"fine","b":"my key is sk-ant-api03-AbCdEf123456 and the"#;
    assert_eq!(
        String::from_utf8_lossy(&redact_line(torn)),
        r#"{"a":"fine","b":"my key is [redacted: api key] and the"#
    );
}

#[test]
fn lines_are_redacted_wherever_their_bytes_were_cut_and_others_stay_as_they_were() {
    let text = b"{\"a\": 1.0}\r\n{\"token\":\"abcdefghij\"}\n\xff\n{\"password\":\"tor";
    let expected = b"{\"a\": 1.0}\r\n{\"token\":\"[redacted: token]\"}\n\xff\n{\"password\":\"tor";
    for at in 0..text.len() {
        let (head, tail) = text.split_at(at);
        let mut redacting = Redacting::default();
        let redacted = [redacting.feed(head), redacting.feed(tail), redacting.rest()].concat();
        assert_eq!(String::from_utf8_lossy(&redacted), String::from_utf8_lossy(expected), "cut at {at}");
    }
}

#[test]
fn what_a_tool_was_given_is_redacted_by_its_names_too() {
    let given = json!({"command": "export API_KEY=abcd1234", "password": "x-y-z", "n": 3, "list": ["ok"]});
    let shown = json!({"command": "export API_KEY=[redacted: api key]", "password": "[redacted: password]",
        "n": 3, "list": ["ok"]});
    assert_eq!(redact_value(given), shown);
}

#[test]
fn a_long_text_is_read_once_whatever_it_is_made_of() {
    for part in ["password=$", "-eyJabcdefgh", "a://b:", "bearer <", "-----BEGIN ", "token=\"", "password \\"]
    {
        redact(&part.repeat(200_000));
    }
}

/// Texts of the parts that matter, in any order.
fn texts() -> impl Strategy<Value = String> {
    let parts = [
        "password",
        "=",
        ":",
        " ",
        "\"",
        "'",
        "\\",
        "sk-ant-",
        "abcdefgh12345678",
        "eyJ",
        ".",
        "-----BEGIN ",
        "PRIVATE KEY-----",
        "-----END ",
        "://",
        "@",
        "bearer",
        "ä",
        "\n",
        "token",
        "--",
        "[redacted: x]",
    ];
    let part = prop_oneof![prop::sample::select(parts.to_vec()).prop_map(str::to_owned), ".{0,3}"];
    prop::collection::vec(part, 0..30).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_text_is_taken_and_what_was_redacted_is_not_redacted_again(text in texts()) {
        let once = redact(&text).into_owned();
        prop_assert_eq!(redact(&once), once.as_str());
    }

    #[test]
    fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        redact_line(&bytes);
    }

    #[test]
    fn a_line_that_was_json_still_is(text in texts(), key in texts()) {
        let line = json!({ key: text, "more": [1, null] }).to_string();
        let redacted = redact_line(line.as_bytes());
        let read: serde_json::Value = serde_json::from_slice(&redacted).unwrap();
        prop_assert_eq!(&read["more"], &json!([1, null]));
    }

    #[test]
    fn a_key_is_found_wherever_it_stands(before in ".{0,20}[^A-Za-z0-9_-]", after in "[^A-Za-z0-9_-].{0,20}") {
        let key = "sk-ant-api03-AbCdEf123456";
        let redacted = redact(&format!("{before}{key}{after}")).into_owned();
        prop_assert!(!redacted.contains(key), "{}", redacted);
    }
}

#[test]
fn a_string_that_was_cut_within_a_character_keeps_no_secret() {
    let key = concat!("sk-ant-", "api03-AbCdEf123_456-789");
    for line in [
        format!(r#"{{"content":"cut \ud83c {key} and on","next":"well"}}"#).into_bytes(),
        [br#"{"content":"cut "#.as_slice(), b"\xff ", key.as_bytes(), br#""}"#].concat(),
    ] {
        let redacted = redact_line(&line).into_owned();
        let text = String::from_utf8_lossy(&redacted);
        assert!(!text.contains(key) && text.contains("[redacted: api key]"), "{text}");
        assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&redacted).is_ok(), "{text}");
    }
}

#[test]
fn of_a_command_and_its_arguments_what_follows_a_flag_is_a_secret() {
    let command = serde_json::json!(["mysql", "--password", "hunter22", "--user", "root"]);
    let expected = serde_json::json!(["mysql", "--password", "[redacted: password]", "--user", "root"]);
    assert_eq!(redact_value(command.clone()), expected);
    assert_eq!(redact_line(command.to_string().as_bytes()).as_ref(), expected.to_string().as_bytes());
    let keys = r#"{"a":"--password","hunter22":"b"}"#;
    assert_eq!(redact_line(keys.as_bytes()).as_ref(), keys.as_bytes());
}

#[test]
fn what_only_begins_like_a_variable_is_a_secret() {
    for (text, expected) in [
        ("password=$2b$12$abcdefgh", "password=[redacted: password]"),
        ("password=%Tr0ub4dor", "password=[redacted: password]"),
        ("password=$HOME_KEY", "password=$HOME_KEY"),
        ("password=${KEY}", "password=${KEY}"),
        ("password=%KEY%", "password=%KEY%"),
        ("password=********", "password=********"),
    ] {
        assert_eq!(redact(text), expected);
    }
}
