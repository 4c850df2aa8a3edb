//! Groups, days, messages and ids of fingerprints.

use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn frozen(version: &str) -> Traits {
    Traits {
        client: Client::ClaudeCode,
        kind: CrashKind::Hung,
        client_version: Some(version.to_owned()),
        last_tool: None,
        memory: None,
        message: None,
    }
}

#[test]
fn crashes_that_look_alike_are_counted_as_one() {
    // A Saturday.
    let now = at("2026-11-21T12:00:00.000Z");
    let seen = [
        (frozen("2.1.329"), at("2026-11-17T23:30:00.000Z")),
        (frozen("2.1.330"), at("2026-11-21T08:00:00.000Z")),
        (frozen("2.1.329"), at("2026-11-20T08:00:00.000Z")),
        (frozen("2.1.329"), at("2026-11-19T08:00:00.000Z")),
    ];
    let groups = group(seen, now, 0);
    let told: Vec<_> = groups.iter().map(|group| (group.words.as_str(), group.count)).collect();
    assert_eq!(
        told,
        [("Claude Code 2.1.330 froze today", 1), ("Claude Code 2.1.329 froze 3 times since Tuesday", 3),]
    );
    assert_eq!(
        (groups[1].first_seen, groups[1].last_seen),
        (at("2026-11-17T23:30:00.000Z"), at("2026-11-20T08:00:00.000Z"))
    );
}

/// Whatever else tells its crashes apart stands below it.
#[test]
fn a_sentence_counts_every_crash_of_the_version_and_kind_it_names() {
    let now = at("2026-11-21T12:00:00.000Z");
    let with = |tool: Option<&str>, mib: Option<u64>| Traits {
        last_tool: tool.map(str::to_owned),
        memory: mib.map(|mib| MemoryClass::of(mib * MIB)),
        ..frozen("2.1.329")
    };
    let seen = [
        (with(Some("Bash"), Some(100)), at("2026-11-17T08:00:00.000Z")),
        (with(Some("Bash"), Some(100)), at("2026-11-18T08:00:00.000Z")),
        (with(None, None), at("2026-11-19T08:00:00.000Z")),
        (with(Some("Edit"), Some(3000)), at("2026-11-20T08:00:00.000Z")),
        (Traits { kind: CrashKind::Killed, ..with(None, None) }, at("2026-11-16T08:00:00.000Z")),
    ];
    let groups = group(seen, now, 0);
    let words: Vec<_> = groups.iter().map(|group| group.words.as_str()).collect();
    assert_eq!(
        words,
        ["Claude Code 2.1.329 froze 4 times since Tuesday", "Claude Code 2.1.329 was killed on Monday"]
    );
    let parts: Vec<_> = groups[0].parts.iter().map(|part| (part.count, part.shared.as_str())).collect();
    assert_eq!(parts, [(1, "in Edit, 2 to 4 GB of memory"), (1, ""), (2, "in Bash, below 512 MB of memory")]);
}

#[test]
fn every_kind_of_crash_is_named() {
    let said: std::collections::BTreeSet<_> = CrashKind::ALL.into_iter().map(done).collect();
    assert_eq!(said.len(), CrashKind::ALL.len());
}

#[test]
fn days_are_named_as_the_reader_names_them() {
    let now = at("2026-11-21T12:00:00.000Z");
    for (seen, offset, name) in [
        ("2026-11-21T00:10:00.000Z", 0, "today"),
        ("2026-11-21T00:10:00.000Z", -60, "yesterday"),
        ("2026-11-20T23:10:00.000Z", 60, "today"),
        ("2026-11-19T10:00:00.000Z", 0, "Thursday"),
        ("2026-11-15T10:00:00.000Z", 0, "Sunday"),
        ("2026-11-14T10:00:00.000Z", 0, "14 November"),
        ("2025-11-14T10:00:00.000Z", 0, "14 November 2025"),
        ("2026-11-22T10:00:00.000Z", 0, "today"),
    ] {
        assert_eq!(Day::of(at(seen), now, offset).name(), name, "{seen} {offset}");
    }
}

#[test]
fn a_count_is_said_as_people_say_it() {
    let (today, tuesday) = (Day::Today, Day::Weekday("Tuesday"));
    for (count, day, end) in [
        (1, &today, "froze today"),
        (1, &tuesday, "froze on Tuesday"),
        (2, &today, "froze twice today"),
        (2, &tuesday, "froze twice since Tuesday"),
        (6, &today, "froze 6 times today"),
        (6, &tuesday, "froze 6 times since Tuesday"),
    ] {
        let words = sentence(&frozen("2.1.329"), count, day);
        assert_eq!(words, format!("Claude Code 2.1.329 {end}"));
    }
}

#[test]
fn what_differs_from_time_to_time_is_taken_out_of_a_message() {
    for (message, kept) in [
        ("API Error: 529 overloaded", "API Error: # overloaded"),
        ("request req_011CSHoEeqs5C35K2UUqR7Fy failed after 10000ms", "request # failed after #"),
        ("ENOENT: no such file, open '/home/ada/p 1/x.ts'", "ENOENT: no such file, open '… #'"),
        ("chat 22222222-aaaa-4bbb-8ccc-000000000000 is gone", "chat # is gone"),
        ("FATAL ERROR: heap limit Allocation failed", "FATAL ERROR: heap limit Allocation failed"),
        ("C:\\Users\\ada\\x is locked (pid 4711)", "… is locked (pid #)"),
        ("1 2 3 tries", "# tries"),
        ("", ""),
    ] {
        assert_eq!(normalise(message), kept, "{message}");
    }
    assert!(normalise(&"word ".repeat(500)).chars().count() <= MESSAGE_CHARS_MAX + 1);
}

#[test]
fn an_id_stays_the_same_and_differs_with_each_trait() {
    let base = frozen("2.1.329");
    assert_eq!(base.id(), "346f99a28ddd");
    let others = [
        Traits { client: Client::Codex, ..base.clone() },
        Traits { kind: CrashKind::Killed, ..base.clone() },
        Traits { client_version: None, ..base.clone() },
        Traits { last_tool: Some("Bash".to_owned()), ..base.clone() },
        Traits { memory: Some(MemoryClass::Below1Gb), ..base.clone() },
        Traits { message: Some("Bash".to_owned()), ..base.clone() },
    ];
    let ids: std::collections::BTreeSet<_> = others.iter().chain([&base]).map(Traits::id).collect();
    assert_eq!(ids.len(), others.len() + 1);
}

#[test]
fn what_is_shared_is_said() {
    let traits = Traits {
        last_tool: Some("Bash".to_owned()),
        memory: Some(MemoryClass::of(1536 * MIB)),
        message: Some("API Error: # overloaded".to_owned()),
        ..frozen("2.1.329")
    };
    assert_eq!(shared(&traits), "in Bash, 1 to 2 GB of memory, “API Error: # overloaded”");
    assert_eq!(shared(&frozen("2.1.329")), "");
}

#[test]
fn memory_is_told_in_classes() {
    for (mib, class) in [
        (0, MemoryClass::Below512Mb),
        (511, MemoryClass::Below512Mb),
        (512, MemoryClass::Below1Gb),
        (2048, MemoryClass::Below4Gb),
        (u64::MAX / MIB, MemoryClass::Above4Gb),
    ] {
        assert_eq!(MemoryClass::of(mib * MIB), class);
    }
}
