/** What a part of Plumbline may use of the world outside its arguments. Made once, by the command line or a test. */
export interface Context {
  /** Root of the cache; made when first needed. */
  readonly cacheDir: string;
  /** Where relative paths of the user start. */
  readonly baseDir: string;
  readonly signal: AbortSignal;
  /** A line for people, on stderr. */
  readonly log: (line: string) => void;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Threads the runtime may use; 0 lets it choose. */
  readonly threads: number;
}
