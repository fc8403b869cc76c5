import type { Log } from '#kernel/driver.ts';
import type { Store } from '#store/model.ts';

/** What a command line command may use. `Config` is the part of the settings tree that the command reads. */
export interface CliHouse<Config> {
  /** The validated settings; throws CONFIG_INVALID with every problem when they are wrong. */
  config(): Promise<Config>;
  /** Path of the configuration file in use, or undefined when there is none. */
  readonly configFile: () => string | undefined;
  readonly dataDir: () => string;
  /** Opens the database of this house. Works while the service runs; closed by the caller. */
  store(): Promise<Store>;
  /** Asks the running service: `GET <path>` parsed as JSON. Throws UNREACHABLE with a remedy when it is not running. */
  get(path: string): Promise<unknown>;
  readonly log: Log;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Prints data: as JSON with `--json`, otherwise as the text that `human` makes. */
  print(data: unknown, human: () => string): void;
  /** One line of progress on stderr; silent with `--json` or when nobody watches. */
  progress(text: string): void;
  readonly signal: AbortSignal;
}

/** For commands that make the running service do something. */
export interface ActingHouse<Config> extends CliHouse<Config> {
  /** `POST <path>` with a JSON body, signed in by the token of the data directory. Throws what the service answers. */
  post(path: string, body: unknown): Promise<unknown>;
}
