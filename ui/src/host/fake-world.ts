// A recorded world: chats in each state, crashes with and without receipts. The same for the same `now`.

import type {
  Chat,
  ChatSignals,
  Checkpoint,
  ClientStatus,
  Crash,
  Entry,
  EntryKind,
  Finding,
  FleetView,
  Offer,
  Prediction,
  Receipt,
  SettingsView,
  Status,
} from '../bindings/api';
import type { ChatState, Fingerprint, OpportunityReport, Step } from '../bindings/core';
import { busyFindings, freshFindings, wellFindings } from './fake-doctor';
import { tried, untried, type Tried } from './fake-experiments';
import { offersOf } from './fake-install';
import { predictionsAt, signalsOf } from './fake-health';
import { looked, tooEarly } from './fake-opportunities';
import { settings } from './fake-settings';

export interface World {
  status: Status;
  chats: Chat[];
  crashes: Crash[];
  fingerprints: Fingerprint[];
  /** By chat id, oldest first. */
  timelines: Map<string, Entry[]>;
  checkpoints: Map<string, Checkpoint[]>;
  fleet: FleetView;
  settings: SettingsView;
  findings: Finding[];
  offers: Offer[];
  /** What the journal's checksums say when it is read. */
  damaged: boolean;
  predictions: Prediction[];
  signals: Map<string, ChatSignals>;
  experiments: Tried;
  opportunities: OpportunityReport;
}

/** Of 16 GiB. */
const MEMORY_AVAILABLE = 9_000_000_000;

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const HASH_A = '9f2c4e0d6b1a83577c0e9d1f6a4b2e8c55d7f3019ab84c6e2d10f7a6b3c8e94d';
const HASH_B = '51b8d0aa7e3f42c9960d1e7b8a5f30c412de96b7f48a0c35d9e16072ab4fc8e3';

export const idOf = (n: number) => `claude-code:${String(n).padStart(8, '0')}-5a1e-4c0b-9d2f-7e6a1b3c4d5e`;

/** Clients, and no chat yet. */
export function emptyWorld(now: number): World {
  return {
    status: statusAt(now),
    chats: [],
    crashes: [],
    fingerprints: [],
    timelines: new Map(),
    checkpoints: new Map(),
    fleet: nothingOffered(),
    findings: wellFindings(),
    offers: offersOf('installed'),
    damaged: false,
    predictions: [],
    signals: new Map(),
    experiments: untried(),
    opportunities: tooEarly(),
    settings: settings(),
  };
}

/** A machine without any client. */
export function freshWorld(now: number): World {
  const empty = emptyWorld(now);
  const clients = empty.status.clients.map((client) => ({ ...client, command: null, homes: [] }));
  return { ...empty, status: { ...empty.status, clients }, findings: freshFindings(), offers: [] };
}

/** Chats at work and at rest, and nothing amiss. */
export function calmWorld(now: number): World {
  const busy = world(now);
  const chats = busy.chats.filter((chat) => [4, 7, 8, 20, 21].some((n) => chat.id === idOf(n))).map((chat) => ({ ...chat, limit: null }));
  return { ...emptyWorld(now), chats, signals: busy.signals, timelines: busy.timelines, checkpoints: busy.checkpoints };
}

