// A host that plays a recorded world, remembers each call, and does what a test tells it to.

import type { ApiError, Chat, ChatSignals, Checkpoint, Event, Finding, FleetView, Hit, InstallRequest, Receipt, RestoreRequest, Status } from '../bindings/api';
import type { Options as FleetOptions } from '../bindings/core';
import type { Host } from './host';
import { verified } from './fake-doctor';
import { crashChart, signalsChart } from './fake-charts';
import { auditOf, evidenceChart, follow } from './fake-experiments';
import { carryOutInstall } from './fake-install';
import { changeSettings } from './fake-settings';
import { calmWorld, emptyWorld, freshWorld, receiptOf, world, type World } from './fake-world';
import { listeners } from './listeners';

type Call = Exclude<keyof Host, 'onEvent' | 'onEngine' | 'onNavigate'>;

export interface FakeHost extends Host {
  world: World;
  /** Each call with its arguments, oldest first. */
  calls: [Call, unknown][];
  /** Rejections by call, until taken out. */
  failures: Map<Call, ApiError>;
  /** While set, no call is answered. */
  silent: boolean;
  emit(event: Event): void;
  engine(up: boolean): void;
  navigate(route: string): void;
  called(call: Call): unknown[];
}

interface Options {
  now?: number;
  world?: World;
  /** Milliseconds a restore takes. */
  restore_ms?: number;
}

export function fakeHost({ now = Date.now(), world: played = world(now), restore_ms = 0 }: Options = {}): FakeHost {
  const events = listeners<Event>();
  const engine = listeners<boolean>();
  const navigation = listeners<string>();

  async function answer<T>(call: Call, args: unknown, of: () => T): Promise<T> {
    host.calls.push([call, args]);
    if (host.silent) await new Promise<never>(() => {});
    const failure = host.failures.get(call);
    if (failure) throw failure;
    // The pages must not see later changes of the world before they ask again.
    return structuredClone(of());
  }

  async function restore(request: RestoreRequest): Promise<Receipt> {
    const made = await answer('restore', { request }, () => receiptFor(played, request, now));
    if (made.dry_run) return made;
    events.tell({ event: 'restore_started', chat: made.chat });
    if (restore_ms > 0) await new Promise((done) => setTimeout(done, restore_ms));
    carryOut(played, made);
    events.tell({ event: 'restore_finished', receipt: made });
    events.tell({ event: 'chat_changed', chat: made.chat });
    events.tell({ event: 'status_changed' });
    return made;
  }

  const host: FakeHost = {
    world: played,
    calls: [],
    failures: new Map(),
    silent: false,
    status: () => answer('status', undefined, () => counted(played)),
    chats: () => answer('chats', undefined, () => played.chats),
    chat: (args) =>
      answer('chat', args, () => {
        const all = played.timelines.get(args.target) ?? [];
        return { chat: chatOf(played, args.target), timeline: all.slice(-args.limit), earlier: Math.max(0, all.length - args.limit) };
      }),
    timeline: (args) =>
      answer('timeline', args, () => {
        const all = played.timelines.get(args.target) ?? [];
        const from = args.from ?? Math.max(0, all.length - args.limit);
        return { from, entries: all.slice(from, from + args.limit), total: all.length };
      }),
    crashes: () => answer('crashes', undefined, () => played.crashes),
    crash_chart: (args) => answer('crash_chart', args, () => crashChart(played.crashes, args.days, now)),
    signals_chart: (args) => answer('signals_chart', args, () => signalsChart(args.minutes, now)),
    signals: (args) => answer('signals', args, () => signalsFor(played, args.target)),
    prediction: () => answer('prediction', undefined, () => played.predictions),
    experiments: () => answer('experiments', undefined, () => played.experiments.view),
    experiment_chart: (args) => answer('experiment_chart', args, () => evidenceChart(played.experiments, args.experiment, args.arm)),
    async about_experiment(args) {
      const then = await answer('about_experiment', args, () => follow(played.experiments, args.request, now));
      events.tell({ event: 'experiments_changed' });
      return then;
    },
    audit: (args) => answer('audit', args, () => auditOf(played.experiments, args)),
    opportunities: (args) => answer('opportunities', args, () => played.opportunities),
    fingerprints: (args) => answer('fingerprints', args, () => played.fingerprints),
    checkpoints: (args) => answer('checkpoints', args, () => played.checkpoints.get(args.target) ?? []),
    async take_checkpoint(args) {
      const taken = await answer('take_checkpoint', args, () => checkpointFor(played, args.target, args.note, now));
      played.checkpoints.set(args.target, [...(played.checkpoints.get(args.target) ?? []), taken]);
      events.tell({ event: 'checkpoint_taken', chat: args.target, checkpoint: taken.id, trigger: taken.trigger, seconds: taken.took_ms / 1000 });
      return taken;
    },
    export_chat: (args) => answer('export_chat', args, () => exportedTo(played, args.target, args.checkpoint)),
    restore: ({ request }) => restore(request),
    fleet: () => answer('fleet', undefined, () => offered(played)),
    async begin_fleet(args) {
      const begun = await answer('begin_fleet', args, () => beginFleet(played, args.options, now));
      events.tell({ event: 'fleet_changed' });
      return begun;
    },
    async cancel_fleet() {
      const cancelled = await answer('cancel_fleet', undefined, () => cancelFleet(played));
      events.tell({ event: 'fleet_changed' });
      return cancelled;
    },
    doctor: (args) => answer('doctor', args, () => (args.verify ? [...played.findings, ...verified(played.damaged)] : played.findings)),
    offers: () => answer('offers', undefined, () => played.offers),
    async install(args) {
      const made = await answer('install', args, () => carryOutInstall(played.offers, args.request));
      if (args.request.dry_run) return made;
      for (const finding of played.findings) mend(finding, args.request);
      events.tell({ event: 'status_changed' });
      return made;
    },
    settings: () => answer('settings', undefined, () => played.settings),
    async change_settings(args) {
      const changed = await answer('change_settings', args, () => changeSettings(played.settings, args.change));
      const auto = changed.keys.find(({ name }) => name === 'experiments.auto');
      played.experiments.view.automatic = (auto?.value ?? auto?.default) === true;
      events.tell({ event: 'settings_changed' });
      return changed;
    },
    search: (args) => answer('search', args, () => hitsFor(played, args.text)),
    async pause(args) {
      await answer('pause', args, () => null);
      const seconds = args.seconds ?? 100 * 365 * 86_400;
      played.status.engine.paused_until = new Date(now + seconds * 1000).toISOString();
      events.tell({ event: 'status_changed' });
    },
    async resume() {
      await answer('resume', undefined, () => null);
      played.status.engine.paused_until = null;
      events.tell({ event: 'status_changed' });
    },
    onEvent: events.add,
    onEngine: engine.add,
    onNavigate: navigation.add,
    emit: events.tell,
    engine: engine.tell,
    navigate: navigation.tell,
    called: (call) => host.calls.filter(([name]) => name === call).map(([, args]) => args),
  };
  return host;
}

