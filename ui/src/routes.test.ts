import { expect, test } from 'vitest';
import { chatHref, crashHref, parseRoute, type Route } from './routes';

test('a fragment names a page', () => {
  const rows: [string, Route][] = [
    ['', { page: 'chats' }],
    ['#/', { page: 'chats' }],
    ['#/chats', { page: 'chats' }],
    ['#/chats/', { page: 'chats' }],
    ['#/chats/claude-code:22', { page: 'chat', id: 'claude-code:22' }],
    ['#/chats/claude-code%3A22', { page: 'chat', id: 'claude-code:22' }],
    ['#/chats/a/b', { page: 'chat', id: 'a/b' }],
    ['#/chats/100%', { page: 'chat', id: '100%' }],
    ['/crashes/12', { page: 'crash', number: 12 }],
    ['#/crashes', { page: 'crashes' }],
    ['#/crashes/', { page: 'crashes' }],
    ['#/crashes/twelve', { page: 'crashes' }],
    ['#/nowhere', { page: 'chats' }],
  ];
  for (const [fragment, route] of rows) expect([fragment, parseRoute(fragment)]).toEqual([fragment, route]);
});

test('links lead where they say', () => {
  expect(parseRoute(chatHref('claude-code:ä/#?%'))).toEqual({ page: 'chat', id: 'claude-code:ä/#?%' });
  expect(parseRoute(crashHref(12))).toEqual({ page: 'crash', number: 12 });
});
