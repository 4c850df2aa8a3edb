import { expect, test } from 'vitest';
import { chatHref, chatsHref, crashHref, experimentHref, parseRoute, searchHref, type Route } from './routes';

const ALL = { page: 'chats', state: null, client: null } as const;

test('a fragment names a page', () => {
  const rows: [string, Route][] = [
    ['', { page: 'home' }],
    ['#/', { page: 'home' }],
    ['#/nowhere', { page: 'home' }],
    ['#/chats', ALL],
    ['#/chats/', ALL],
    ['#/chats?state=working', { ...ALL, state: 'working' }],
    ['#/chats?state=hung&client=codex', { page: 'chats', state: 'hung', client: 'codex' }],
    ['#/chats?state=toString&client=none', ALL],
    ['#/chats/claude-code:22', { page: 'chat', id: 'claude-code:22', checkpoint: null }],
    ['#/chats/claude-code%3A22', { page: 'chat', id: 'claude-code:22', checkpoint: null }],
    ['#/chats/claude-code%3A22?checkpoint=4', { page: 'chat', id: 'claude-code:22', checkpoint: 4 }],
    ['#/chats/claude-code%3A22?checkpoint=last', { page: 'chat', id: 'claude-code:22', checkpoint: null }],
    ['#/chats/a/b', { page: 'chat', id: 'a/b', checkpoint: null }],
    ['#/chats/100%', { page: 'chat', id: '100%', checkpoint: null }],
    ['#/search', { page: 'search', text: '' }],
    ['#/search/two%20words%3F', { page: 'search', text: 'two words?' }],
    ['/crashes/12', { page: 'crash', number: 12 }],
    ['#/crashes', { page: 'crashes' }],
    ['#/crashes/', { page: 'crashes' }],
    ['#/crashes/twelve', { page: 'crashes' }],
    ['#/health', { page: 'health' }],
    ['#/experiments', { page: 'experiments' }],
    ['#/experiments/12', { page: 'experiment', number: 12 }],
    ['#/experiments/twelve', { page: 'experiments' }],
    ['#/opportunities', { page: 'opportunities' }],
    ['/doctor', { page: 'doctor' }],
    ['#/welcome', { page: 'welcome' }],
  ];
  for (const [fragment, route] of rows) expect([fragment, parseRoute(fragment)]).toEqual([fragment, route]);
});

test('links lead where they say', () => {
  expect(parseRoute(chatHref('claude-code:ä/#?%'))).toEqual({ page: 'chat', id: 'claude-code:ä/#?%', checkpoint: null });
  expect(parseRoute(chatHref('codex:a?b', 31))).toEqual({ page: 'chat', id: 'codex:a?b', checkpoint: 31 });
  expect(parseRoute(crashHref(12))).toEqual({ page: 'crash', number: 12 });
  expect(parseRoute(experimentHref(7))).toEqual({ page: 'experiment', number: 7 });
  expect(parseRoute(searchHref('what? 100 % / #1'))).toEqual({ page: 'search', text: 'what? 100 % / #1' });
  expect(parseRoute(searchHref(''))).toEqual({ page: 'search', text: '' });
  expect(parseRoute(chatsHref({ client: 'gemini' }))).toEqual({ ...ALL, client: 'gemini' });
  expect(parseRoute(chatsHref({}))).toEqual(ALL);
});
