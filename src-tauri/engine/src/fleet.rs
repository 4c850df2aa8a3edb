//! Bringing many chats back: what is offered, the job that is under way, and each of its restores on a thread of
//! its own. The watch owns the job; it is written down before each step.

use std::time::{Duration, Instant};

use shim_api::{
    ApiError,
    error::ErrorCode,
    events::Event as Told,
    fleet::{FleetReceipts, FleetView, Offered, Options},
    restore::{Receipt, Step},
};
use shim_core::{
    chats::{ChatId, ChatState, Client},
    crashes::CrashKind,
    fleet::{Effect, Ended, Event, Fleet, ITEMS_MAX, Item, ItemState, needs_of},
    policy::{Action, Permission},
};
use shim_store::{CrashRow, Urgency, faults};

use crate::{
    policy::request_of,
    processes, restore,
    run::{Handle, Watch, now},
    views,
};

/// How often memory is looked at while a fleet has more to begin.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often it is told how much is free while there is too little.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// The fleet that was begun last, and what came of it in this engine's life.
#[derive(Default)]
pub struct Job {
    pub fleet: Option<Fleet>,
    receipts: Vec<Receipt>,
    looked: Option<Instant>,
    told: Option<Instant>,
    /// Restores that the end of an engine cut, and until when their clients may still show themselves.
    cut: Vec<(ChatId, i64)>,
    cut_until: Option<Instant>,
}

/// Begins a fleet over all that is offered; where one is under way, that one is joined.
pub fn begin(handle: &Handle, options: Options) -> Result<FleetView, ApiError> {
    handle.call(move |watch| {
        if watch.job.fleet.as_ref().is_none_or(Fleet::is_over) {
            watch.begin_fleet(options)?;
        }
        watch.fleet_view()
    })?
}

pub fn cancel(handle: &Handle) -> Result<FleetView, ApiError> {
    handle.call(|watch| {
        if watch.job.fleet.is_none() {
            return Err(ApiError::new(ErrorCode::NotFound, "no chats are being brought back"));
        }
        watch.decide_fleet(Event::Cancel);
        watch.fleet_view()
    })?
}

pub fn view(handle: &Handle) -> Result<FleetView, ApiError> {
    handle.call(|watch| watch.fleet_view())?
}

pub fn receipts(handle: &Handle) -> Result<FleetReceipts, ApiError> {
    handle.call(|watch| {
        let fleet = watch.job.fleet.clone();
        let fleet =
            fleet.ok_or_else(|| ApiError::new(ErrorCode::NotFound, "no chats were brought back yet"))?;
        Ok(FleetReceipts { fleet, receipts: watch.job.receipts.clone() })
    })?
}

impl Watch {
    fn fleet_view(&mut self) -> Result<FleetView, ApiError> {
        let offer = self.offered()?.into_iter().map(|row| Offered {
            title: self.chats.get(&row.chat).map_or_else(
                || row.chat.to_string(),
                |chat| views::title(&row.chat, chat, &self.home.settings()),
            ),
            needs: self.needs(&row),
            crash: row.id,
            chat: row.chat,
        });
        Ok(FleetView {
            offer: offer.collect(),
            fleet: self.job.fleet.clone(),
            memory_available: processes::memory_available(),
        })
    }

    /// Open crashes of chats that nobody holds, ended or closed, the most recent chat first.
    fn offered(&self) -> Result<Vec<CrashRow>, ApiError> {
        let open: Vec<_> = self.open_crashes.iter().map(|(chat, crash)| (chat.clone(), *crash)).collect();
        let rows = self.home.store.read(|store| {
            let rows = open.iter().map(|(_, crash)| store.crash(*crash));
            rows.collect::<Result<Vec<_>, _>>()
        });
        let mut rows: Vec<_> = rows.map_err(views::store_error)?.into_iter().flatten().collect();
        rows.retain(|row| {
            let chat = &row.chat;
            chat.client() != Client::ClaudeDesktop
                && (row.kind != CrashKind::Hung || row.ended)
                && !crate::clinic::ails(row.kind)
                && !row.resolved
                && matches!(self.supervisor.state(chat), ChatState::Crashed | ChatState::Ended)
                && (row.kind == CrashKind::Shutdown || !self.policy.is_closed(chat))
        });
        let recent = |row: &CrashRow| {
            let active = self.chats.get(&row.chat).map(|chat| chat.last_activity);
            active.unwrap_or_default().max(row.happened_at)
        };
        rows.sort_by_key(|row| std::cmp::Reverse((recent(row), row.id)));
        rows.truncate(ITEMS_MAX);
        Ok(rows)
    }