/** A busy day: chats in every state, open crashes, something to mend. */
export function world(now: number): World {
  const at = (ago: number) => new Date(now - ago).toISOString();
  const chat = (n: number, state: ChatState, title: string, cwd: string, ago: number, more: Partial<Chat> = {}): Chat => ({
    id: idOf(n),
    client: 'claude-code',
    session_id: idOf(n).slice('claude-code:'.length),
    title,
    cwd,
    pid: ['working', 'waiting', 'idle', 'hung'].includes(state) ? 41_000 + n : null,
    state,
    last_activity: at(ago),
    turns: 4 + ((n * 7) % 39),
    tokens: 18_300 + n * 41_777,
    cost: n % 5 === 0 ? null : { dollars: 0.04 + n * 0.37, unpriced_tokens: n % 4 === 0 ? 1204 : 0, as_of: '2026-11-21' },
    context_used: ((n * 13) % 90) / 100,
    risk: ['working', 'waiting', 'idle'].includes(state) ? { level: 'safe', probability: 0.01, source: 'zones', reasons: [] } : null,
    journal: { bytes: 84_000 + n * 310_456, lag_ms: 6 + (n % 9) },
    model: n % 3 === 0 ? 'claude-opus-4-6' : 'claude-sonnet-4-6',
    permission_mode: n % 2 === 0 ? 'acceptEdits' : 'default',
    client_version: '2.1.329',
    open_crash: null,
    limit: null,
    suspicion: null,
    ...more,
  });

  const chats = [
    chat(1, 'crashed', 'Move the billing worker to the new queue', '/home/ada/code/billing', 48 * SECOND, { open_crash: 12 }),
    chat(2, 'crashed', 'Explain why the nightly import doubles rows', '/home/ada/code/warehouse', 4 * MINUTE, { open_crash: 11 }),
    chat(3, 'crashed', 'Rename the tenant column', '/home/ada/old/tenants', 3 * HOUR, { open_crash: 9 }),
    chat(4, 'working', 'Fix the flaky login test', '/home/ada/code/web', 3 * SECOND),
    chat(5, 'waiting', 'Überweisungen prüfen – 送金の確認 🧾', '/home/ada/code/zahlungen/プロジェクト', 70 * SECOND),
    chat(
      6,
      'working',
      'Please read every file under services/ and write down which of them still use the old retry helper, then replace it one by one and run the tests after each',
      '/home/ada/code/a-monorepo-with-a-long-name/services/notifications/workers/email-digest',
      21 * SECOND,
      {
        context_used: 0.91,
        tokens: 4_120_400,
        risk: {
          level: 'warning',
          probability: 0.05,
          source: 'zones',
          reasons: [{ sign: 'context', level: 'danger', text: '91 % of the context is used (limit 75 %)' }],
        },
      },
    ),
    chat(7, 'idle', 'Restored: parser for the bank statements', '/home/ada/code/statements', 12 * MINUTE, {
      limit: { message: 'You’ve hit your session limit', at: at(11 * MINUTE), resets_at: at(-2 * HOUR) },
    }),
    chat(8, 'idle', 'How do I profile this?', 'C:\\Users\\ada\\code\\profiler', 2 * HOUR, { turns: 0, tokens: 0, context_used: null }),
    chat(9, 'hung', 'Draw the dependency graph', '/home/ada/code/graphs', 17 * MINUTE, {
      suspicion: { form: 'silent', since: at(17 * MINUTE) },
    }),
    chat(10, 'unknown', 'Inside a container', '/workspace', 5 * HOUR),
    ...Array.from({ length: 36 }, (_, i) =>
      chat(20 + i, 'ended', ENDED_TITLES[i % ENDED_TITLES.length] ?? 'A chat', `/home/ada/code/${['web', 'billing', 'notes'][i % 3]}`, (i + 1) * 9 * HOUR),
    ),
  ];

  const timelines = new Map(chats.map((each) => [each.id, timeline(each, now)]));
  const checkpoints = new Map(chats.map((each) => [each.id, checkpointsOf(each, now)]));
  return {
    ...emptyWorld(now),
    chats,
    crashes: crashesOf(chats, now),
    fingerprints: fingerprintsAt(now),
    timelines,
    checkpoints,
    findings: busyFindings(),
    offers: offersOf('broken'),
    predictions: predictionsAt(now),
    experiments: tried(now),
    opportunities: looked(now),
    signals: new Map(chats.map((each) => [each.id, signalsOf(each, now)])),
  };
}

function nothingOffered(): FleetView {
  return { offer: [], fleet: null, memory_available: MEMORY_AVAILABLE };
}

const ENDED_TITLES = [
  'Write the release notes',
  'Why does CI take 20 minutes?',
  'Port the colour picker',
  'Add an index for the slow report',
  'Review of the backup script',
  'Spike: server-sent events',
];

