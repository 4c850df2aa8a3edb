//! Secrets in text: found by what they look like or by the name before them, and replaced by `[redacted: kind]`. One
//! pass over the bytes. What is stored stays as it is; this is for what is shown or handed out.

use std::borrow::Cow;

use serde_json::Value;

use crate::lines::{Line, Lines};

/// Keys that begin with a mark of their own: the mark, the least length with it, the kind.
const MARKED: [(&str, usize, &str); 21] = [
    ("sk-ant-", 16, "api key"),
    ("sk-", 20, "api key"),
    ("sk_live_", 16, "api key"),
    ("sk_test_", 16, "api key"),
    ("rk_live_", 16, "api key"),
    ("AKIA", 20, "aws key"),
    ("ASIA", 20, "aws key"),
    ("ghp_", 24, "github token"),
    ("gho_", 24, "github token"),
    ("ghu_", 24, "github token"),
    ("ghs_", 24, "github token"),
    ("ghr_", 24, "github token"),
    ("github_pat_", 24, "github token"),
    ("glpat-", 20, "gitlab token"),
    ("npm_", 30, "npm token"),
    ("hf_", 24, "hugging face token"),
    ("xoxb-", 16, "slack token"),
    ("xoxp-", 16, "slack token"),
    ("xoxa-", 16, "slack token"),
    ("xoxs-", 16, "slack token"),
    ("AIza", 32, "google key"),
];
/// Ends of names that stand before a secret, in lower case without `-` and `_`; the least length of the secret; the kind.
const NAMES: [(&str, usize, &str); 12] = [
    ("password", 4, "password"),
    ("passwd", 4, "password"),
    ("passphrase", 4, "password"),
    ("secret", 6, "secret"),
    ("apikey", 4, "api key"),
    ("accesskey", 6, "api key"),
    ("secretkey", 6, "api key"),
    ("privatekey", 6, "private key"),
    ("accesstoken", 6, "token"),
    ("authtoken", 6, "token"),
    ("token", 8, "token"),
    ("authorization", 6, "authorization"),
];
/// Longest name of a secret, in bytes. Longer runs are no names.
const NAME_BYTES_MAX: usize = 64;
/// How far the other quote of a quoted secret is looked for, in bytes.
const QUOTED_BYTES_MAX: usize = 4096;
/// How far the name and password of an address are looked for, in bytes.
const USER_BYTES_MAX: usize = 512;
/// Values of such a name that are none.
const NO_SECRETS: [&str; 6] = ["null", "none", "true", "false", "undefined", "string"];
/// Marks of a private key in PEM, and how far its first line goes, in bytes.
const BEGIN: &str = "-----BEGIN";
const END: &str = "-----END";
const DASHES: &str = "-----";
const BEGIN_BYTES_MAX: usize = 64;
const OPENED: &str = "[redacted: ";

/// The text without its secrets; borrowed where there are none.
pub fn redact(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let (mut out, mut copied, mut at) = (String::new(), 0, 0);
    while at < bytes.len() {
        let run = run_at(bytes, at);
        if run == at {
            at += 1;
            continue;
        }
        match secret_at(text, at, run) {
            Some(found) => {
                out.push_str(text.get(copied..found.from).unwrap_or_default());
                out.push_str(OPENED);
                out.push_str(found.kind);
                out.push(']');
                (copied, at) = (found.until, found.until.max(at + 1));
            }
            None => at = run,
        }
    }
    if copied == 0 && out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

/// A value with the texts in it redacted, and what stands under the name of a secret.
pub fn redact_value(value: Value) -> Value {
    match value {
        Value::String(text) => match redact(&text) {
            Cow::Borrowed(_) => Value::String(text),
            Cow::Owned(redacted) => Value::String(redacted),
        },
        Value::Array(items) => {
            // Of a command and its arguments, the one behind a flag.
            let mut flag: Option<String> = None;
            let items = items.into_iter().map(|item| {
                let named = flag.take().and_then(|flag| redact_named(&flag, item.as_str()?));
                flag = item.as_str().filter(|text| text.starts_with("--")).map(str::to_owned);
                named.map_or_else(|| redact_value(item), Value::String)
            });
            Value::Array(items.collect())
        }
        Value::Object(map) => {
            let entries = map.into_iter().map(|(key, value)| {
                let named = value.as_str().and_then(|text| redact_named(&key, text));
                let value = named.map_or_else(|| redact_value(value), Value::String);
                (key, value)
            });
            Value::Object(entries.collect())
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}

/// Redacts lines of JSON as their bytes come, in bounded memory.
#[derive(Default)]
pub struct Redacting {
    lines: Lines,
}

/// What stands for a line that is too long to be looked through.
const LEFT_OUT: &str =
    r#"{"shim":"a line of more than 64 MB was left out: too long to be looked through for secrets"}"#;

impl Redacting {
    /// The lines that these bytes complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        self.lines.feed(bytes, |line| {
            match line {
                Line::Whole(line) => out.extend_from_slice(&redact_line(line)),
                Line::TooLong => out.extend_from_slice(LEFT_OUT.as_bytes()),
            }
            out.push(b'\n');
        });
        out
    }

    /// What stood behind the last line feed.
    pub fn rest(self) -> Vec<u8> {
        redact_line(self.lines.tail()).into_owned()
    }
}

