// The boundary to what runs the pages: the desktop app, or a recorded world. Everything the pages know
// or do passes here.

import type {
  ApiError,
  Audit,
  Chat,
  ChatDetail,
  ChatSignals,
  Chart,
  Checkpoint,
  Crash,
  Event,
  Experiment,
  ExperimentRequest,
  Experiments,
  Finding,
  FleetView,
  Hit,
  InstallRequest,
  Installed,
  Offer,
  Point,
  Prediction,
  Receipt,
  RestoreRequest,
  SettingsChange,
  SettingsView,
  Status,
  TimelinePage,
} from '../bindings/api';
import type { Fingerprint, OpportunityReport, Options } from '../bindings/core';

export type Stop = () => void;

/** Each call rejects with an `ApiError`. */
export interface Host {
  status(): Promise<Status>;
  chats(): Promise<Chat[]>;
  /** The chat and the newest `limit` entries of its timeline. */
  chat(args: { target: string; limit: number }): Promise<ChatDetail>;
  /** At most `limit` entries, the oldest of them the `from`th; with null, the newest. */
  timeline(args: { target: string; from: number | null; limit: number }): Promise<TimelinePage>;
  crashes(): Promise<Crash[]>;
  /** Crashes by day and kind; days are those of so many minutes east of UTC. */
  crash_chart(args: { days: number; offset_minutes: number }): Promise<Chart>;
  /** A live chat's memory and context over so many minutes. */
  signals_chart(args: { target: string; minutes: number }): Promise<Chart>;
  /** A chat's numbers now, and so many minutes of their history. */
  signals(args: { target: string; minutes: number }): Promise<ChatSignals>;
  /** What foretells crashes, client by client, and what it was worth. */
  prediction(): Promise<Prediction[]>;
  /** What is tried on SHIM's own settings, on what evidence. */
  experiments(): Promise<Experiments>;
  /** The evidence about a new value, `arm` from 1 on; days are those of so many minutes east of UTC. */
  experiment_chart(args: { experiment: number; arm: number; offset_minutes: number }): Promise<Chart>;
  /** The user's word about an experiment; resolves to it as it then stands. */
  about_experiment(args: { request: ExperimentRequest }): Promise<Experiment>;
  /** At most `limit` entries of the audit log, the newest before the one numbered `before`; decisions alone, or `all`.
   *  With `replay` the whole log is played again. */
  audit(args: { all: boolean; before: number | null; limit: number; replay: boolean }): Promise<Audit>;
  /** What in the history goes with crashes, cost and waits; hours are those of so many minutes east of UTC. */
  opportunities(args: { offset_minutes: number }): Promise<OpportunityReport>;
  /** Crashes that look alike, grouped; days are named as so many minutes east of UTC. */
  fingerprints(args: { offset_minutes: number }): Promise<Fingerprint[]>;
  checkpoints(args: { target: string }): Promise<Checkpoint[]>;
  /** At an earlier `point` of the chat; null takes it where the chat stands. */
  take_checkpoint(args: { target: string; note: string | null; point: Point | null }): Promise<Checkpoint>;
  /** Saves the transcript, or what it was at a checkpoint, among the user's downloads; resolves to the file's path. */
  export_chat(args: { target: string; checkpoint: number | null }): Promise<string>;
  restore(args: { request: RestoreRequest }): Promise<Receipt>;
  /** What many chats could be brought back, and the restore of many that was begun last. */
  fleet(): Promise<FleetView>;
  begin_fleet(args: { options: Options }): Promise<FleetView>;
  cancel_fleet(): Promise<FleetView>;
  /** With `verify` the whole journal is read. */
  doctor(args: { verify: boolean }): Promise<Finding[]>;
  /** What can be installed here, as it stands. */
  offers(): Promise<Offer[]>;
  install(args: { request: InstallRequest }): Promise<Installed[]>;
  settings(): Promise<SettingsView>;
  /** Rejects with all that is wrong in `details`, and changes nothing then. */
  change_settings(args: { change: SettingsChange }): Promise<SettingsView>;
  search(args: { text: string }): Promise<Hit[]>;
  /** Null pauses until `resume`. */
  pause(args: { seconds: number | null }): Promise<void>;
  resume(): Promise<void>;

  onEvent(listener: (event: Event) => void): Stop;
  /** Tells when the engine becomes reachable (true) or stops being so (false). */
  onEngine(listener: (up: boolean) => void): Stop;
  /** Tells a route such as `/crashes/12` that the tray or a notification asks for. */
  onNavigate(listener: (route: string) => void): Stop;
}

/** What a call rejected with, as an `ApiError` also where it failed before reaching the api. */
export function asApiError(rejection: unknown): ApiError {
  if (isApiError(rejection)) return rejection;
  const message = rejection instanceof Error ? rejection.message : String(rejection);
  return { code: 'internal', message, details: null };
}

function isApiError(value: unknown): value is ApiError {
  return typeof value === 'object' && value !== null && 'code' in value && 'message' in value;
}
