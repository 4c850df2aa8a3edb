// The German of the pages, by the English that stands in the source. One file per part of the pages.

import { DOCTOR } from './doctor';
import { FRAME } from './frame';
import { HOME } from './home';
import { SEARCH } from './search';
import { SETTINGS } from './settings';
import { WELCOME } from './welcome';

export const GERMAN: Record<string, string> = { ...FRAME, ...HOME, ...SEARCH, ...SETTINGS, ...DOCTOR, ...WELCOME };
