/** Writing of weight files: whole or not at all. */
import { parseObject, type SourceFile } from "./file.ts";
import { product, readSafetensorsHeader, writeSafetensorsHeader } from "./safetensors.ts";

export interface WrittenTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Or what gives them when they are written, so that they are not all there at once. */
  readonly values: Float32Array | (() => Float32Array);
}

/** Writes a float32 safetensors file; it appears under its name only when it is whole and on the disk.
 * @param metadata texts of the header's "__metadata__" */
export function writeTensors(
  path: string,
  tensors: readonly WrittenTensor[],
  metadata: Readonly<Record<string, string>> = { format: "pt" },
): void {
  writeWhole(path, (write) => {
    write(writeSafetensorsHeader(tensors, metadata));
    for (const { name, shape, values: given } of tensors) {
      const values = typeof given === "function" ? given() : given;
      if (values.length !== product(shape)) {
        throw new Error(`Cannot write ${name}: ${values.length} numbers for [${shape.join(", ")}]`);
      }
      write(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    }
  });
}

/** Writes a file that appears under its name only when it is whole and on the disk. */
export function writeWhole(path: string, body: (write: (bytes: Uint8Array) => void) => void): void {
  const partial = `${path}.tmp`;
  {
    using out = Deno.openSync(partial, { create: true, write: true, truncate: true });
    body((bytes) => {
      for (let done = 0; done < bytes.length;) done += out.writeSync(bytes.subarray(done));
    });
    out.syncSync();
  }
  Deno.renameSync(partial, path);
}

/** Texts of a safetensors file's "__metadata__". */
export function readMetadata(file: SourceFile): Readonly<Record<string, unknown>> {
  const header = parseObject(readSafetensorsHeader(file), `the header of ${file.path}`);
  return (header["__metadata__"] ?? {}) as Readonly<Record<string, unknown>>;
}
