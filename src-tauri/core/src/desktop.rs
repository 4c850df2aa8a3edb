//! The machine over Claude Desktop: running, hung or gone, about to update, and what follows from it for the
//! chats that it hosts. It decides; the engine carries out.

use std::time::Duration;

use crate::{chats::ProcessKey, clients::claude_desktop::LogWord, crashes::Evidence, time::Timestamp};

/// A main process without any window's process for this long hangs: a window that is opened anew is back
/// within seconds.
const NO_RENDERER_MAX: Duration = Duration::from_secs(20);
/// An update that was ready this long ago is no longer why the app ends.
const UPDATE_RECENT: Duration = Duration::from_secs(30 * 60);

/// The app's processes, as one look found them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub main: ProcessKey,
    pub renderers: usize,
    /// It writes a log, which would say that a window's process went.
    pub has_log: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// One look at the processes; `None` when none of them is the app's.
    Looked(Option<Seen>),
    Said(LogWord),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Take a checkpoint of every live chat that the app hosts.
    CheckpointHosted,
    /// Tell the user that an update may restart the app at any time.
    TellUpdateReady,
    /// The app came back after an update: tell the user which of its chats were cut.
    TellCameBack,
    RecordHung {
        process: ProcessKey,
        evidence: Vec<Evidence>,
    },
    /// What hung moves again, or is gone.
    ResolveHung,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum App {
    #[default]
    NotRunning,
    Running {
        main: ProcessKey,
        /// A window was seen: before that the app is only starting.
        had_window: bool,
        windowless_since: Option<Timestamp>,
        hung: bool,
    },
}

#[derive(Clone, Debug, Default)]
pub struct Desktop {
    app: App,
    update_ready: Option<Timestamp>,
    /// The app ended after an update was ready, and is not back.
    updating: bool,
    last_words: Option<LogWord>,
}

impl Desktop {
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        match event {
            Event::Said(word) => self.said(word, now),
            Event::Looked(None) => self.gone(now),
            Event::Looked(Some(seen)) => self.seen(seen, now),
        }
    }

    pub fn is_hung(&self) -> bool {
        matches!(self.app, App::Running { hung: true, .. })
    }

    /// Whether a chat of the app that ends at `now` most likely ends by the app's update.
    pub fn is_updating(&self, now: Timestamp) -> bool {
        self.updating || self.update_ready.is_some_and(|ready| now.since(ready) < UPDATE_RECENT)
    }

    fn said(&mut self, word: LogWord, now: Timestamp) -> Vec<Effect> {
        match word {
            LogWord::UpdateDeferred => vec![Effect::CheckpointHosted],
            // The app says it again with every look for updates.
            LogWord::UpdateReady if self.update_ready.replace(now).is_some() => {
                vec![Effect::CheckpointHosted]
            }
            LogWord::UpdateReady => vec![Effect::CheckpointHosted, Effect::TellUpdateReady],
            LogWord::GpuGone | LogWord::RendererGone => {
                self.last_words = Some(word);
                Vec::new()
            }
        }
    }

    fn gone(&mut self, now: Timestamp) -> Vec<Effect> {
        let App::Running { hung, .. } = std::mem::take(&mut self.app) else { return Vec::new() };
        self.updating = self.is_updating(now);
        self.last_words = None;
        if hung { vec![Effect::ResolveHung] } else { Vec::new() }
    }

    fn seen(&mut self, seen: Seen, now: Timestamp) -> Vec<Effect> {
        let is_same = matches!(&self.app, App::Running { main, .. } if *main == seen.main);
        let mut effects = if is_same { Vec::new() } else { self.came(&seen, now) };
        let App::Running { main, had_window, windowless_since, hung } = &mut self.app else { return effects };
        if seen.renderers > 0 {
            (*had_window, *windowless_since) = (true, None);
            self.last_words = None;
            if std::mem::take(hung) {
                effects.push(Effect::ResolveHung);
            }
        } else if *had_window && !*hung && (self.last_words.is_some() || !seen.has_log) {
            // A window that was closed to the tray may have no process either; the log tells the two apart.
            let since = *windowless_since.get_or_insert(now);
            if now.since(since) >= NO_RENDERER_MAX {
                *hung = true;
                let evidence = evidence(main, now.since(since), self.last_words);
                effects.push(Effect::RecordHung { process: main.clone(), evidence });
            }
        }
        effects
    }

    /// A main process that was not there before: the app was started, perhaps right after another ended.
    fn came(&mut self, seen: &Seen, now: Timestamp) -> Vec<Effect> {
        let mut effects = self.gone(now);
        self.app =
            App::Running { main: seen.main.clone(), had_window: false, windowless_since: None, hung: false };
        if std::mem::take(&mut self.updating) {
            self.update_ready = None;
            effects.push(Effect::TellCameBack);
        }
        effects
    }
}

