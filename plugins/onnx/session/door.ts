/** What crosses between the harness and the Worker in which ONNX Runtime lives: bytes, numbers, names; nothing else. */

export interface TensorData {
  readonly data: Float32Array | BigInt64Array;
  readonly dims: readonly number[];
}

/** Where a graph is computed. What a device has no kernel for, the runtime computes on the CPU. */
export const DEVICES = ["cpu", "webgpu", "cuda"] as const;
export type Device = typeof DEVICES[number];

export interface SessionOptions {
  /** Default "cpu". */
  readonly device?: Device;
  /** 0 lets the runtime choose. */
  readonly threads: number;
  /** Keep a copy of the weights in the layout that products are fastest in; else they are mapped from their file, once in memory. */
  readonly packed: boolean;
}

/** Inputs that are keys and values of earlier tokens, ours and those of other programs' decoders, and the output that each comes from. */
export const isPast = (name: string) => /^past(_key_values)?\./.test(name);
export const presentName = (past: string) => past.replace(/^past(_key_values)?\./, "present.");

/** Keys and values kept from an earlier call, its rows chosen and repeated as `rows` says. */
export interface Past {
  readonly cache: number;
  readonly rows: readonly number[];
}

export interface Call {
  readonly feeds: Readonly<Record<string, TensorData>>;
  readonly fetch: readonly string[];
  /** Absent: the call starts from nothing. */
  readonly past?: Past;
  /** Keep this call's keys and values; the reply's `cache` names them until `drop`. */
  readonly keep?: boolean;
}

export interface Reply {
  readonly outputs: Readonly<Record<string, TensorData>>;
  readonly cache?: number;
}

/** The Worker's side. */
export interface Runtime {
  open(model: Uint8Array, options: SessionOptions): Promise<void>;
  run(call: Call): Promise<Reply>;
  drop(cache: number): void;
  close(): Promise<void>;
}
