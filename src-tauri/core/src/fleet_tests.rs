//! A fleet comes back in order, within its memory, once each, whenever its engine dies.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn chat(n: usize) -> ChatId {
    ChatId::new(Client::ClaudeCode, &n.to_string())
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_ms(1_000_000_000).plus(Duration::from_secs(seconds))
}

fn fleet(chats: usize) -> Fleet {
    let item =
        |n| Item { chat: chat(n), crash: i64::try_from(n).unwrap(), needs: 100, state: ItemState::Waiting };
    Fleet::new(1, at(0), Options::default(), (0..chats).map(item).collect())
}

const LIMITS: Limits = Limits { at_once: 2, reserve: 50, wait: Duration::from_secs(60) };

fn starts(effects: &[Effect]) -> Vec<i64> {
    let started = effects.iter().filter_map(|effect| match effect {
        Effect::Start { crash, .. } => Some(*crash),
        Effect::Remember | Effect::Finished => None,
    });
    started.collect()
}

fn ended(n: usize, ok: bool) -> Event {
    Event::Ended(Ended { chat: chat(n), receipt: Some(7), ok, refused: None, why: "why".to_owned() })
}

#[test]
fn two_at_once_the_most_recent_first_each_written_down_before_it_begins() {
    let mut fleet = fleet(3);
    let effects = fleet.handle(Event::Look { available: 1000 }, LIMITS, at(0));
    assert_eq!((effects.first(), starts(&effects)), (Some(&Effect::Remember), vec![0, 1]));
    assert_eq!(fleet.handle(Event::Look { available: 1000 }, LIMITS, at(1)), []);
    assert_eq!(fleet.handle(ended(1, true), LIMITS, at(2)), [Effect::Remember]);
    assert_eq!(starts(&fleet.handle(Event::Look { available: 1000 }, LIMITS, at(2))), [2]);
    fleet.handle(ended(0, false), LIMITS, at(3));
    assert_eq!(fleet.handle(ended(2, true), LIMITS, at(4)), [Effect::Remember, Effect::Finished]);
    assert_eq!((fleet.state.clone(), fleet.failures_in_a_row), (State::Done, 0));
}

#[test]
fn it_waits_for_memory_and_gives_up_when_none_comes() {
    let mut fleet = fleet(2);
    // Room for one: the second would take what must stay free, for the first has not grown yet.
    assert_eq!(starts(&fleet.handle(Event::Look { available: 240 }, LIMITS, at(0))), [0]);
    assert_eq!(fleet.state, State::WaitingForMemory { needed: 250, since: at(0) });
    fleet.handle(ended(0, true), LIMITS, at(5));
    assert_eq!(starts(&fleet.handle(Event::Look { available: 140 }, LIMITS, at(20))), [] as [i64; 0]);
    let mut better = fleet.clone();
    assert_eq!(starts(&better.handle(Event::Look { available: 150 }, LIMITS, at(21))), [1]);
    let effects = fleet.handle(Event::Look { available: 140 }, LIMITS, at(60));
    assert!(
        matches!(&fleet.state, State::Stopped { why } if why.contains("close something")),
        "{:?}",
        fleet.state
    );
    assert_eq!(effects, [Effect::Remember, Effect::Finished]);
}

/// Each thing to be remembered is a commit on disk.
#[test]
fn while_memory_is_short_a_look_that_changes_nothing_is_not_written_down() {
    let mut fleet = fleet(2);
    let effects = fleet.handle(Event::Look { available: 100 }, LIMITS, at(0));
    assert_eq!(effects, [Effect::Remember]);
    for second in 1..60 {
        assert_eq!(
            fleet.handle(Event::Look { available: 100 - second }, LIMITS, at(second)),
            [],
            "{second} s"
        );
    }
}

#[test]
fn three_failures_in_a_row_stop_it_and_what_is_left_waits() {
    let mut fleet = fleet(6);
    for n in 0..3 {
        fleet.handle(Event::Look { available: 9999 }, Limits { at_once: 1, ..LIMITS }, at(0));
        fleet.handle(ended(n, false), LIMITS, at(0));
    }
    assert!(matches!(fleet.state, State::Stopped { .. }) && fleet.is_over());
    assert_eq!(fleet.handle(Event::Look { available: 9999 }, LIMITS, at(1)), []);
    assert_eq!(fleet.items.iter().filter(|item| item.state == ItemState::Waiting).count(), 3);
}

