// The German of the pages, by the English that stands in the source. One file per part of the pages.

import { CHATS } from './chats';
import { COMPONENTS } from './components';
import { CRASHES } from './crashes';
import { HEALTH } from './health';
import { WORDS } from './words';

export const GERMAN: Record<string, string> = { ...WORDS, ...COMPONENTS, ...CHATS, ...CRASHES, ...HEALTH };