/** For a browser: `?world=empty|fresh|calm|many|down|error|loading|paused|demo|new` shows what the recorded world does not,
 *  `&language=de` says it in German. */
export function openFakeHost(search: URLSearchParams): FakeHost {
  const now = Date.now();
  const scene = search.get('world');
  const made = scene === 'empty' ? emptyWorld : scene === 'fresh' ? freshWorld : scene === 'calm' ? calmWorld : world;
  const host = fakeHost({ now, restore_ms: 900, world: made(now) });
  if (scene === 'many') multiply(host.world);
  if (scene === 'loading') host.silent = true;
  if (scene === 'demo') host.world.status.engine.demo = true;
  if (scene === 'new') unwelcomed(host.world);
  for (const key of host.world.settings.keys) if (key.name === 'desktop.language') key.value = search.get('language');
  if (scene === 'paused') {
    host.world.status.engine.paused_until = new Date(now + 42 * 60_000).toISOString();
    host.world.status.warnings.push('The folder /home/ada/.claude/projects/-srv cannot be read: permission denied. Its chats are not kept.');
  }
  if (scene === 'error') {
    for (const call of READING) host.failures.set(call, STORE_FAILURE);
  }
  if (scene === 'down') {
    for (const call of ['status', ...READING] as const) host.failures.set(call, ENGINE_DOWN);
  }
  return host;
}

const READING = ['chats', 'chat', 'timeline', 'crashes', 'crash_chart', 'fingerprints', 'checkpoints', 'signals', 'signals_chart', 'prediction', 'experiments', 'audit', 'doctor', 'search'] as const;

export const STORE_FAILURE: ApiError = {
  code: 'store',
  message: 'the database /home/ada/.local/share/shim/shim.db could not be read: disk I/O error; check the disk, then retry',
  details: null,
};

export const ENGINE_DOWN: ApiError = {
  code: 'engine_down',
  message: 'no engine answers (connection refused); start it with `shim run`',
  details: null,
};

function chatOf(world: World, target: string): Chat {
  const chat = world.chats.find((each) => each.id === target);
  if (chat) return chat;
  const missing: ApiError = { code: 'not_found', message: `no chat is named ${target}; \`shim chats\` lists them`, details: null };
  throw missing;
}

function exportedTo(world: World, target: string, checkpoint: number | null): string {
  const to = checkpoint === null ? '' : ` to checkpoint ${checkpoint}`;
  return `/home/ada/Downloads/Chat ${chatOf(world, target).title}${to}.jsonl`;
}