const CLIENTS: ClientStatus[] = [
  { client: 'claude-code', command: '/home/ada/.local/bin/claude', homes: ['/home/ada/.claude'] },
  { client: 'codex', command: '/home/ada/.local/bin/codex', homes: ['/home/ada/.codex'] },
  { client: 'gemini', command: null, homes: [] },
  { client: 'opencode', command: null, homes: [] },
  { client: 'claude-desktop', command: null, homes: [] },
];

function statusAt(now: number): Status {
  return {
    engine: {
      version: '0.1.0',
      pid: 4021,
      started_at: new Date(now - 5 * HOUR).toISOString(),
      home: '/home/ada/.local/share/shim',
      port: 7746,
      paused_until: null,
      embedded: false,
      demo: false,
    },
    clients: CLIENTS,
    chats: [],
    open_crashes: 0,
    own: { memory_bytes: 19_400_000, cpu_seconds: 8.2, written_bytes: 48_100_000, watched_bytes: 41_000_000, database_bytes: 126_000_000 },
    warnings: [],
  };
}

function timeline(chat: Chat, now: number): Entry[] {
  const entries: Entry[] = [];
  const last = Date.parse(chat.last_activity);
  const say = (ago: number, kind: EntryKind, text: string, number: number | null = null) =>
    entries.push({
      at: new Date(Math.min(last - ago, now)).toISOString(),
      kind,
      text,
      number,
      point: number === null ? { generation: 1, offset: 1000 * (entries.length + 1) } : null,
    });
  if (chat.turns === 0) return entries;
  say(26 * HOUR, 'prompt', chat.title);
  say(26 * HOUR - 9 * SECOND, 'answer', 'I will look at how the work is queued before changing anything.');
  say(26 * HOUR - 12 * SECOND, 'tool', 'Grep  enqueue\\(');
  say(26 * HOUR - 31 * SECOND, 'answer', 'Three callers enqueue directly. The plan: one port, then the callers, then the old path goes.');
  say(26 * HOUR - 31 * SECOND, 'checkpoint', 'after turn 1', 1);
  say(3 * HOUR, 'compaction', 'compacted from 168k to 22k tokens');
  say(50 * MINUTE, 'prompt', 'Go on with the second caller. Keep the commit small.');
  say(49 * MINUTE, 'tool', 'Edit  src/queue/worker.ts');
  say(48 * MINUTE, 'tool_failed', 'Bash  npm test -- worker   exit code 1');
  say(46 * MINUTE, 'tool', 'Bash  npm test -- worker');
  say(45 * MINUTE, 'answer', 'Green. The retry was counted twice because the old path still acknowledged.');
  say(45 * MINUTE, 'checkpoint', 'after turn 2', 2);
  say(20 * MINUTE, 'interrupted', 'stopped by you');
  say(9 * MINUTE, 'api_error', '529 overloaded, tried again 3 times');
  say(2 * MINUTE, 'prompt', 'Now run the whole suite and fix what is left. Überprüfe auch die Umlaute – 文字化け?');
  say(5 * SECOND, 'answer', 'Running the whole suite.');
  say(2 * SECOND, 'tool', 'Bash  npm run test:all -- --reporter=dot');
  if (chat.open_crash !== null) say(0, 'crash', 'killed in a tool: Bash', chat.open_crash);
  if (chat.id === idOf(7)) {
    say(8 * SECOND, 'crash', 'killed in a tool: Bash', 10);
    say(0, 'restore', 'restored, nothing lost', 31);
  }
  return entries.sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
}

