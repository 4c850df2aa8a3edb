// What a person can do, drawn from what the engine knows: what is lost first, what only waits last.

import type { Chat, Crash, Finding } from '../../bindings/api';
import type { Client, Limit } from '../../bindings/core';

export type Need =
  | { kind: 'crash'; crash: Crash }
  | { kind: 'hung'; chat: Chat }
  | { kind: 'waiting'; chat: Chat }
  | { kind: 'limit'; client: Client; limit: Limit; chats: [Chat, ...Chat[]] }
  | { kind: 'deletion'; finding: Finding }
  | { kind: 'finding'; finding: Finding };

/** A chat is named once, by what matters most. */
export function needs(chats: Chat[], crashes: Crash[], findings: Finding[]): Need[] {
  const open = crashes.filter((crash) => !crash.resolved).sort((a, b) => Date.parse(b.happened_at) - Date.parse(a.happened_at));
  const crashed = new Set(open.map((crash) => crash.chat));
  const rest = chats.filter((chat) => !crashed.has(chat.id));
  const hung = rest.filter((chat) => chat.state === 'hung');
  const waiting = rest.filter((chat) => chat.state === 'waiting');
  return [
    ...open.map((crash) => ({ kind: 'crash' as const, crash })),
    ...hung.map((chat) => ({ kind: 'hung' as const, chat })),
    ...waiting.map((chat) => ({ kind: 'waiting' as const, chat })),
    ...limits(rest.filter((chat) => chat.state !== 'hung' && chat.state !== 'waiting')),
    ...findings.filter(isDeletion).map((finding) => ({ kind: 'deletion' as const, finding })),
    ...findings.filter(isToMend).map((finding) => ({ kind: 'finding' as const, finding })),
  ];
}

/** A limit is its client's account's: the chats of one client that wait for the same moment are one need. */
function limits(chats: Chat[]): Need[] {
  const all = new Map<string, Extract<Need, { kind: 'limit' }>>();
  for (const chat of chats) {
    if (chat.limit === null) continue;
    const key = `${chat.client} ${chat.limit.resets_at}`;
    const known = all.get(key);
    if (known) known.chats.push(chat);
    else all.set(key, { kind: 'limit', client: chat.client, limit: chat.limit, chats: [chat] });
  }
  return [...all.values()];
}

const isDeletion = (finding: Finding) => finding.what === 'retention';

/** Warnings stand above every page. */
const isToMend = (finding: Finding) => finding.level === 'problem' && finding.what !== 'warning';
