// The doctor's findings under what they are about, what is wrong first.

import type { Finding, Level } from '../../bindings/api';
import { CLIENT_NAMES } from '../../words';

export interface Area {
  title: string;
  findings: Finding[];
}

const AREAS = ['Clients', 'Hooks and MCP', 'Chats', 'Journal', 'SHIM itself', 'Other'] as const;
type Title = (typeof AREAS)[number];

const TITLES: Record<string, Title> = {
  home: 'Clients',
  homes: 'Clients',
  chats: 'Chats',
  retention: 'Chats',
  deleted: 'Chats',
  dropped: 'Chats',
  checksums: 'Journal',
  damaged: 'Journal',
  'data folder': 'SHIM itself',
  terminal: 'SHIM itself',
  warning: 'SHIM itself',
  'cut short': 'SHIM itself',
};

const WORST_FIRST: Record<Level, number> = { problem: 0, note: 1, ok: 2 };

/** Only areas of which something was found; those with a problem first. */
export function areas(findings: Finding[]): Area[] {
  const of = (title: Title) => findings.filter((finding) => titleOf(finding.what) === title).sort(worstFirst);
  return AREAS.map((title) => ({ title, findings: of(title) }))
    .filter(({ findings }) => findings.length > 0)
    .sort((a, b) => Number(isSound(a)) - Number(isSound(b)));
}

/** What only reading the whole journal tells. */
export function isOfJournal(finding: Finding): boolean {
  return titleOf(finding.what) === 'Journal';
}

/** What was looked at, as a person says it: `codex hooks` as `Codex hooks`. */
export function whatWords(what: string): string {
  if (what === 'home' || what === 'homes') return 'Folder';
  const [first = '', ...rest] = what.split(' ');
  const client = Object.entries(CLIENT_NAMES).find(([name]) => name === first)?.[1];
  const begin = client ?? first.charAt(0).toUpperCase() + first.slice(1);
  return [begin, ...rest.map((word) => (word === 'mcp' ? 'MCP' : word))].join(' ');
}

function titleOf(what: string): Title {
  const known = TITLES[what];
  if (known) return known;
  const [first = '', second] = what.split(' ');
  if (!Object.hasOwn(CLIENT_NAMES, first)) return 'Other';
  return second === undefined ? 'Clients' : 'Hooks and MCP';
}

const isSound = ({ findings }: Area) => findings.every(({ level }) => level !== 'problem');

const worstFirst = (a: Finding, b: Finding) => WORST_FIRST[a.level] - WORST_FIRST[b.level];
