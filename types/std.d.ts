/** Types of the @std names that the import map serves from a package without declarations. Only what is used. */
declare module "@std/assert" {
  export class AssertionError extends Error {}
  export function assert(condition: unknown, message?: string): asserts condition;
  export function assertAlmostEquals(
    actual: number,
    expected: number,
    tolerance?: number,
    message?: string,
  ): void;
  export function assertEquals<T>(actual: T, expected: T, message?: string): void;
  export function assertNotEquals<T>(actual: T, expected: T, message?: string): void;
  export function assertMatch(actual: string, expected: RegExp, message?: string): void;
  export function assertStringIncludes(actual: string, expected: string, message?: string): void;
  export function assertThrows(
    run: () => unknown,
    // deno-lint-ignore no-explicit-any
    kind?: new (...args: any[]) => Error,
    includes?: string,
  ): unknown;
  export function assertRejects(
    run: () => PromiseLike<unknown>,
    // deno-lint-ignore no-explicit-any
    kind?: new (...args: any[]) => Error,
    includes?: string,
  ): Promise<unknown>;
}
