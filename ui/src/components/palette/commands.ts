// What the command palette offers, as data: where one can go, and what can be done from anywhere.

import type { Chat, Crash, FleetView, Status } from '../../bindings/api';
import { t } from '../../language';
import type { Theme } from '../../look';
import {
  CHATS_HREF,
  chatHref,
  CRASHES_HREF,
  DOCTOR_HREF,
  EXPERIMENTS_HREF,
  HEALTH_HREF,
  HOME_HREF,
  OPPORTUNITIES_HREF,
  SEARCH_HREF,
  searchHref,
  SETTINGS_HREF,
  WELCOME_HREF,
  type Route,
} from '../../routes';
import { CLIENT_NAMES, STATE_WORDS } from '../../words';
import { fit } from './fit';

export type Effect =
  | { do: 'go'; href: string }
  | { do: 'restore'; crash: Crash }
  | { do: 'restore_all' }
  | { do: 'pause' }
  | { do: 'resume' }
  | { do: 'checkpoint'; chat: string }
  | { do: 'theme'; theme: Theme }
  | { do: 'keys' }
  /** The welcome was seen. */
  | { do: 'welcomed' };

export interface Command {
  id: string;
  title: string;
  /** What kind of command it is, or more of what it is about. */
  hint: string;
  effect: Effect;
}

/** What is known when the palette opens; null where it is not known yet. */
export interface Known {
  route: Route;
  status: Status | null;
  chats: Chat[];
  crashes: Crash[];
  fleet: FleetView | null;
}

/** Options in sight; more are found by writing more. */
export const SHOWN_MAX = 50;
/** A search needs as many letters. */
const SEARCH_CHARS_MIN = 2;
/** As the tray offers it. */
const RESTORE_ALL_FROM = 2;

/** The best first; with nothing written what is to do comes first. */
export function matching(known: Known, text: string): Command[] {
  const wanted = text.trim();
  const found = everything(known)
    .map((command) => ({ command, score: fit(`${command.title} ${command.hint}`, wanted) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(0, SHOWN_MAX)
    .map(({ command }) => command);
  return wanted.length < SEARCH_CHARS_MIN ? found : [...found, searchFor(wanted)];
}

function everything(known: Known): Command[] {
  return [...restores(known), ...pages(), ...actions(known), ...known.chats.map(openChat)];
}

function pages(): Command[] {
  const all: [string, string][] = [
    [t('Home'), HOME_HREF],
    [t('Chats'), CHATS_HREF],
    [t('Crashes'), CRASHES_HREF],
    [t('Health'), HEALTH_HREF],
    [t('Experiments'), EXPERIMENTS_HREF],
    [t('Opportunities'), OPPORTUNITIES_HREF],
    [t('Doctor'), DOCTOR_HREF],
    [t('Settings'), SETTINGS_HREF],
    [t('Search'), SEARCH_HREF],
    [t('Welcome'), WELCOME_HREF],
  ];
  return all.map(([title, href]) => ({ id: `page ${href}`, title, hint: t('Page'), effect: { do: 'go', href } }));
}

function restores({ crashes, fleet }: Known): Command[] {
  const open = crashes.filter((crash) => !crash.resolved).sort((a, b) => Date.parse(b.happened_at) - Date.parse(a.happened_at));
  const each = open.map((crash) => ({
    id: `restore ${crash.id}`,
    title: t('Restore “{title}”', { title: crash.title }),
    hint: t('Crash'),
    effect: { do: 'restore' as const, crash },
  }));
  const offered = fleet?.offer.length ?? 0;
  if (offered < RESTORE_ALL_FROM) return each;
  const all = action('restore_all', t('Restore all {n} chats', { n: offered }), { do: 'restore_all' });
  return [all, ...each];
}

function actions({ route, status, chats }: Known): Command[] {
  const all: Command[] = [];
  if (route.page === 'chat') {
    const title = chats.find((chat) => chat.id === route.id)?.title ?? route.id;
    all.push(action('checkpoint', t('Take a checkpoint of “{title}”', { title }), { do: 'checkpoint', chat: route.id }));
  }
  if (status && status.engine.paused_until === null) all.push(action('pause', t('Pause watching for an hour'), { do: 'pause' }));
  if (status && status.engine.paused_until !== null) all.push(action('resume', t('Resume watching'), { do: 'resume' }));
  return [
    ...all,
    action('light', t('Light colours'), { do: 'theme', theme: 'light' }),
    action('dark', t('Dark colours'), { do: 'theme', theme: 'dark' }),
    action('system', t('Colours as the system'), { do: 'theme', theme: 'system' }),
    action('keys', t('Show the keyboard’s shortcuts'), { do: 'keys' }),
  ];
}

function action(id: string, title: string, effect: Effect): Command {
  return { id, title, hint: t('Action'), effect };
}

function openChat(chat: Chat): Command {
  const hint = `${CLIENT_NAMES[chat.client]}, ${STATE_WORDS[chat.state]}`;
  return { id: `chat ${chat.id}`, title: chat.title, hint, effect: { do: 'go', href: chatHref(chat.id) } };
}

function searchFor(text: string): Command {
  return { id: 'search', title: t('Search all chats for “{text}”', { text }), hint: t('Search'), effect: { do: 'go', href: searchHref(text) } };
}
