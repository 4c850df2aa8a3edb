// Which chats are listed, and under which heading.

import type { Chat } from '../../bindings/api';
import type { ChatState, Client } from '../../bindings/core';
import { t } from '../../language';
import { CLIENT_NAMES } from '../../words';

export interface Filter {
  text: string;
  /** Null lists all. */
  state: ChatState | null;
  /** Null lists all. */
  client: Client | null;
}

export interface Section {
  title: string;
  chats: Chat[];
}

/** What needs the user comes first. */
const SECTIONS: { title: string; states: ChatState[] }[] = [
  { title: t('Crashed'), states: ['crashed'] },
  { title: t('Hung'), states: ['hung'] },
  { title: t('Live'), states: ['waiting', 'working', 'idle'] },
  { title: t('Unknown'), states: ['unknown'] },
  { title: t('Ended'), states: ['ended'] },
];

/** Each word of the text must be in the title, folder, id, model or client. */
export function matches(chat: Chat, filter: Filter): boolean {
  if (filter.state !== null && chat.state !== filter.state) return false;
  if (filter.client !== null && chat.client !== filter.client) return false;
  const words = fold(filter.text).split(/\s+/).filter(Boolean);
  const where = fold([chat.title, chat.cwd, chat.id, chat.model, CLIENT_NAMES[chat.client]].join('\n'));
  return words.every((word) => where.includes(word));
}

/** Without regard to case, accents and forms of the same letter. */
function fold(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}

/** The chats under their headings, newest first in each; headings without chats are left out. */
export function sections(chats: Chat[]): Section[] {
  return SECTIONS.map(({ title, states }) => ({
    title,
    chats: chats.filter((chat) => states.includes(chat.state)).sort(byActivity),
  })).filter((section) => section.chats.length > 0);
}

function byActivity(a: Chat, b: Chat): number {
  return Date.parse(b.last_activity) - Date.parse(a.last_activity) || a.id.localeCompare(b.id);
}

/** The states that occur, in the order of the headings, each with how many chats are in it. */
export function stateCounts(chats: Chat[]): { state: ChatState; chats: number }[] {
  return SECTIONS.flatMap((section) => section.states)
    .map((state) => ({ state, chats: chats.filter((chat) => chat.state === state).length }))
    .filter((entry) => entry.chats > 0);
}
