// The doctor's findings under what they are about, what is wrong first.

import type { Finding, Level } from '../../bindings/api';
import { t } from '../../language';
import { CLIENT_NAMES } from '../../words';

export interface Area {
  title: string;
  findings: Finding[];
}

type Subject = 'clients' | 'hooks' | 'chats' | 'journal' | 'shim' | 'other';

/** In their order. */
const AREAS: Record<Subject, string> = {
  clients: t('Clients'),
  hooks: t('Hooks and MCP'),
  chats: t('Chats'),
  journal: t('Journal'),
  shim: t('SHIM itself'),
  other: t('Other'),
};

const SUBJECTS: Record<string, Subject> = {
  home: 'clients',
  homes: 'clients',
  chats: 'chats',
  retention: 'chats',
  deleted: 'chats',
  dropped: 'chats',
  checksums: 'journal',
  damaged: 'journal',
  'data folder': 'shim',
  terminal: 'shim',
  warning: 'shim',
  'cut short': 'shim',
};

const WORST_FIRST: Record<Level, number> = { problem: 0, note: 1, ok: 2 };

/** Only areas of which something was found; those with a problem first. */
export function areas(findings: Finding[]): Area[] {
  const of = (subject: string) => findings.filter((finding) => subjectOf(finding.what) === subject).sort(worstFirst);
  return Object.entries(AREAS)
    .map(([subject, title]) => ({ title, findings: of(subject) }))
    .filter(({ findings }) => findings.length > 0)
    .sort((a, b) => Number(isSound(a)) - Number(isSound(b)));
}

/** What only reading the whole journal tells. */
export function isOfJournal(finding: Finding): boolean {
  return subjectOf(finding.what) === 'journal';
}

/** With a key each that stays while other findings come and go: what was looked at, and the how manieth of that. */
export function numbered(findings: Finding[]): { key: string; finding: Finding }[] {
  const seen = new Map<string, number>();
  return findings.map((finding) => {
    const number = (seen.get(finding.what) ?? 0) + 1;
    seen.set(finding.what, number);
    return { key: `${finding.what} ${number}`, finding };
  });
}

/** What was looked at, as a person says it: `codex hooks` as `Codex hooks`. */
export function whatWords(what: string): string {
  if (what === 'home' || what === 'homes') return t('Folder');
  const [first = '', ...rest] = what.split(' ');
  const client = Object.entries(CLIENT_NAMES).find(([name]) => name === first)?.[1];
  const begin = client ?? first.charAt(0).toUpperCase() + first.slice(1);
  return [begin, ...rest.map((word) => (word === 'mcp' ? 'MCP' : word))].join(' ');
}

function subjectOf(what: string): Subject {
  const known = SUBJECTS[what];
  if (known) return known;
  const [first = '', second] = what.split(' ');
  if (!Object.hasOwn(CLIENT_NAMES, first)) return 'other';
  return second === undefined ? 'clients' : 'hooks';
}

const isSound = ({ findings }: Area) => findings.every(({ level }) => level !== 'problem');

const worstFirst = (a: Finding, b: Finding) => WORST_FIRST[a.level] - WORST_FIRST[b.level];