/// A line of JSON with the secrets in its strings replaced; every other byte is as it was. What is no JSON is taken as
/// text.
pub fn redact_line(line: &[u8]) -> Cow<'_, [u8]> {
    if serde_json::from_slice::<serde::de::IgnoredAny>(line).is_err() {
        return redacted_bytes(line);
    }
    let (mut out, mut copied, mut at) = (Vec::new(), 0, 0);
    let mut name: Option<String> = None;
    while let Some(begin) = memchr::memchr(b'"', line.get(at..).unwrap_or_default()).map(|found| at + found) {
        let Some(end) = string_end(line, begin) else { break };
        at = end;
        let written = line.get(begin..end).unwrap_or_default();
        let Ok(text) = serde_json::from_slice::<String>(written) else {
            name = None;
            if let Some(redacted) = redacted_as_written(written) {
                out.extend_from_slice(line.get(copied..begin).unwrap_or_default());
                out.extend_from_slice(&redacted);
                copied = end;
            }
            continue;
        };
        let before = line.get(..begin).unwrap_or_default().trim_ascii_end().last();
        let behind = line.get(end..).unwrap_or_default().trim_ascii_start().first();
        let is_value = matches!(before, Some(b':' | b',')) && behind != Some(&b':');
        let named = name.take().filter(|_| is_value);
        let redacted = match named.and_then(|name| redact_named(&name, &text)) {
            Some(redacted) => Cow::Owned(redacted),
            None => redact(&text),
        };
        if let Cow::Owned(redacted) = redacted {
            out.extend_from_slice(line.get(copied..begin).unwrap_or_default());
            out.extend_from_slice(Value::String(redacted).to_string().as_bytes());
            copied = end;
        }
        let is_flag = behind == Some(&b',') && text.starts_with("--");
        name = (behind == Some(&b':') || is_flag).then_some(text);
    }
    if copied == 0 {
        return Cow::Borrowed(line);
    }
    out.extend_from_slice(line.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

/// A string that no text can hold, such as one that was cut within a character; `None` where it has no secret.
fn redacted_as_written(quoted: &[u8]) -> Option<Vec<u8>> {
    let Cow::Owned(redacted) = redacted_bytes(quoted) else { return None };
    // A secret that reached over an escape may have left half of it.
    let is_whole = serde_json::from_slice::<serde::de::IgnoredAny>(&redacted).is_ok();
    Some(if is_whole { redacted } else { format!("\"{OPENED}text]\"").into_bytes() })
}

fn redacted_bytes(bytes: &[u8]) -> Cow<'_, [u8]> {
    let text = String::from_utf8_lossy(bytes);
    match redact(&text) {
        Cow::Borrowed(_) => Cow::Borrowed(bytes),
        Cow::Owned(redacted) => Cow::Owned(redacted.into_bytes()),
    }
}

