/** What the environment says about the hub and its cache: the variables, files and defaults of Python's huggingface_hub. */
import { join, resolve } from "node:path";
import { UserError } from "../error.ts";
import { readIfAny } from "./cache.ts";

/** The value of a variable, undefined where it is not set. */
export type Environment = (name: string) => string | undefined;

export interface HubSettings {
  /** Where the hub is, without a slash at its end. */
  readonly endpoint: string;
  /** Sent to the endpoint's own origin and nowhere else. */
  readonly token?: string;
  /** Root of the cache, absolute. */
  readonly cache: string;
  /** Whether the network may not be asked. */
  readonly offline: boolean;
}

const DEFAULT_ENDPOINT = "https://huggingface.co";

/**
 * Root of the cache: HF_HUB_CACHE, else HUGGINGFACE_HUB_CACHE, else `hub` in HF_HOME, which is by default `huggingface` in
 * XDG_CACHE_HOME or ~/.cache.
 *
 * @param baseDir Where relative paths start.
 * @throws {UserError} for a path with a variable in it, which Python would fill in.
 */
export function hubCache(env: Environment, baseDir: string): string {
  const own = pathOf(env, "HF_HUB_CACHE", baseDir) ?? pathOf(env, "HUGGINGFACE_HUB_CACHE", baseDir);
  return own ?? join(hubHome(env, baseDir), "hub");
}

/** @throws {UserError} for an endpoint that is no address, or a path as in hubCache(). */
export function hubSettings(env: Environment, baseDir: string): HubSettings {
  const token = tokenOf(env, baseDir);
  return {
    endpoint: endpointOf(env("HF_ENDPOINT") || DEFAULT_ENDPOINT),
    ...(token === undefined ? {} : { token }),
    cache: hubCache(env, baseDir),
    offline: isTrue(env("HF_HUB_OFFLINE")),
  };
}

function endpointOf(text: string): string {
  const url = URL.parse(text);
  const state = url === null || !/^https?:$/.test(url.protocol)
    ? `it is ${JSON.stringify(text)}`
    : url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== ""
    ? "it has a user, a query or a fragment"
    : undefined;
  if (state === undefined) return text.replace(/\/+$/, "");
  throw new UserError(`Cannot use HF_ENDPOINT: ${state}, wanted an address like ${DEFAULT_ENDPOINT}`);
}

/** HF_TOKEN, else what `hf auth login` wrote. */
function tokenOf(env: Environment, baseDir: string): string | undefined {
  if (isTrue(env("HF_HUB_DISABLE_IMPLICIT_TOKEN"))) return undefined;
  const file = pathOf(env, "HF_TOKEN_PATH", baseDir) ?? join(hubHome(env, baseDir), "token");
  const text = env("HF_TOKEN") || env("HUGGING_FACE_HUB_TOKEN") || readIfAny(file) || "";
  const token = text.replaceAll(/[\r\n]/g, "").trim();
  if (token === "") return undefined;
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new UserError(
    `Cannot use the hub's token: it has characters that no token has, wanted another HF_TOKEN`,
  );
}

function hubHome(env: Environment, baseDir: string): string {
  const own = pathOf(env, "HF_HOME", baseDir);
  if (own !== undefined) return own;
  const cache = pathOf(env, "XDG_CACHE_HOME", baseDir) ?? join(env("HOME") || baseDir, ".cache");
  return join(cache, "huggingface");
}

function pathOf(env: Environment, name: string, baseDir: string): string | undefined {
  const text = env(name);
  if (!text) return undefined;
  if (text.includes("$")) {
    throw new UserError(`Cannot use ${name}: it is ${text}, wanted a path without a variable in it`);
  }
  const home = env("HOME");
  return resolve(baseDir, home ? text.replace(/^~(?=\/|$)/, () => home) : text);
}

function isTrue(text: string | undefined): boolean {
  return ["1", "ON", "YES", "TRUE"].includes((text ?? "").toUpperCase());
}
