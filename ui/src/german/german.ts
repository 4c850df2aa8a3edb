// The German of the pages, by the English that stands in the source. One file per part of the pages.

import { CHATS } from './chats';
import { COMPONENTS } from './components';
import { CRASHES } from './crashes';
import { DOCTOR } from './doctor';
import { EXPERIMENTS } from './experiments';
import { FRAME } from './frame';
import { HEALTH } from './health';
import { HOME } from './home';
import { OPPORTUNITIES } from './opportunities';
import { SEARCH } from './search';
import { SETTINGS } from './settings';
import { WELCOME } from './welcome';
import { WORDS } from './words';

export const PARTS: readonly Record<string, string>[] = [WORDS, COMPONENTS, FRAME, HOME, SEARCH, SETTINGS, CHATS, CRASHES, HEALTH, EXPERIMENTS, OPPORTUNITIES, DOCTOR, WELCOME];

export const GERMAN: Record<string, string> = Object.assign({}, ...PARTS);
