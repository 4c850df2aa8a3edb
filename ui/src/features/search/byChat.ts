// Finds under the chats they are of.

import type { Hit } from '../../bindings/api';
import type { ChatId } from '../../bindings/core';
import { t } from '../../language';

export interface ChatHits {
  chat: ChatId;
  title: string;
  hits: Hit[];
}

/** The chat with the newest find first; finds in the order given. */
export function byChat(hits: Hit[]): ChatHits[] {
  const all = new Map<ChatId, ChatHits>();
  for (const hit of hits) {
    const known = all.get(hit.chat);
    if (known) known.hits.push(hit);
    else all.set(hit.chat, { chat: hit.chat, title: hit.title, hits: [hit] });
  }
  return [...all.values()];
}

const WHO: Record<string, string> = { user: t('You'), assistant: t('Answer') };

/** A record's type as a person says it. */
export function who(hit: Hit): string {
  return WHO[hit.who] ?? hit.who;
}
