//! Settings files of every style, with SHIM's entries and without them again.

use proptest::prelude::*;

use crate::chats::Client;

use super::{Caller, Part, Wanted, Wrong, hindrances, install, is_empty, is_installed, uninstall};

fn caller() -> Caller {
    Caller { program: "/opt/shim/bin/shim".to_owned(), home: None, windows: false }
}

fn wanted(client: Client, part: Part, caller: &Caller) -> Wanted<'_> {
    Wanted { client, part, caller }
}

/// Installs and uninstalls, and looks whether every byte came back, with the text from before at hand.
#[track_caller]
fn comes_back(text: &str, client: Client, part: Part) -> String {
    let caller = caller();
    let wanted = wanted(client, part, &caller);
    let installed = install(text, &wanted).unwrap();
    assert_ne!(installed, text);
    assert!(is_installed(&installed, &wanted), "{installed}");
    assert_eq!(install(&installed, &wanted).unwrap(), installed, "a second install changes nothing");
    let left = uninstall(&installed, &wanted, Some(text)).unwrap();
    assert!(left == text || (text.trim().is_empty() && is_empty(&left)), "{text:?}\n{installed}\n{left:?}");
    installed
}

#[test]
fn an_entry_stands_in_the_style_of_its_file() {
    let server = "\"command\": \"/opt/shim/bin/shim\"";
    for (text, installed) in [
        (
            "",
            format!(
                "{{\n  \"mcpServers\": {{\n    \"shim\": {{\n      {server},\n      \"args\": [\n        \"mcp\"\n      ]\n    }}\n  }}\n}}\n"
            ),
        ),
        (
            "{}",
            format!(
                "{{\n  \"mcpServers\": {{\n    \"shim\": {{\n      {server},\n      \"args\": [\n        \"mcp\"\n      ]\n    }}\n  }}\n}}"
            ),
        ),
        (
            "{\"a\":1}",
            "{\"a\":1,\"mcpServers\":{\"shim\":{\"command\":\"/opt/shim/bin/shim\",\"args\":[\"mcp\"]}}}"
                .to_owned(),
        ),
        (
            "{ \"a\": 1 }\n",
            format!("{{ \"a\": 1, \"mcpServers\": {{\"shim\": {{{server}, \"args\": [\"mcp\"]}}}} }}\n"),
        ),
        (
            "{\r\n\t\"mcpServers\": {\r\n\t\t\"b\": {},\r\n\t},\r\n}",
            format!(
                "{{\r\n\t\"mcpServers\": {{\r\n\t\t\"b\": {{}},\r\n\t\t\"shim\": {{\r\n\t\t\t{server},\r\n\t\t\t\"args\": [\r\n\t\t\t\t\"mcp\"\r\n\t\t\t]\r\n\t\t}},\r\n\t}},\r\n}}"
            ),
        ),
        (
            "\u{feff}{\n    // mine\n    \"a\": 1 // last\n}",
            format!(
                "\u{feff}{{\n    // mine\n    \"a\": 1, // last\n    \"mcpServers\": {{\n        \"shim\": {{\n            {server},\n            \"args\": [\n                \"mcp\"\n            ]\n        }}\n    }}\n}}"
            ),
        ),
    ] {
        assert_eq!(comes_back(text, Client::Gemini, Part::Mcp), installed);
    }
}

const STYLES: [&str; 16] = [
    "",
    "\n",
    "{}",
    "{ }\n",
    "{\n}\n",
    "{\n\n  \n}",
    "{ // nothing yet\n}",
    "/* head */ { /* nothing yet */ } // tail",
    "{\"a\":[1,2,{\"b\":null}],\"hooks\":{}}",
    "{\n  \"hooks\": {\n  },\n  \"a\": \"}{\\\"//\"\n}",
    "{\r\n  \"z\": 1,\r\n  \"hooks\": { \"Stop\": [] }\r\n}\r\n",
    "{\n\t\"mcpServers\": {}, // none\n\t/* b */ \"b\": [ ],\n}",
    "{\"hooks\": {\"Stop\": [{\"hooks\": [{\"type\": \"command\", \"command\": \"mine\"}]}]}}",
    "{\n  \"hooks\": {\n    \"SessionStart\": [\n      {\n        \"matcher\": \"startup\",\n        \"hooks\": [\n          {\"type\": \"command\", \"command\": \"a hook b --client c\"}\n        ]\n      }, // first\n    ],\n  }\n}",
    "\u{feff}{\n \"a\": {\"mcpServers\": 1}\n}",
    "{\"mcp\": {\"other\": {\"type\": \"local\"}}, \"mcpServers\": {\"x\": {\"command\": \"y\"}}}",
];