function checkpointsOf(chat: Chat, now: number): Checkpoint[] {
  if (chat.turns === 0) return [];
  const n = Math.min(chat.turns, 14);
  // The first two stand in the timeline.
  const ago = (i: number) => [26 * HOUR - 31 * SECOND, 45 * MINUTE][i] ?? ((n - i) * 44 * MINUTE) / n;
  return Array.from({ length: n }, (_, i) => ({
    id: i + 1,
    chat: chat.id,
    at: new Date(Math.min(Date.parse(chat.last_activity), now) - ago(i)).toISOString(),
    trigger: i === n - 1 && chat.open_crash !== null ? 'crash' : i === 2 ? 'user' : 'turn',
    also: [],
    note: i === 2 ? 'Before the risky part: the old path still works here' : null,
    turns: i + 1,
    tokens: 21_000 * (i + 1),
    journal_offset: 61_234 * (i + 1),
    workspace: i === 0 ? { head: null, branch: null, snapshot: null, state: null, error: null } : { head: `8c1f${i}d20a7be44f0915c`, branch: 'queue-port', snapshot: null, state: null, error: null },
    todos: i < 4 ? [] : [{ text: 'Port the caller', status: 'completed' }, { text: 'Remove the old path', status: 'in_progress' }],
    bytes: 512,
    took_ms: 3.4,
  }));
}

function stepsOf(chat: Chat): Step[] {
  return [
    { step: 'prove_dead', ok: true, detail: 'the process that held the chat is gone' },
    { step: 'journal', ok: true, detail: `${chat.turns} complete turns, the same in the client's file and the journal` },
    { step: 'orphans', ok: true, detail: 'left running: npm run test:all (41077)' },
    { step: 'end_orphans', ok: true, detail: 'every tool child left behind has ended' },
    { step: 'transcript', ok: true, detail: 'the last line is whole, nothing to mend' },
    { step: 'still_dead', ok: true, detail: 'no process came up meanwhile' },
    { step: 'start', ok: true, detail: `claude --resume in a terminal (xterm), in ${chat.cwd}` },
    { step: 'registered', ok: true, detail: 'process 52210 shows the chat, status idle' },
    { step: 'count', ok: true, detail: '1 process on this chat: [52210]' },
    { step: 'compare', ok: true, detail: 'every complete turn is there, the last message is unchanged' },
  ];
}

export function receiptOf(chat: Chat, id: number, now: number, more: Partial<Receipt> = {}): Receipt {
  return {
    id,
    chat: chat.id,
    fork_of: null,
    crash: chat.open_crash,
    at: new Date(now).toISOString(),
    ok: true,
    dry_run: false,
    refused: null,
    turns_before: chat.turns,
    turns_after: chat.turns,
    turns_lost: 0,
    last_message_sha256_before: HASH_A,
    last_message_sha256_after: HASH_A,
    processes: 1,
    pid: 52_210,
    cwd: chat.cwd,
    model: chat.model,
    permission_mode: chat.permission_mode,
    seconds: 2.41,
    client_seconds: 2.18,
    steps: stepsOf(chat),
    ...more,
  };
}

function fingerprintsAt(now: number): Fingerprint[] {
  const at = (ago: number) => new Date(now - ago).toISOString();
  const of = { client: 'claude-code', client_version: '2.1.329' } as const;
  const traits = { ...of, last_tool: null, memory: null, message: null } as const;
  const hung = { ...traits, kind: 'hung' } as const;
  const killed = { ...traits, kind: 'killed', last_tool: 'Bash' } as const;
  const frozen = { first_seen: at(4 * DAY), last_seen: at(2 * HOUR) };
  const ended = { first_seen: at(DAY), last_seen: at(48 * SECOND) };
  return [
    {
      ...of,
      ...frozen,
      id: '346f99a28ddd',
      kind: 'hung',
      count: 6,
      words: 'Claude Code 2.1.329 froze 6 times since Tuesday',
      parts: [
        { ...frozen, id: '5b0c77f1e2aa', traits: { ...hung, memory: 'below2_gb' }, count: 4, shared: '1 to 2 GB of memory' },
        { ...frozen, id: '346f99a28ddd', traits: hung, count: 2, shared: '' },
      ],
    },
    {
      ...of,
      ...ended,
      id: '77aa10c4be01',
      kind: 'killed',
      count: 2,
      words: 'Claude Code 2.1.329 was killed twice since yesterday',
      parts: [{ ...ended, id: '0c8d11e5a9f2', traits: killed, count: 2, shared: 'in Bash' }],
    },
  ];
}