#[test]
fn a_chat_that_somebody_else_took_up_is_no_failure() {
    let mut fleet = fleet(2);
    fleet.handle(Event::Look { available: 9999 }, LIMITS, at(0));
    let refused = Some(RefusalReason::StillAlive);
    fleet.handle(
        Event::Ended(Ended { chat: chat(0), receipt: None, ok: false, refused, why: "it lives".to_owned() }),
        LIMITS,
        at(0),
    );
    fleet.handle(Event::Gone { chat: chat(1) }, LIMITS, at(0));
    assert_eq!(fleet.failures_in_a_row, 0);
    assert!(matches!(fleet.items[0].state, ItemState::Skipped { .. }));
    assert_eq!(fleet.items[1].state, ItemState::Running, "its own restore tells of that");
}

#[test]
fn once_cancelled_nothing_more_is_begun_and_what_runs_comes_to_its_end() {
    let mut fleet = fleet(4);
    fleet.handle(Event::Look { available: 9999 }, LIMITS, at(0));
    assert_eq!(fleet.handle(Event::Cancel, LIMITS, at(1)), [Effect::Remember]);
    assert_eq!(starts(&fleet.handle(Event::Look { available: 9999 }, LIMITS, at(2))), [] as [i64; 0]);
    fleet.handle(ended(0, true), LIMITS, at(3));
    assert!(!fleet.is_over());
    assert_eq!(fleet.handle(ended(1, true), LIMITS, at(3)), [Effect::Remember, Effect::Finished]);
    assert_eq!(fleet.state, State::Cancelled);
}

#[test]
fn a_rehearsal_needs_no_memory() {
    let mut fleet = fleet(1);
    fleet.options.dry_run = true;
    assert_eq!(starts(&fleet.handle(Event::Look { available: 0 }, LIMITS, at(0))), [0]);
}

proptest! {
    /// Whatever fails and whenever the engine dies: never more at once than allowed, never one twice that was started,
    /// and in the end every chat was tried or the fleet says why not.
    #[test]
    fn each_comes_back_once_whenever_the_engine_dies(rolls in prop::collection::vec((0u8..10, 0u8..8), 1..200)) {
        let mut fleet = fleet(6);
        let (mut running, mut started, mut now) = (Vec::<usize>::new(), BTreeMap::<usize, u32>::new(), 0);
        for (roll, which) in rolls {
            now += 1;
            let pick = running.get(usize::from(which) % running.len().max(1)).copied();
            let effects = match (roll, pick) {
                (0..=4, _) => fleet.handle(Event::Look { available: u64::from(which) * 100 }, LIMITS, at(now)),
                (5 | 6, Some(n)) => {
                    running.retain(|other| *other != n);
                    fleet.handle(ended(n, roll == 5 || which > 2), LIMITS, at(now))
                }
                (7, _) => {
                    // The engine dies, at any point of each restore, and the next one takes up what is written.
                    let text = serde_json::to_string(&fleet).unwrap();
                    fleet = serde_json::from_str(&text).unwrap();
                    for n in std::mem::take(&mut running) {
                        let was_started = (usize::from(which) + n) % 2 == 0;
                        if !was_started { *started.get_mut(&n).unwrap() -= 1; }
                        let alive = was_started && which > 4;
                        fleet.handle(Event::Cut { chat: chat(n), started: was_started, alive }, LIMITS, at(now));
                    }
                    Vec::new()
                }
                (8, _) => fleet.handle(Event::Gone { chat: chat(usize::from(which)) }, LIMITS, at(now)),
                (9, _) if which == 7 => fleet.handle(Event::Cancel, LIMITS, at(now)),
                _ => Vec::new(),
            };
            for crash in starts(&effects) {
                let n = usize::try_from(crash).unwrap();
                running.push(n);
                *started.entry(n).or_insert(0) += 1;
            }
            prop_assert!(running.len() <= LIMITS.at_once, "{running:?}");
            prop_assert!(started.values().all(|times| *times <= 1), "{started:?}");
            let shown: Vec<_> = fleet.items.iter().filter(|item| item.state == ItemState::Running).collect();
            prop_assert_eq!(shown.len(), running.len());
        }
    }
}
