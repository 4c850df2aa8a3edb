// The words shown for each value of the wire's enums.

import type { EntryKind } from './bindings/api';
import type {
  ChatState,
  Client,
  CrashKind,
  Form,
  InTurn,
  Level,
  RefusalReason,
  SnapshotState,
  Then,
  Trigger,
} from './bindings/core';

export const STATE_WORDS: Record<ChatState, string> = {
  working: 'Working',
  waiting: 'Waiting',
  idle: 'Idle',
  ended: 'Ended',
  crashed: 'Crashed',
  hung: 'Hung',
  unknown: 'Unknown',
};

export const STATE_MEANINGS: Record<ChatState, string> = {
  working: 'A turn is under way',
  waiting: 'Waits for your permission or answer',
  idle: 'Waits for your next message',
  ended: 'Closed by you or the client',
  crashed: 'Its process died without a clean end',
  hung: 'Its process lives, but nothing moves',
  unknown: 'Its process cannot be judged from here',
};

export const RISK_WORDS: Record<Level, string> = {
  safe: 'No sign of trouble',
  warning: 'Warning',
  danger: 'Danger',
};

export const FORM_MEANINGS: Record<Form, string> = {
  spin: 'It uses a processor core up and gets nowhere',
  silent: 'It does nothing in the middle of a turn',
  stopped: 'It was stopped, and not in its terminal',
};

export const CLIENT_NAMES: Record<Client, string> = {
  'claude-code': 'Claude Code',
  codex: 'Codex',
  gemini: 'Gemini CLI',
  opencode: 'opencode',
  'claude-desktop': 'Claude Desktop',
};

export const KIND_WORDS: Record<CrashKind, string> = {
  killed: 'Killed',
  exited: 'Exited',
  shutdown: 'Shutdown',
  client_update: 'Update',
  hung: 'Hung',
  out_of_memory: 'Out of memory',
  index_lost: 'Not listed',
  torn: 'Damaged',
  poisoned: 'Refused',
  compaction_deadlock: 'Too long',
  deleted: 'Deleted',
};

export const KIND_MEANINGS: Record<CrashKind, string> = {
  killed: 'The process went without a word: killed, out of memory, or a fault',
  exited: 'The process took its leave in the middle of a turn',
  shutdown: 'The machine went down under it',
  client_update: 'The app that hosts it restarted for an update',
  hung: 'The process lives and does nothing',
  out_of_memory: 'Memory ran out: its own, or the machine’s',
  index_lost: 'The chat is whole, and its client no longer lists it',
  torn: 'Its file is damaged, as by a power loss; a restore makes a repaired copy',
  poisoned: 'The model refuses it, turn after turn; a restore makes a copy that goes on',
  compaction_deadlock: 'It is too long for the model and for a summary; a restore makes a shorter copy',
  deleted: 'Its client deleted its file; SHIM has it, and `shim undelete` puts it back',
};

export const IN_TURN_WORDS: Record<InTurn, string> = {
  none: 'between turns',
  answer: 'in an answer',
  tool: 'in a tool',
};

export const REFUSAL_WORDS: Record<RefusalReason, string> = {
  still_alive: 'the chat is still alive',
  ambiguous: 'more than one chat or transcript answers to it',
  liveness_unknown: 'whether it is alive cannot be told',
  under_way: 'a restore is under way',
  directory_gone: 'its folder is gone',
  client_missing: 'the client was not found',
  terminal_missing: 'no terminal was found',
  window_used_up: 'too many restores in a short time',
  nothing_to_restore: 'there is nothing to restore',
  orphans_alive: 'tools of the dead process still run',
  checkpoint_gone: 'the checkpoint is gone',
  unsupported: 'the client cannot do that',
  limit: 'a usage limit lasts',
};

export const TRIGGER_WORDS: Record<Trigger, string> = {
  turn: 'After a turn',
  crash: 'At a crash',
  user: 'By you',
  compaction: 'Before a compaction',
  client_update: 'Before an update',
  tool_calls: 'After many tool calls',
  interval: 'After some time',
  warning_risk: 'At a warning',
  danger_risk: 'In danger',
  risky: 'At a risky tool call',
  milestone: 'At a milestone',
  session_start: 'When taken up',
  session_end: 'When closed',
};

export const SNAPSHOT_WORDS: Record<SnapshotState, string> = {
  begun: 'files being kept',
  kept: 'files kept',
  listed: 'files listed',
  failed: 'files not kept',
  expired: 'files no longer kept',
};

export const ENTRY_WORDS: Record<EntryKind, string> = {
  prompt: 'You',
  answer: 'Answer',
  tool: 'Tool',
  tool_failed: 'Tool failed',
  interrupted: 'Interrupted',
  api_error: 'API error',
  compaction: 'Compacted',
  checkpoint: 'Checkpoint',
  crash: 'Crash',
  restore: 'Restore',
};

export const THEN_WORDS: Record<Then, string> = {
  idle: 'Wait for me',
  continue: 'Continue',
};
