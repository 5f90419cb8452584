/** The pages over a store, on loopback only: what `deno task serve` runs. */
import { join } from "node:path";
import { UserError } from "../core/mod.ts";
import { openSqliteStore } from "../core/store/mod.ts";
import { createApp } from "./app.tsx";

const HOST = "127.0.0.1";
const MAX_PORT = 65535;
/** Ports tried after the one asked for. */
const MORE_PORTS = 20;

export interface ServeOptions {
  /** Folder that holds plumbline.sqlite; made when it is missing. */
  readonly resultsDir: string;
  /** First port to try, 1 to 65535. */
  readonly port: number;
  /** Ends the server. */
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
  /** Called with the address once requests are answered. */
  readonly onListen: (url: string) => void;
}

/** Serves until the signal is aborted. @throws {UserError} when the store cannot be opened or no port is free. */
export async function serve({ resultsDir, port, signal, log, onListen }: ServeOptions): Promise<void> {
  if (port < 1 || port > MAX_PORT) {
    throw new UserError(`Cannot serve on port ${port}: there is no such port, wanted 1 to ${MAX_PORT}`);
  }
  using store = openSqliteStore(join(resultsDir, "plumbline.sqlite"));
  const server = listen(port, signal, createApp({ store, log }).fetch);
  onListen(`http://${HOST}:${server.addr.port}/`);
  await server.finished;
}

function listen(
  port: number,
  signal: AbortSignal,
  handler: (request: Request) => Response | Promise<Response>,
): Deno.HttpServer<Deno.NetAddr> {
  for (let tried = port; tried <= Math.min(port + MORE_PORTS, MAX_PORT); tried++) {
    try {
      return Deno.serve({ hostname: HOST, port: tried, signal, onListen: () => {} }, handler);
    } catch (error) {
      if (error instanceof Deno.errors.PermissionDenied) {
        throw new UserError(`Cannot serve on port ${tried}: the system keeps it, wanted one from 1024 up`, {
          cause: error,
        });
      }
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  throw new UserError(
    `Cannot serve on port ${port}: it and up to ${MORE_PORTS} after it are taken, wanted a free one (--port N)`,
  );
}