    fn needs(&self, row: &CrashRow) -> u64 {
        // Putting a chat back into its client's list starts nothing.
        let took = self.chats.get(&row.chat).and_then(|chat| chat.took_bytes);
        if row.kind == CrashKind::IndexLost { 0 } else { took.unwrap_or(needs_of(row.chat.client())) }
    }

    fn begin_fleet(&mut self, options: Options) -> Result<(), ApiError> {
        let item = |row: CrashRow| Item {
            needs: self.needs(&row),
            chat: row.chat,
            crash: row.id,
            state: ItemState::Waiting,
        };
        let items = self.offered()?.into_iter().map(item).collect();
        let fleet = Fleet::new(0, now(), options, items);
        let fleet = if options.dry_run {
            fleet
        } else {
            let boot = processes::boot_id();
            let kept = self.home.store.write(Urgency::AtOnce, move |store| store.new_fleet(&boot, fleet));
            kept.map_err(views::store_error)?
        };
        tracing::info!(chats = fleet.items.len(), "bringing chats back");
        self.job = Job { fleet: Some(fleet), ..Job::default() };
        self.decide_fleet(Event::Look { available: processes::memory_available() });
        Ok(())
    }

    /// A fleet that an engine before this one had not ended: goes on where it may, else what is left is offered again.
    pub fn take_up_fleet(&mut self) {
        let Ok(Some((boot, fleet))) = self.home.store.read(|store| store.last_fleet()) else { return };
        if self.job.fleet.is_some() || fleet.is_over() {
            return;
        }
        let same_boot = boot == processes::boot_id();
        let may = self.policy.may(Action::GoOnWithFleet { same_boot, dry_run: fleet.options.dry_run });
        let running = fleet.items.iter().filter(|item| item.state == ItemState::Running);
        let running: Vec<_> = running.map(|item| (item.chat.clone(), item.crash)).collect();
        self.job = Job { fleet: Some(fleet), ..Job::default() };
        if !matches!(may, Permission::Yes(_)) {
            self.decide_fleet(Event::Cancel);
        }
        self.job.cut = running;
        self.job.cut_until = Some(Instant::now() + self.home.settings().restore_start_timeout);
        self.settle_cut();
        if let Permission::Ask(why) = may {
            tracing::info!("a restore of many chats is not gone on with: {why}");
        }
    }

    /// What became of the restores that the end of an engine cut. A client that was started may take a while to show.
    fn settle_cut(&mut self) {
        let waits = self.job.cut_until.is_some_and(|until| Instant::now() < until);
        for (chat, crash) in std::mem::take(&mut self.job.cut) {
            let alive = !self.supervisor.possible_processes(&chat).is_empty();
            let started = self.was_started(&chat, crash);
            if started && !alive && waits {
                self.job.cut.push((chat, crash));
            } else {
                self.decide_fleet(Event::Cut { chat, started, alive });
            }
        }
    }