#[test]
fn every_byte_comes_back_in_every_style() {
    for text in STYLES {
        for client in [Client::ClaudeCode, Client::Codex, Client::Gemini] {
            comes_back(text, client, Part::Hooks);
        }
        for client in [Client::ClaudeCode, Client::ClaudeDesktop, Client::Gemini, Client::Opencode] {
            comes_back(text, client, Part::Mcp);
        }
    }
}

#[test]
fn parts_come_and_go_in_any_order() {
    let caller = caller();
    for text in STYLES.iter().filter(|text| !text.trim().is_empty()) {
        for parts in [[Part::Hooks, Part::Mcp], [Part::Mcp, Part::Hooks]] {
            let all = parts.iter().fold((*text).to_owned(), |text, part| {
                install(&text, &wanted(Client::Gemini, *part, &caller)).unwrap()
            });
            let left = parts.iter().fold(all, |all, part| {
                uninstall(&all, &wanted(Client::Gemini, *part, &caller), Some(text)).unwrap()
            });
            assert_eq!(left, *text);
        }
    }
}

#[test]
fn what_somebody_else_added_since_stays() {
    let caller = caller();
    let wanted = wanted(Client::ClaudeCode, Part::Hooks, &caller);
    let text = "{\n  \"model\": \"opus\"\n}\n";
    let installed = install(text, &wanted).unwrap();
    let theirs = "{\n        \"hooks\": [\n          {\n            \"type\": \"command\",\n            \"command\": \"say done\"\n          }\n        ]\n      }";
    let changed = installed
        .replace("\"model\": \"opus\",", "\"model\": \"sonnet\", // faster")
        .replace("\"Stop\": [\n      ", &format!("\"Stop\": [\n      {theirs},\n      "));
    assert_ne!(changed, installed);
    let left = uninstall(&changed, &wanted, Some(text)).unwrap();
    assert_eq!(
        left,
        format!(
            "{{\n  \"model\": \"sonnet\", // faster\n  \"hooks\": {{\n    \"Stop\": [\n      {theirs}\n    ]\n  }}\n}}\n"
        )
    );
}