/// Behind the closing quote of the string that begins here.
fn string_end(line: &[u8], begin: usize) -> Option<usize> {
    let mut at = begin + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', line.get(at..)?)?;
        if line.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// What stands under a name, where that is the name of a secret.
fn redact_named(name: &str, text: &str) -> Option<String> {
    let (least, kind) = name_of_secret(name)?;
    is_secret(text, least).then(|| format!("{OPENED}{kind}]"))
}

struct Found {
    from: usize,
    until: usize,
    kind: &'static str,
}

fn is_run(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn run_at(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| !is_run(*byte)).unwrap_or(rest.len())
}

/// What a run of letters, digits, `-` and `_` is, or stands before.
fn secret_at(text: &str, from: usize, until: usize) -> Option<Found> {
    let run = text.get(from..until)?;
    if run.ends_with(BEGIN) {
        return private_key(text, until - BEGIN.len());
    }
    // In a torn record a line feed is a backslash and a letter.
    let is_escaped = from > 0 && text.as_bytes().get(from - 1) == Some(&b'\\');
    let marked = |from: usize| {
        let run = text.get(from..until)?;
        let known = MARKED.iter().find(|(mark, least, _)| run.starts_with(mark) && run.len() >= *least);
        known.map(|(_, _, kind)| Found { from, until, kind })
    };
    marked(from)
        .or_else(|| is_escaped.then(|| marked(from + 1)).flatten())
        .or_else(|| web_token(text, from, until))
        .or_else(|| of_address(text, until))
        .or_else(|| bearer(text, run, until))
        .or_else(|| assigned(text, run, until))
}

fn private_key(text: &str, from: usize) -> Option<Found> {
    let rest = text.get(from..)?;
    let head = rest.as_bytes().get(BEGIN.len()..rest.len().min(BEGIN_BYTES_MAX)).unwrap_or_default();
    // Such as ` RSA `: nothing that could itself be replaced, and so come nearer.
    let label = head.get(..memchr::memmem::find(head, b"PRIVATE KEY-----")?)?;
    let is_label = label.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b' '));
    if !is_label {
        return None;
    }
    // One that was cut is a secret too.
    let end = rest.find(END).map_or(rest.len(), |end| {
        let behind = rest.get(end + END.len()..).unwrap_or_default();
        behind.find(DASHES).map_or(rest.len(), |dashes| end + END.len() + dashes + DASHES.len())
    });
    Some(Found { from, until: from + end, kind: "private key" })
}

/// Three parts of base64 with dots between, the first of which is JSON.
fn web_token(text: &str, from: usize, until: usize) -> Option<Found> {
    let bytes = text.as_bytes();
    if !text.get(from..until)?.starts_with("eyJ") || bytes.get(until) != Some(&b'.') {
        return None;
    }
    let second = run_at(bytes, until + 1);
    if second < until + 9 {
        return None;
    }
    let third = if bytes.get(second) == Some(&b'.') { run_at(bytes, second + 1) } else { second };
    Some(Found { from, until: third, kind: "web token" })
}

/// The password in `scheme://user:password@host`.
fn of_address(text: &str, until: usize) -> Option<Found> {
    let behind = text.as_bytes().get(until..)?.strip_prefix(b"://")?;
    let behind = behind.get(..behind.len().min(USER_BYTES_MAX)).unwrap_or_default();
    let end =
        behind.iter().position(|byte| matches!(byte, b'@' | b'/' | b'"' | b'\'' | b' ' | b'\n' | b'\t'))?;
    let colon = behind.iter().position(|byte| *byte == b':').filter(|colon| colon + 1 < end)?;
    let begin = until + 3;
    let password = text.get(begin + colon + 1..begin + end)?;
    (behind.get(end) == Some(&b'@') && is_secret(password, 1)).then_some(Found {
        from: begin + colon + 1,
        until: begin + end,
        kind: "password",
    })
}

/// What follows `Bearer`.
fn bearer(text: &str, run: &str, until: usize) -> Option<Found> {
    if !run.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let from = skip(text, until, |byte| matches!(byte, b' ' | b'\t'));
    if from == until || is_placeholder(text.get(from..)?) {
        return None;
    }
    let end = word_end(text, from);
    is_secret(text.get(from..end)?, 12).then_some(Found { from, until: end, kind: "authorization" })
}