function crashesOf(chats: Chat[], now: number): Crash[] {
  const at = (ago: number) => new Date(now - ago).toISOString();
  const crash = (id: number, chatNumber: number, ago: number, more: Partial<Crash> = {}): Crash => {
    const chat = chats.find((each) => each.id === idOf(chatNumber));
    return {
      id,
      chat: idOf(chatNumber),
      client: 'claude-code',
      title: chat?.title ?? 'A chat',
      cwd: chat?.cwd ?? null,
      kind: 'killed',
      in_turn: 'tool',
      in_flight: [{ tool: 'Bash', input: { command: 'npm run test:all -- --reporter=dot', description: 'Run the whole suite', timeout: 600000 } }],
      happened_at: at(ago),
      detected_at: at(ago - 14),
      detected_after_ms: 14,
      seen_live: true,
      evidence: [
        { source: 'process', says: `process ${41_000 + chatNumber} was ended by signal 9` },
        { source: 'registry', says: 'the client left its registry file behind, status busy' },
        { source: 'transcript', says: 'tool call without a result: Bash' },
      ],
      restore: null,
      resolved: false,
      ...more,
    };
  };
  const none = { turns_after: null, turns_lost: null, last_message_sha256_after: null, processes: null, pid: null, client_seconds: 0 };
  const chatOf = (n: number) => chats.find((each) => each.id === idOf(n)) as Chat;
  return [
    crash(12, 1, 48 * SECOND),
    crash(11, 2, 4 * MINUTE, {
      in_turn: 'answer',
      in_flight: [],
      evidence: [
        { source: 'process', says: 'process 41002 exited' },
        { source: 'registry', says: 'the client left its registry file behind, status busy' },
        { source: 'transcript', says: 'the last turn has no complete answer' },
      ],
      restore: receiptOf(chatOf(2), 33, now - 2 * MINUTE, {
        ...none,
        ok: false,
        seconds: 30.2,
        processes: 0,
        steps: [...stepsOf(chatOf(2)).slice(0, 7), { step: 'registered', ok: false, detail: 'the client did not show the chat within 30 s; the terminal closed with exit code 1' }],
      }),
    }),
    crash(9, 3, 3 * HOUR, {
      kind: 'exited',
      seen_live: false,
      detected_after_ms: 5_400_000,
      in_flight: [
        { tool: 'Edit', input: { file_path: '/home/ada/old/tenants/schema.sql', old_string: 'tenant_id INT', new_string: 'tenant_id BIGINT\n  REFERENCES tenants (id)' } },
        { tool: 'mcp__db__query', input: { sql: 'select count(*) from tenants', options: { timeout_s: 30, readonly: true } } },
      ],
      restore: receiptOf(chatOf(3), 30, now - 2 * HOUR, {
        ...none,
        ok: false,
        refused: { reason: 'directory_gone', message: 'The folder /home/ada/old/tenants does not exist. Put it back, then restore again.' },
        seconds: 0.02,
        steps: [{ step: 'prove_dead', ok: true, detail: 'no process 41003 exists' }, { step: 'directory', ok: false, detail: '/home/ada/old/tenants does not exist' }],
      }),
    }),
    crash(10, 7, 14 * MINUTE, { resolved: true, restore: receiptOf(chatOf(7), 31, now - 13 * MINUTE, { crash: 10 }) }),
    crash(7, 22, 2 * DAY, { kind: 'shutdown', in_turn: 'none', in_flight: [], seen_live: false, detected_after_ms: 32_400_000, resolved: true }),
    crash(5, 24, 9 * DAY, {
      resolved: true,
      in_turn: 'answer',
      in_flight: [],
      restore: receiptOf(chatOf(24), 12, now - 9 * DAY + HOUR, { crash: 5, turns_after: chatOf(24).turns - 1, turns_lost: 1, last_message_sha256_after: HASH_B }),
    }),
  ];
}