    /// Begins what there is room for.
    pub fn look_after_fleet(&mut self) {
        let due = self.job.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY);
        if due && !self.job.cut.is_empty() {
            self.job.looked = Some(Instant::now());
            self.settle_cut();
        }
        if due && self.job.fleet.as_ref().is_some_and(Fleet::goes_on) && self.sweeps > 0 {
            self.decide_fleet(Event::Look { available: processes::memory_available() });
            if self.job.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                self.tell_of_fleet();
            }
        }
    }

    pub fn fleet_goes_on(&self) -> bool {
        !self.job.cut.is_empty() || self.job.fleet.as_ref().is_some_and(Fleet::goes_on)
    }

    /// The chat is alive again, whoever brought it back.
    pub fn fleet_hears_of(&mut self, chat: &ChatId) {
        if self.fleet_goes_on() {
            self.decide_fleet(Event::Gone { chat: chat.clone() });
        }
    }

    fn decide_fleet(&mut self, event: Event) {
        self.job.looked = Some(Instant::now());
        // Nothing is begun while the system goes down; what was begun may end.
        if self.freeze.is_on() && matches!(event, Event::Look { .. }) {
            return;
        }
        let (limits, at) = (self.home.settings().fleet, now());
        let Some(fleet) = &mut self.job.fleet else { return };
        let before = fleet.clone();
        let effects = fleet.handle(event, limits, at);
        let begins = effects.iter().any(|effect| matches!(effect, Effect::Start { .. }));
        for effect in effects {
            match effect {
                Effect::Remember => {
                    if let Err(error) = self.keep_fleet() {
                        self.warn(error.message);
                        if begins {
                            // What could not be written down is not begun; it is tried again with the next look.
                            self.job.fleet = Some(before);
                            return;
                        }
                    }
                    self.tell_of_fleet();
                }
                Effect::Start { crash, chat } => self.restore_of_fleet(chat, crash),
                Effect::Finished => self.fleet_is_over(),
            }
        }
    }

    fn tell_of_fleet(&mut self) {
        self.job.told = Some(Instant::now());
        self.handle.tell(Told::FleetChanged);
    }

    fn keep_fleet(&self) -> Result<(), ApiError> {
        let Some(fleet) = self.job.fleet.clone().filter(|fleet| !fleet.options.dry_run) else {
            return Ok(());
        };
        let kept = self.home.store.write(Urgency::AtOnce, move |store| store.put_fleet(&fleet));
        kept.map_err(views::store_error)
    }

    fn restore_of_fleet(&mut self, chat: ChatId, crash: i64) {
        let row = self.home.store.read(|store| store.crash(crash)).ok().flatten();
        if row.is_some_and(|row| row.resolved) {
            // It came back by itself, or its user stopped it, since the fleet was begun.
            return self.decide_fleet(Event::Gone { chat });
        }
        let Some(fleet) = &self.job.fleet else { return };
        let (id, options) = (fleet.id, fleet.options);
        let request = request_of(crash, options.headless, options.then, options.dry_run);
        let why = Step {
            step: "fleet".to_owned(),
            ok: true,
            detail: format!("one of {} that its user asked for together", fleet.items.len()),
        };
        let handle = self.handle.clone();
        faults::boundary("fleet.item.begun");
        self.on_a_thread(move || {
            let answer = restore::restore_because(&handle, &request, Some(why));
            faults::boundary("fleet.item.ended");
            let _ = handle.call(move |watch| watch.restored_of_fleet(id, chat, answer));
        });
    }

    fn restored_of_fleet(&mut self, id: i64, chat: ChatId, answer: Result<Receipt, ApiError>) {
        if self.job.fleet.as_ref().is_none_or(|fleet| fleet.id != id) {
            return;
        }
        let (_, why) = crate::policy::came_of(&answer);
        let receipt = answer.as_ref().ok();
        let ended = Ended {
            chat,
            receipt: receipt.map(|receipt| receipt.id),
            ok: receipt.is_some_and(|receipt| receipt.ok),
            refused: receipt.and_then(|receipt| receipt.refused.as_ref()).map(|refusal| refusal.reason),
            why,
        };
        if let Ok(receipt) = answer {
            self.job.receipts.push(receipt);
        }
        self.decide_fleet(Event::Ended(ended));
        // The next one need not wait for the next look.
        if self.fleet_goes_on() {
            self.decide_fleet(Event::Look { available: processes::memory_available() });
        }
    }

    fn fleet_is_over(&mut self) {
        let Some(fleet) = &self.job.fleet else { return };
        let back = fleet.items.iter().filter(|item| matches!(item.state, ItemState::Restored { .. })).count();
        tracing::info!(back, of = fleet.items.len(), "chats were brought back: {:?}", fleet.state);
        self.handle.tell(Told::StatusChanged);
    }
}
