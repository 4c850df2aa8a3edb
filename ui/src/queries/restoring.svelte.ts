// One restore asked for here, from the click to its receipt.

import type { ApiError, Receipt, RestoreRequest } from '../bindings/api';
import { useHost } from '../host/context';
import { asApiError } from '../host/host';

export type Restoring =
  | { phase: 'ready' }
  | { phase: 'running'; dry_run: boolean }
  | { phase: 'done'; receipt: Receipt }
  | { phase: 'failed'; error: ApiError };

/** To be called while a component is set up. What it was asked for goes on if the component is taken away. */
export function restoring() {
  const host = useHost();
  let state = $state.raw<Restoring>({ phase: 'ready' });

  async function ask(request: RestoreRequest): Promise<Restoring> {
    try {
      return { phase: 'done', receipt: await host.restore({ request }) };
    } catch (rejection) {
      return { phase: 'failed', error: asApiError(rejection) };
    }
  }

  return {
    get state() {
      return state;
    },
    /** Not to be called while one is running. */
    async run(request: RestoreRequest): Promise<Restoring> {
      state = { phase: 'running', dry_run: request.dry_run };
      state = await ask(request);
      return state;
    },
    dismiss(): void {
      state = { phase: 'ready' };
    },
  };
}
