// The words shown for each value of the wire's enums, in the language that is spoken when this is loaded.

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
import { t } from './language';

export const STATE_WORDS: Record<ChatState, string> = {
  working: t('Working'),
  waiting: t('Waiting'),
  idle: t('Idle'),
  ended: t('Ended'),
  crashed: t('Crashed'),
  hung: t('Hung'),
  unknown: t('Unknown'),
};

export const STATE_MEANINGS: Record<ChatState, string> = {
  working: t('A turn is under way'),
  waiting: t('Waits for your permission or answer'),
  idle: t('Waits for your next message'),
  ended: t('Closed by you or the client'),
  crashed: t('Its process died without a clean end'),
  hung: t('Its process lives, but nothing moves'),
  unknown: t('Its process cannot be judged from here'),
};

export const RISK_WORDS: Record<Level, string> = {
  safe: t('No sign of trouble'),
  warning: t('Warning'),
  danger: t('Danger'),
};

export const FORM_MEANINGS: Record<Form, string> = {
  spin: t('It uses a processor core up and gets nowhere'),
  silent: t('It does nothing in the middle of a turn'),
  stopped: t('It was stopped, and not in its terminal'),
};

export const CLIENT_NAMES: Record<Client, string> = {
  'claude-code': 'Claude Code',
  codex: 'Codex',
  gemini: 'Gemini CLI',
  opencode: 'opencode',
  'claude-desktop': 'Claude Desktop',
};

export const KIND_WORDS: Record<CrashKind, string> = {
  killed: t('Killed'),
  exited: t('Exited'),
  shutdown: t('Shutdown'),
  client_update: t('Update'),
  hung: t('Hung'),
  out_of_memory: t('Out of memory'),
  index_lost: t('Not listed'),
  torn: t('Damaged'),
  poisoned: t('Refused'),
  compaction_deadlock: t('Too long'),
  deleted: t('Deleted'),
};

export const KIND_MEANINGS: Record<CrashKind, string> = {
  killed: t('The process went without a word: killed, out of memory, or a fault'),
  exited: t('The process took its leave in the middle of a turn'),
  shutdown: t('The machine went down under it'),
  client_update: t('The app that hosts it restarted for an update'),
  hung: t('The process lives and does nothing'),
  out_of_memory: t('Memory ran out: its own, or the machine’s'),
  index_lost: t('The chat is whole, and its client no longer lists it'),
  torn: t('Its file is damaged, as by a power loss; a restore makes a repaired copy'),
  poisoned: t('The model refuses it, turn after turn; a restore makes a copy that goes on'),
  compaction_deadlock: t('It is too long for the model and for a summary; a restore makes a shorter copy'),
  deleted: t('Its client deleted its file; SHIM has it, and `shim undelete` puts it back'),
};

export const IN_TURN_WORDS: Record<InTurn, string> = {
  none: t('between turns'),
  answer: t('in an answer'),
  tool: t('in a tool'),
};

export const REFUSAL_WORDS: Record<RefusalReason, string> = {
  still_alive: t('the chat is still alive'),
  ambiguous: t('more than one chat or transcript answers to it'),
  liveness_unknown: t('whether it is alive cannot be told'),
  under_way: t('a restore is under way'),
  directory_gone: t('its folder is gone'),
  client_missing: t('the client was not found'),
  terminal_missing: t('no terminal was found'),
  window_used_up: t('too many restores in a short time'),
  nothing_to_restore: t('there is nothing to restore'),
  orphans_alive: t('tools of the dead process still run'),
  checkpoint_gone: t('the checkpoint is gone'),
  unsupported: t('the client cannot do that'),
  limit: t('a usage limit lasts'),
};

export const TRIGGER_WORDS: Record<Trigger, string> = {
  turn: t('After a turn'),
  crash: t('At a crash'),
  user: t('By you'),
  compaction: t('Before a compaction'),
  client_update: t('Before an update'),
  tool_calls: t('After many tool calls'),
  interval: t('After some time'),
  warning_risk: t('At a warning'),
  danger_risk: t('In danger'),
  risky: t('At a risky tool call'),
  milestone: t('At a milestone'),
  session_start: t('When taken up'),
  session_end: t('When closed'),
};

export const SNAPSHOT_WORDS: Record<SnapshotState, string> = {
  begun: t('files being kept'),
  kept: t('files kept'),
  listed: t('files listed'),
  failed: t('files not kept'),
  expired: t('files no longer kept'),
};

export const ENTRY_WORDS: Record<EntryKind, string> = {
  prompt: t('You'),
  answer: t('Answer'),
  tool: t('Tool'),
  tool_failed: t('Tool failed'),
  interrupted: t('Interrupted'),
  api_error: t('API error'),
  compaction: t('Compacted'),
  checkpoint: t('Checkpoint'),
  crash: t('Crash'),
  restore: t('Restore'),
};

export const THEN_WORDS: Record<Then, string> = {
  idle: t('Wait for me'),
  continue: t('Continue'),
};
