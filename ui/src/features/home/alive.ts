// The clients of this machine, and how their live chats are.

import type { Chat, ClientStatus } from '../../bindings/api';
import type { ChatState } from '../../bindings/core';

/** Of a chat that a process is known to stand behind, in the order in which they are told. */
const LIVE: readonly ChatState[] = ['working', 'waiting', 'idle', 'hung'];
/** A chat that cannot be judged may be alive: it is told, and not counted among those that are. */
const TOLD: readonly ChatState[] = [...LIVE, 'unknown'];

export interface ClientLife extends ClientStatus {
  /** Only states that occur. */
  states: { state: ChatState; chats: number }[];
}

export function isLive(chat: Chat): boolean {
  return LIVE.includes(chat.state);
}

/** The clients that are there, or have chats. */
export function clientLives(clients: ClientStatus[], chats: Chat[]): ClientLife[] {
  return clients
    .filter((each) => isFound(each) || chats.some((chat) => chat.client === each.client))
    .map((each) => ({
      ...each,
      states: TOLD.map((state) => ({
        state,
        chats: chats.filter((chat) => chat.client === each.client && chat.state === state).length,
      })).filter(({ chats }) => chats > 0),
    }));
}

export function isFound(client: ClientStatus): boolean {
  return client.command !== null || client.homes.length > 0;
}
