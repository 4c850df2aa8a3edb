// What can be installed in the recorded worlds, and installing it.

import type { Installed, InstallRequest, Offer } from '../bindings/api';

const HOME = '/home/ada';

/** A machine on which Claude Code has its hooks and the rest is to be had. */
export function offersOf(hooks: Offer['standing']): Offer[] {
  const offer = (what: Offer['what'], client: Offer['client'], standing: Offer['standing'], file: string): Offer => ({
    what,
    client,
    standing,
    file,
    why: null,
  });
  return [
    offer('hooks', 'claude-code', hooks, `${HOME}/.claude/settings.json`),
    offer('hooks', 'codex', 'absent', `${HOME}/.codex/hooks.json`),
    offer('mcp', 'claude-code', 'absent', `${HOME}/.claude.json`),
    offer('mcp', 'codex', 'absent', `${HOME}/.codex/config.toml`),
    offer('service', null, 'absent', `${HOME}/.config/systemd/user/shim.service`),
  ];
}

/** Changes the offers as the engine would, unless it is a dry run. */
export function carryOutInstall(offers: Offer[], request: InstallRequest): Installed[] {
  const meant = offers.filter((offer) => offer.what === request.what && (request.client === null || offer.client === request.client));
  return meant.map((offer) => {
    const done = request.undo ? offer.standing === 'absent' : offer.standing === 'installed';
    if (!done && !request.dry_run) offer.standing = request.undo ? 'absent' : 'installed';
    const sign = request.undo ? '-' : '+';
    return {
      what: offer.what,
      client: offer.client,
      outcome: done ? 'unchanged' : request.dry_run ? 'would_write' : 'written',
      file: offer.file,
      why: done ? 'all is there already' : null,
      diff: done ? null : `--- ${offer.file}\n+++ ${offer.file}\n@@ -1,3 +1,4 @@\n {\n${sign}  "shim": "${HOME}/.local/bin/shim"\n }\n`,
      backup: null,
      advice: [],
    };
  });
}