#[test]
fn an_older_shim_is_replaced_and_another_data_folder_is_left_alone() {
    let (old, new) = (caller(), Caller { program: "/usr/local/my bin/shim".to_owned(), ..caller() });
    let other = Caller { home: Some("/srv/an other".to_owned()), ..caller() };
    for client in [Client::ClaudeCode, Client::Codex, Client::Gemini] {
        let with = |text: &str, caller| install(text, &wanted(client, Part::Hooks, caller)).unwrap();
        let both = with(&with("{}", &old), &other);
        let renewed = with(&both, &new);
        assert_eq!(
            renewed.matches("/opt/shim/bin/shim").count() * 2,
            both.matches("/opt/shim/bin/shim").count()
        );
        assert_eq!(
            renewed.matches(r#"\"/usr/local/my bin/shim\" hook"#).count(),
            both.matches(" hook ").count() / 2
        );
        let left = uninstall(&renewed, &wanted(client, Part::Hooks, &old), None).unwrap();
        assert_eq!(left, with("{}", &other));
    }
    for client in [Client::ClaudeCode, Client::Codex, Client::Gemini, Client::Opencode] {
        let text = if client == Client::Codex { "model = \"m\"\n" } else { "{}" };
        let installed = install(text, &wanted(client, Part::Mcp, &old)).unwrap();
        let renewed = install(&installed, &wanted(client, Part::Mcp, &new)).unwrap();
        assert_eq!(renewed, installed.replace("/opt/shim/bin/shim", "/usr/local/my bin/shim"));
        assert_eq!(uninstall(&renewed, &wanted(client, Part::Mcp, &other), None).unwrap(), renewed);
    }
}

#[test]
fn hooks_that_no_longer_serve_or_stand_twice_are_taken_out() {
    let caller = caller();
    let wanted = wanted(Client::Codex, Part::Hooks, &caller);
    let hook = |event| {
        format!(r#"{{"hooks":[{{"type":"command","command":"/old/shim hook {event} --client codex"}}]}}"#)
    };
    let text = format!(
        r#"{{"hooks":{{"PostToolUse":[{}],"Stop":[{},{}]}}}}"#,
        hook("PostToolUse"),
        hook("Stop"),
        hook("Stop")
    );
    let installed = install(&text, &wanted).unwrap();
    assert!(!installed.contains("/old/shim"), "{installed}");
    assert_eq!(installed.matches("hook Stop").count(), 1);
    assert!(installed.contains(r#""PostToolUse":[]"#), "{installed}");
}

#[test]
fn what_cannot_be_edited_is_refused_with_its_line() {
    let caller = caller();
    let malformed = |line, why: &str| Wrong::Malformed { line, why: why.to_owned() };
    let shape = |line, what: &str, wanted| Wrong::Shape { line, what: what.to_owned(), wanted };
    for (client, part, text, wrong) in [
        (Client::Gemini, Part::Mcp, "{\n  \"a\": 1\n  \"b\": 2\n}", malformed(2, "expected comma")),
        (Client::Gemini, Part::Mcp, "{\n  \"a\": \n", malformed(3, "expected value")),
        (Client::Gemini, Part::Mcp, "{a: 1}", malformed(1, "expected string for object property")),
        (Client::ClaudeCode, Part::Hooks, "\n[]", shape(2, "its content", "an object")),
        (Client::ClaudeCode, Part::Hooks, "{\"hooks\":\n[]}", shape(2, "`hooks`", "an object")),
        (Client::ClaudeCode, Part::Hooks, "{\"hooks\":{\"Stop\":\n{}}}", shape(2, "`hooks.Stop`", "a list")),
        (Client::Opencode, Part::Mcp, "{\"mcp\": []}", shape(1, "`mcp`", "an object")),
        (
            Client::ClaudeCode,
            Part::Mcp,
            "{\"mcpServers\": {\n\"shim\": {\"command\": \"theirs\"}}}",
            Wrong::Taken { line: 2, what: "`mcpServers.shim`".to_owned() },
        ),
        (
            Client::Codex,
            Part::Mcp,
            "a = 1\nmcp_servers = { x = { command = \"y\" } }\n",
            shape(2, "`mcp_servers`", "a table that can be added to"),
        ),
        (Client::Opencode, Part::Hooks, "{}", Wrong::Unsupported("hooks that run a program")),
    ] {
        let found = install(text, &wanted(client, part, &caller)).unwrap_err();
        if let (Wrong::Malformed { line, .. }, Wrong::Malformed { line: expected, .. }) = (&found, &wrong) {
            assert_eq!(line, expected, "{text}: {found}");
        } else {
            assert_eq!(found, wrong, "{text}");
        }
    }
    let found = install("a = 1\nb = \n", &wanted(Client::Codex, Part::Mcp, &caller)).unwrap_err();
    assert!(matches!(found, Wrong::Malformed { line: 2, .. }), "{found:?}");
}

#[test]
fn a_table_of_codex_comes_and_goes() {
    for text in [
        "",
        "model = \"m\"",
        "model = \"m\"\n",
        "# mine\r\n[a]\r\nb = 1 # c\r\n",
        "[mcp_servers.x]\ncommand = \"y\"\n\n\n",
        "mcp_servers.x.command = \"y\"\n",
    ] {
        comes_back(text, Client::Codex, Part::Mcp);
    }
    let caller = caller();
    let wanted = wanted(Client::Codex, Part::Mcp, &caller);
    let installed = install("a = 1\n", &wanted).unwrap();
    assert_eq!(
        installed,
        "a = 1\n\n[mcp_servers.shim]\ncommand = \"/opt/shim/bin/shim\"\nargs = [\"mcp\"]\n"
    );
    let more = format!("{installed}startup_timeout_sec = 20 # slow disk\n\n# theirs\n[z]\n");
    assert_eq!(uninstall(&more, &wanted, Some("a = 1\n")).unwrap(), "a = 1\n\n# theirs\n[z]\n");
}

#[test]
fn what_keeps_entries_from_having_an_effect_is_told() {
    let caller = caller();
    for (client, part, text, told) in [
        (Client::ClaudeCode, Part::Hooks, "{\"disableAllHooks\": true}", &["disableAllHooks"][..]),
        (Client::ClaudeCode, Part::Mcp, "{\"disableAllHooks\": true}", &[]),
        (Client::ClaudeCode, Part::Hooks, "\u{feff}{\"disableAllHooks\": false}", &[]),
        (Client::Gemini, Part::Hooks, "{\"hooksConfig\": {\"enabled\": false}}", &["hooksConfig.enabled"]),
        (Client::ClaudeCode, Part::Hooks, "{\n// c\n\"a\": [1,\n],\n}", &["line 2", "line 3"]),
        (Client::Codex, Part::Hooks, "\u{feff}{\n}", &["byte order mark"]),
        (Client::Gemini, Part::Mcp, "{ // c\n\"a\": 1,\n}", &["line 2"]),
        (Client::Opencode, Part::Mcp, "{ // c\n\"a\": 1,\n}", &[]),
        (Client::Codex, Part::Mcp, "# c\na = 1", &[]),
    ] {
        let found = hindrances(text, &wanted(client, part, &caller));
        assert_eq!(found.len(), told.len(), "{text}: {found:?}");
        assert!(found.iter().zip(told).all(|(found, words)| found.contains(words)), "{text}: {found:?}");
    }
}

#[test]
fn a_command_is_written_for_the_shell_that_runs_it() {
    let strange = Caller {
        program: "/my $(x) `y` \"z\"/shim".to_owned(),
        home: Some("/a b".to_owned()),
        windows: false,
    };
    let windows = Caller { program: r"C:\Program Files\shim.exe".to_owned(), home: None, windows: true };
    for (client, caller, written) in [
        (
            Client::Codex,
            &strange,
            r#""\"/my \\$(x) \\`y\\` \\\"z\\\"/shim\" hook Stop --client codex --home \"/a b\"""#,
        ),
        (Client::ClaudeCode, &windows, r#""C:\\Program Files\\shim.exe""#),
        (
            Client::Gemini,
            &windows,
            r#""& 'C:\\Program Files\\shim.exe' 'hook' 'AfterAgent' '--client' 'gemini'""#,
        ),
        (Client::Codex, &windows, r#""cmd /c \"C:\\Program Files\\shim.exe\" hook Stop --client codex""#),
    ] {
        let wanted = wanted(client, Part::Hooks, caller);
        let installed = install("{}", &wanted).unwrap();
        assert!(installed.contains(&format!("\"command\": {written}")), "{installed}");
        assert_eq!(install(&installed, &wanted).unwrap(), installed, "it knows its own");
        assert_eq!(uninstall(&installed, &wanted, Some("{}")).unwrap(), "{}");
    }
}

/// White space and comments between tokens.
fn trivia() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => Just(""), 3 => Just(" "), 3 => Just("\n"), 2 => Just("\r\n  "), 2 => Just("\n\t"),
        1 => Just("// c, }\n"), 1 => Just("/* { \" */"), 1 => Just(" // d\r\n")
    ];
    prop::collection::vec(part, 0..3).prop_map(|parts| parts.concat())
}

fn comma_separated(
    open: char,
    parts: &[(String, String, String)],
    last: &str,
    trailing: bool,
    close: char,
) -> String {
    let mut text = String::from(open);
    for (index, (before, part, after)) in parts.iter().enumerate() {
        let comma = if index + 1 < parts.len() || trailing { "," } else { "" };
        text.push_str(&format!("{before}{part}{after}{comma}"));
    }
    format!("{text}{last}{close}")
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("1"),
        Just("-2.5e3"),
        Just("null"),
        Just("true"),
        Just("\"a \\\" // b\""),
        Just("{}"),
        Just("[]")
    ];
    leaf.prop_map(str::to_owned).prop_recursive(3, 24, 4, |inner| {
        let list =
            (prop::collection::vec((trivia(), inner.clone(), trivia()), 0..4), trivia(), any::<bool>());
        prop_oneof![
            list.prop_map(|(parts, last, trailing)| comma_separated('[', &parts, &last, trailing, ']')),
            object(inner),
        ]
    })
}

fn object(inner: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let key = prop_oneof![3 => "[a-z]{1,3}", 1 => Just("hooks".to_owned()), 1 => Just("mcpServers".to_owned()), 1 => Just("Stop".to_owned())];
    let member = (trivia(), key, trivia(), inner, trivia());
    let part = member.prop_map(|(before, key, colon, value, after)| {
        (before, format!("\"{key}\"{colon}:{colon}{value}"), after)
    });
    (prop::collection::vec(part, 0..4), trivia(), any::<bool>())
        .prop_map(|(parts, last, trailing)| comma_separated('{', &parts, &last, trailing, '}'))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn install_and_uninstall_give_back_any_file_that_can_be_read(
        head in trivia(), root in object(json()), tail in trivia(), hooks in any::<bool>(),
    ) {
        let (text, caller) = (format!("{head}{root}{tail}"), caller());
        let part = if hooks { Part::Hooks } else { Part::Mcp };
        let wanted = wanted(Client::ClaudeCode, part, &caller);
        match install(&text, &wanted) {
            Err(Wrong::Shape { .. }) => {}
            Err(wrong) => prop_assert!(false, "{wrong:?}: {text:?}"),
            Ok(installed) => {
                prop_assert!(is_installed(&installed, &wanted));
                let left = uninstall(&installed, &wanted, Some(&text)).unwrap();
                prop_assert_eq!(&left, &text, "{}", installed);
                // Somebody wrote before and behind it meanwhile.
                let changed = format!("// theirs\n{installed}\n");
                prop_assert_eq!(uninstall(&changed, &wanted, Some(&text)).unwrap(), format!("// theirs\n{text}\n"));
            }
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}", json in "[\\[\\]{}\":, /*a\\n]{0,40}") {
        let caller = caller();
        for text in [text, json] {
            for (client, part) in [(Client::ClaudeCode, Part::Hooks), (Client::Gemini, Part::Mcp), (Client::Codex, Part::Mcp)] {
                let wanted = wanted(client, part, &caller);
                let _ = install(&text, &wanted);
                let _ = uninstall(&text, &wanted, None);
            }
        }
    }
}
