// Something installed or taken back, from the question what would change to the end. Nothing is written before its
// user has seen what.

import type { ApiError, InstallRequest, Installed } from '../../bindings/api';
import { useHost } from '../../host/context';
import { asApiError } from '../../host/host';

export type Asked = Omit<InstallRequest, 'dry_run'>;

export type Installing =
  | { phase: 'ready' }
  | { phase: 'looking' }
  | { phase: 'shown'; would: Installed[] }
  | { phase: 'doing'; would: Installed[] }
  | { phase: 'failed'; error: ApiError };

/** To be called while a component is set up. */
export function installing() {
  const host = useHost();
  let state = $state.raw<Installing>({ phase: 'ready' });

  return {
    get state() {
      return state;
    },
    async look(asked: Asked): Promise<void> {
      state = { phase: 'looking' };
      try {
        state = { phase: 'shown', would: await host.install({ request: { ...asked, dry_run: true } }) };
      } catch (rejection) {
        state = { phase: 'failed', error: asApiError(rejection) };
      }
    },
    /** What became of it; undefined where it failed, which the state tells. */
    async carryOut(asked: Asked): Promise<Installed[] | undefined> {
      if (state.phase !== 'shown') return undefined;
      state = { phase: 'doing', would: state.would };
      try {
        const made = await host.install({ request: { ...asked, dry_run: false } });
        state = { phase: 'ready' };
        return made;
      } catch (rejection) {
        state = { phase: 'failed', error: asApiError(rejection) };
        return undefined;
      }
    },
    dismiss(): void {
      state = { phase: 'ready' };
    },
  };
}
