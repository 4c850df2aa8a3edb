// Live chats, those that are nearest to trouble first.

import type { Chat } from '../../bindings/api';
import type { Level } from '../../bindings/core';

const RANK: Record<Level, number> = { danger: 3, warning: 2, safe: 1 };

/** Those with a process, which alone can be measured. */
export function liveByRisk(chats: Chat[]): Chat[] {
  const rank = ({ risk }: Chat) => (risk === null ? 0 : RANK[risk.level]);
  return chats
    .filter((chat) => chat.pid !== null)
    .sort((a, b) => rank(b) - rank(a) || a.title.localeCompare(b.title) || a.id.localeCompare(b.id));
}