function signalsFor(world: World, target: string): ChatSignals {
  const { id: chat, risk } = chatOf(world, target);
  return world.signals.get(chat) ?? { chat, now: null, risk, history: [] };
}

/** As the engine looks: the same letters whatever their case, the newest first, a few of each chat. */
function hitsFor(world: World, text: string): Hit[] {
  const wanted = text.toLowerCase();
  const of = (chat: Chat): Hit[] =>
    (world.timelines.get(chat.id) ?? [])
      .filter((entry) => (entry.kind === 'prompt' || entry.kind === 'answer') && entry.text.toLowerCase().includes(wanted))
      .slice(0, 5)
      .map(({ at, kind, text: excerpt }) => ({ chat: chat.id, title: chat.title, at, who: kind === 'prompt' ? 'user' : 'assistant', excerpt }));
  return world.chats.flatMap(of).sort((a, b) => Date.parse(b.at ?? '') - Date.parse(a.at ?? '')).slice(0, 200);
}

function counted(world: World): Status {
  return { ...world.status, open_crashes: world.crashes.filter((crash) => !crash.resolved).length };
}

/** The most recent first; what is being brought back is offered no more. */
function offered(world: World): FleetView {
  const goesOn = world.fleet.fleet?.state.is === 'running' || world.fleet.fleet?.state.is === 'waiting_for_memory';
  const open = world.crashes.filter((crash) => !crash.resolved && !goesOn);
  const offer = open.map((crash) => ({ chat: crash.chat, crash: crash.id, title: crash.title, needs: 450 * 1024 * 1024 }));
  return { ...world.fleet, offer };
}

function beginFleet(world: World, options: FleetOptions, now: number): FleetView {
  const items = offered(world).offer.map(({ chat, crash, needs }) => ({ chat, crash, needs, state: { is: 'waiting' as const } }));
  world.fleet.fleet = { id: 1, begun_at: new Date(now).toISOString(), options, state: { is: 'running' }, items, failures_in_a_row: 0 };
  return offered(world);
}

function cancelFleet(world: World): FleetView {
  if (world.fleet.fleet) world.fleet.fleet.state = { is: 'cancelled' };
  return offered(world);
}

/** As the contract would: a chat whose folder is gone is refused, every other comes back whole. */
function receiptFor(world: World, request: RestoreRequest, now: number): Receipt {
  const crash = world.crashes.find((each) => String(each.id) === request.target);
  const chat = chatOf(world, crash?.chat ?? request.target);
  const refused = world.crashes.find((each) => each.chat === chat.id && each.restore?.refused)?.restore;
  const fork = request.checkpoint === null ? {} : { chat: `${chat.id.slice(0, -4)}f07c`, fork_of: chat.id, crash: null };
  const about = { dry_run: request.dry_run, crash: crash?.id ?? chat.open_crash, ...fork };
  return refused && request.checkpoint === null
    ? { ...refused, ...about, id: request.dry_run ? 0 : 40, at: new Date(now).toISOString() }
    : receiptOf(chat, request.dry_run ? 0 : 40, now, about);
}

function carryOut(world: World, receipt: Receipt): void {
  for (const crash of world.crashes) {
    if (crash.id !== receipt.crash) continue;
    crash.restore = receipt;
    crash.resolved = receipt.ok;
  }
  if (!receipt.ok || receipt.fork_of !== null) return;
  const chat = chatOf(world, receipt.chat);
  chat.state = 'idle';
  chat.pid = receipt.pid;
  chat.open_crash = null;
  chat.last_activity = receipt.at;
}

function checkpointFor(world: World, target: string, note: string | null, now: number): Checkpoint {
  const chat = chatOf(world, target);
  const all = world.checkpoints.get(target) ?? [];
  return {
    id: all.length + 1,
    chat: target,
    at: new Date(now).toISOString(),
    trigger: 'user',
    also: [],
    note,
    turns: chat.turns,
    tokens: chat.tokens,
    journal_offset: chat.journal.bytes,
    workspace: { head: null, branch: null, snapshot: null, state: null, error: null },
    todos: [],
    bytes: 480,
    took_ms: 2.1,
  };
}

/** What was installed is amiss no more. */
function mend(finding: Finding, { what, client, undo }: InstallRequest): void {
  if (finding.fix?.what !== what || finding.fix.client !== client || undo) return;
  Object.assign(finding, { level: 'ok', found: 'installed', advice: null, fix: null });
}

/** As at the first start. */
export function unwelcomed(world: World): World {
  for (const key of world.settings.keys) if (key.name === 'desktop.welcomed') key.value = null;
  return world;
}

function multiply(world: World): void {
  const ended = world.chats.filter((chat) => chat.state === 'ended');
  for (let copy = 1; copy <= 60; copy += 1) {
    world.chats.push(...ended.map((chat) => ({ ...chat, id: `${chat.id}-${copy}`, title: `${chat.title} (${copy})` })));
  }
}
