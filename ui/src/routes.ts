// Where in the app one is, as it stands in the URL's fragment.

import type { ChatState, Client } from './bindings/core';
import { CLIENT_NAMES, STATE_WORDS } from './words';

/** Which chats are listed; null lists all. */
export interface Listed {
  state: ChatState | null;
  client: Client | null;
}

export type Route =
  | { page: 'home' }
  | { page: 'welcome' }
  | ({ page: 'chats' } & Listed)
  | { page: 'chat'; id: string; checkpoint: number | null }
  | { page: 'search'; text: string }
  | { page: 'crashes' }
  | { page: 'crash'; number: number }
  | { page: 'health' }
  | { page: 'experiments' }
  | { page: 'experiment'; number: number }
  | { page: 'opportunities' }
  | { page: 'doctor' }
  | { page: 'settings' };

/** Reads `#/crashes/12` or `/crashes/12`; what is not known leads home. */
export function parseRoute(fragment: string): Route {
  const [path = '', query = ''] = fragment.replace(/^#?\/*/, '').split('?', 2);
  const [noun, ...rest] = path.split('/');
  const name = decode(rest.join('/'));
  switch (noun) {
    case 'chats':
      return name === '' ? { page: 'chats', ...listed(new URLSearchParams(query)) } : { page: 'chat', id: name, checkpoint: checkpoint(query) };
    case 'search':
      return { page: 'search', text: name };
    case 'crashes':
      return /^\d+$/.test(name) ? { page: 'crash', number: Number(name) } : { page: 'crashes' };
    case 'experiments':
      return /^\d+$/.test(name) ? { page: 'experiment', number: Number(name) } : { page: 'experiments' };
    case 'welcome':
    case 'health':
    case 'opportunities':
    case 'doctor':
    case 'settings':
      return { page: noun };
    default:
      return { page: 'home' };
  }
}

export const HOME_HREF = '#/';
export const WELCOME_HREF = '#/welcome';
export const CHATS_HREF = '#/chats';
export const SEARCH_HREF = '#/search';
export const CRASHES_HREF = '#/crashes';
export const HEALTH_HREF = '#/health';
export const EXPERIMENTS_HREF = '#/experiments';
export const OPPORTUNITIES_HREF = '#/opportunities';
export const DOCTOR_HREF = '#/doctor';
export const SETTINGS_HREF = '#/settings';

/** With a checkpoint, at its place in the timeline. */
export function chatHref(id: string, checkpoint: number | null = null): string {
  return `${CHATS_HREF}/${encodeURIComponent(id)}${checkpoint === null ? '' : `?checkpoint=${checkpoint}`}`;
}

/** The list of chats, narrowed. */
export function chatsHref({ state = null, client = null }: Partial<Listed>): string {
  const wanted = Object.entries({ state, client }).filter(([, value]) => value !== null);
  const query = wanted.map(([name, value]) => `${name}=${value}`).join('&');
  return query === '' ? CHATS_HREF : `${CHATS_HREF}?${query}`;
}

export function searchHref(text: string): string {
  return text === '' ? SEARCH_HREF : `${SEARCH_HREF}/${encodeURIComponent(text)}`;
}

export function crashHref(number: number): string {
  return `${CRASHES_HREF}/${number}`;
}

export function experimentHref(number: number): string {
  return `${EXPERIMENTS_HREF}/${number}`;
}

function listed(query: URLSearchParams): Listed {
  return { state: oneOf(STATE_WORDS, query.get('state')), client: oneOf(CLIENT_NAMES, query.get('client')) };
}

function checkpoint(query: string): number | null {
  const number = new URLSearchParams(query).get('checkpoint');
  return number !== null && /^\d+$/.test(number) ? Number(number) : null;
}

function oneOf<T extends string>(known: Record<T, unknown>, name: string | null): T | null {
  return name !== null && Object.hasOwn(known, name) ? (name as T) : null;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