/// What is assigned to a name, or follows a flag.
fn assigned(text: &str, run: &str, until: usize) -> Option<Found> {
    let bytes = text.as_bytes();
    let (least, kind) = name_of_secret(run)?;
    // An address assigns nothing.
    if text.get(until..)?.starts_with("://") {
        return None;
    }
    let quoted = skip(text, until, |byte| byte == b'\\');
    let behind_name = skip(text, quoted, |byte| matches!(byte, b'"' | b'\'')).min(quoted + 1);
    let at = skip(text, behind_name, |byte| matches!(byte, b' ' | b'\t'));
    let operator = skip(text, at, |byte| matches!(byte, b'=' | b':' | b'>'));
    let is_flag = run.starts_with("--") && at > until;
    if (operator == at && !is_flag) || operator > at + 2 {
        return None;
    }
    let mut from = skip(text, operator, |byte| matches!(byte, b' ' | b'\t' | b'\\'));
    let scheme = run_at(bytes, from);
    let is_scheme = |name: &str| text.get(from..scheme).is_some_and(|word| word.eq_ignore_ascii_case(name));
    if kind == "authorization" && ["bearer", "basic", "token", "digest"].into_iter().any(is_scheme) {
        from = skip(text, scheme, |byte| matches!(byte, b' ' | b'\t'));
    }
    let end = match bytes.get(from) {
        Some(quote @ (b'"' | b'\'' | b'`')) => {
            from += 1;
            if is_placeholder(text.get(from..)?) {
                return None;
            }
            quote_end(bytes, from, *quote).unwrap_or_else(|| word_end(text, from))
        }
        _ if is_placeholder(text.get(from..)?) => return None,
        _ => word_end(text, from),
    };
    is_secret(text.get(from..end)?, least).then_some(Found { from, until: end, kind })
}

fn skip(text: &str, from: usize, over: impl Fn(u8) -> bool) -> usize {
    let rest = text.as_bytes().get(from..).unwrap_or_default();
    from + rest.iter().position(|byte| !over(*byte)).unwrap_or(rest.len())
}

fn quote_end(bytes: &[u8], from: usize, quote: u8) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let near = rest.get(..rest.len().min(QUOTED_BYTES_MAX)).unwrap_or_default();
    let end = near.iter().position(|byte| *byte == quote || *byte == b'\n')?;
    // A quote that is quoted itself is closed by one that is.
    let escaped = near.get(..end).unwrap_or_default().iter().rev().take_while(|byte| **byte == b'\\').count();
    Some(from + end - escaped)
}

fn word_end(text: &str, from: usize) -> usize {
    skip(text, from, |byte| !byte.is_ascii_whitespace() && !b"\"'`,;&)}]<>\\".contains(&byte))
}

fn name_of_secret(name: &str) -> Option<(usize, &'static str)> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let plain: String =
        name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect();
    let known = NAMES.iter().find(|(end, _, _)| plain.ends_with(end));
    known.map(|(_, least, kind)| (*least, *kind))
}

/// A variable, a flag, or what was redacted already. Told by how it begins, so that none is read to its end in vain.
fn is_placeholder(value: &str) -> bool {
    let mut letters = value.chars().take(NAME_BYTES_MAX);
    let is_variable = match letters.next() {
        Some('$') => letters.next().is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '{' | '(')),
        Some('%') => {
            let behind = letters.find(|c| !c.is_ascii_alphanumeric() && *c != '_');
            behind == Some('%')
        }
        Some('*') => letters.all(|c| c == '*' || !c.is_ascii_alphanumeric()),
        Some('<') => true,
        _ => false,
    };
    is_variable || value.starts_with("--") || value.starts_with(OPENED.trim_end())
}

/// Whether a value is one, and no placeholder or word of a language.
fn is_secret(value: &str, least: usize) -> bool {
    let is_word = NO_SECRETS.iter().any(|word| value.eq_ignore_ascii_case(word));
    value.len() >= least && !is_word && !is_placeholder(value)
}

#[cfg(test)]
#[path = "redaction_tests.rs"]
mod tests;
