// The German of the pages, by the English that stands in the source. One file per part of the pages.

import { CHATS } from './chats';
import { DOCTOR } from './doctor';
import { FRAME } from './frame';
import { HOME } from './home';
import { SEARCH } from './search';
import { SETTINGS } from './settings';
import { WELCOME } from './welcome';
import { WORDS } from './words';

export const GERMAN: Record<string, string> = { ...WORDS, ...FRAME, ...HOME, ...SEARCH, ...SETTINGS, ...CHATS, ...DOCTOR, ...WELCOME };
