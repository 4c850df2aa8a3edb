// What the doctor finds in the recorded worlds.

import type { Finding } from '../bindings/api';

const ok = (what: string, found: string): Finding => ({ level: 'ok', what, found, advice: null, fix: null });
const note = (what: string, found: string, advice: string): Finding => ({ level: 'note', what, found, advice, fix: null });
const problem = (what: string, found: string, advice: string | null): Finding => ({ level: 'problem', what, found, advice, fix: null });

const HERE = [ok('data folder', '/home/ada/.local/share/shim (126000000 bytes)'), ok('terminal', 'xterm -e')];
const MISSING = (client: string, title: string) =>
  note(client, `the program of ${title} was not found`, `install it, or name it in config.toml as clients.${client}.command`);

/** A machine on which nothing is missing that is used. */
export function wellFindings(): Finding[] {
  return [
    ...HERE,
    ok('claude-code', '/home/ada/.local/bin/claude'),
    ok('home', '/home/ada/.claude (Claude Code)'),
    ok('codex', '/home/ada/.local/bin/codex'),
    ok('home', '/home/ada/.codex (Codex)'),
    ok('chats', '12 are kept'),
    ok('claude-code hooks', 'installed in /home/ada/.claude/settings.json'),
  ];
}

/** A machine on which something is to be done. */
export function busyFindings(): Finding[] {
  return [
    ...HERE,
    ok('claude-code', '/home/ada/.local/bin/claude'),
    ok('home', '/home/ada/.claude (Claude Code)'),
    problem('codex', 'the program of Codex was not found', 'install it, or name it in config.toml as clients.codex.command'),
    ok('home', '/home/ada/.codex (Codex)'),
    MISSING('gemini', 'Gemini CLI'),
    MISSING('opencode', 'opencode'),
    ok('chats', '46 are kept'),
    note(
      'retention',
      '3 chats will be deleted by Claude Code from 2026-11-24 on; SHIM keeps its copies',
      'go on with one to keep it, or `shim undelete` it afterwards: claude-code:00000037-5a1e-4c0b-9d2f-7e6a1b3c4d5e',
    ),
    note('deleted', '2 chats have no file any more, maybe by your own wish; SHIM has them', '`shim undelete CHAT` puts one back: claude-code:1'),
    {
      ...problem(
        'claude-code hooks',
        'SHIM’s entries, written on 2026-11-20T09:12:44.000Z, are no longer in /home/ada/.claude/settings.json',
        'run `shim install hooks --client claude-code`, or `shim uninstall hooks` if you took them out',
      ),
      fix: { what: 'hooks', client: 'claude-code', undo: false, dry_run: true },
    },
    ok('claude-code mcp', 'installed in /home/ada/.claude.json'),
  ];
}

/** A machine without any client. */
export function freshFindings(): Finding[] {
  return [
    ...HERE,
    MISSING('claude-code', 'Claude Code'),
    MISSING('codex', 'Codex'),
    MISSING('gemini', 'Gemini CLI'),
    MISSING('opencode', 'opencode'),
    note('homes', 'no folder of any client was found', 'start a chat, or name its folder in config.toml (`shim settings` lists the keys)'),
    ok('chats', '0 are kept'),
  ];
}

/** What reading the whole journal adds. */
export function verified(damaged: boolean): Finding[] {
  if (!damaged) return [ok('checksums', '1204 chunks, 118000000 bytes: 0 damaged')];
  return [
    problem('checksums', '1204 chunks, 118000000 bytes: 1 damaged', null),
    problem(
      'damaged',
      'claude-code:00000037, generation 1, byte 61234: the checksum differs',
      'the client’s own file may still hold these bytes: copy it, and check the disk',
    ),
  ];
}