fn evidence(main: &ProcessKey, windowless: Duration, last_words: Option<LogWord>) -> Vec<Evidence> {
    let one = |source: &str, says: String| Evidence { source: source.to_owned(), says };
    let mut evidence = vec![one(
        "process",
        format!("process {} lives, and no window's process for {} s", main.pid, windowless.as_secs()),
    )];
    match last_words {
        Some(LogWord::GpuGone) => {
            evidence.push(one("log", "main.log says that the GPU process is gone".to_owned()))
        }
        Some(LogWord::RendererGone) => {
            evidence.push(one("log", "main.log says that a window's process is gone".to_owned()))
        }
        Some(LogWord::UpdateDeferred | LogWord::UpdateReady) | None => {}
    }
    evidence
}

#[cfg(test)]
mod tests {
    use super::{Desktop, Effect, Event, Seen};
    use crate::{chats::ProcessKey, clients::claude_desktop::LogWord, time::Timestamp};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_ms(second * 1000)
    }

    fn app(pid: u32, renderers: usize) -> Event {
        Event::Looked(Some(Seen {
            main: ProcessKey { pid, start: "1".to_owned() },
            renderers,
            has_log: true,
        }))
    }

    /// Plays events at their seconds and gives the effects of each.
    fn play(events: &[(i64, Event)]) -> Vec<Vec<Effect>> {
        let mut desktop = Desktop::default();
        events.iter().map(|(second, event)| desktop.handle(event.clone(), at(*second))).collect()
    }

    #[test]
    fn a_start_and_a_quit_are_nothing() {
        let events = [(0, app(7, 0)), (5, app(7, 2)), (900, Event::Looked(None)), (910, app(8, 1))];
        assert_eq!(play(&events), [vec![], vec![], vec![], vec![]]);
    }

    #[test]
    fn an_app_that_lost_its_windows_hangs_until_they_are_back() {
        let played = play(&[
            (0, app(7, 1)),
            (10, Event::Said(LogWord::GpuGone)),
            (11, app(7, 0)),
            (20, app(7, 0)),
            (31, app(7, 0)),
            (41, app(7, 0)),
            (50, app(7, 1)),
        ]);
        let [Effect::RecordHung { process, evidence }] = &played[4][..] else { panic!("{played:?}") };
        assert_eq!(process.pid, 7);
        assert_eq!(evidence.iter().map(|e| e.source.as_str()).collect::<Vec<_>>(), ["process", "log"]);
        let rest: Vec<_> = [0, 1, 2, 3, 5].map(|i| played[i].clone()).concat();
        assert_eq!(rest, []);
        assert_eq!(played[6], [Effect::ResolveHung]);
    }

    #[test]
    fn a_window_closed_to_the_tray_is_no_hang() {
        assert_eq!(play(&[(0, app(7, 1)), (10, app(7, 0)), (600, app(7, 0))]).concat(), []);
    }

    #[test]
    fn without_a_log_a_missing_window_speaks_for_itself() {
        let without_log = |renderers| {
            let main = ProcessKey { pid: 7, start: "1".to_owned() };
            Event::Looked(Some(Seen { main, renderers, has_log: false }))
        };
        let played = play(&[(0, without_log(1)), (10, without_log(0)), (30, without_log(0))]);
        assert!(matches!(played[2][..], [Effect::RecordHung { .. }]), "{played:?}");
    }

    #[test]
    fn a_window_that_is_opened_anew_is_no_hang() {
        let played =
            play(&[(0, app(7, 1)), (10, app(7, 0)), (20, app(7, 1)), (30, app(7, 0)), (45, app(7, 0))]);
        assert_eq!(played.concat(), []);
    }

    #[test]
    fn an_app_without_a_window_from_its_start_does_not_hang() {
        assert_eq!(play(&[(0, app(7, 0)), (60, app(7, 0)), (600, app(7, 0))]).concat(), []);
    }

    #[test]
    fn an_update_is_told_before_and_after() {
        let played = play(&[
            (0, app(7, 1)),
            (10, Event::Said(LogWord::UpdateDeferred)),
            (20, Event::Said(LogWord::UpdateReady)),
            (30, Event::Said(LogWord::UpdateReady)),
            (40, Event::Looked(None)),
            (50, app(8, 1)),
            (60, Event::Looked(None)),
            (70, app(9, 1)),
        ]);
        let expected = [
            vec![],
            vec![Effect::CheckpointHosted],
            vec![Effect::CheckpointHosted, Effect::TellUpdateReady],
            vec![Effect::CheckpointHosted],
            vec![],
            vec![Effect::TellCameBack],
            vec![],
            vec![],
        ];
        assert_eq!(played, expected);
    }

    #[test]
    fn a_restart_between_two_looks_is_an_update_too() {
        let played = play(&[(0, app(7, 1)), (5, Event::Said(LogWord::UpdateReady)), (6, app(8, 1))]);
        assert_eq!(played[2], [Effect::TellCameBack]);
    }

    #[test]
    fn an_update_that_was_ready_long_ago_is_not_why_the_app_ends() {
        let mut desktop = Desktop::default();
        desktop.handle(app(7, 1), at(0));
        desktop.handle(Event::Said(LogWord::UpdateReady), at(10));
        assert!(desktop.is_updating(at(60)));
        assert!(!desktop.is_updating(at(10 + 30 * 60)));
        desktop.handle(Event::Looked(None), at(4000));
        assert_eq!(desktop.handle(app(8, 1), at(4010)), []);
    }
}
