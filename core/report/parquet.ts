/** Parquet files, written a row group at a time, so that a table need not fit into memory. */
import { ByteWriter, ParquetWriter } from "hyparquet-writer";

/** "count" is a whole number below 2^31. */
export interface Column {
  readonly name: string;
  readonly type: "text" | "number" | "count" | "flag";
  readonly nullable?: boolean;
}

/** By the names of the columns; null, or left out, where there is nothing, in columns that are nullable. */
export type Row = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface TableWriter extends AsyncDisposable {
  /** Rows stand in the file in the order they are added. */
  add(rows: Iterable<Row>): Promise<void>;
  /** Writes what is left and the footer, without which the file is none. */
  finish(): Promise<void>;
}

/** Large enough for dictionaries to pay, small enough to hold: about 10 MB of rows. */
const GROUP_ROWS = 65_536;

const PHYSICAL = {
  text: { type: "BYTE_ARRAY", converted_type: "UTF8" },
  number: { type: "DOUBLE" },
  count: { type: "INT32" },
  flag: { type: "BOOLEAN" },
} as const;

/**
 * Begins a file that must not be there yet. The same rows give the same bytes.
 *
 * @param options `about`: what the footer says of the file, by key; `groupRows`: rows that are held before they are written.
 * @throws Deno's errors when the file cannot be made.
 */
export async function createParquet(
  path: string,
  { columns, about, groupRows = GROUP_ROWS }: {
    readonly columns: readonly Column[];
    readonly about: Readonly<Record<string, string>>;
    readonly groupRows?: number;
  },
): Promise<TableWriter> {
  const file = await Deno.open(path, { write: true, createNew: true });
  const bytes = new ByteWriter();
  const flush = async () => {
    const taken = bytes.getBytes();
    for (let at = 0; at < taken.length;) at += await file.write(taken.subarray(at));
    bytes.index = 0;
  };
  const writer = new ParquetWriter({
    writer: Object.assign(bytes, { flush, finish: flush }),
    schema: [
      { name: "root", num_children: columns.length },
      ...columns.map(({ name, type, nullable }) => ({
        name,
        repetition_type: nullable ? "OPTIONAL" as const : "REQUIRED" as const,
        ...PHYSICAL[type],
      })),
    ],
    kvMetadata: Object.entries(about).map(([key, value]) => ({ key, value })),
    createdBy: "Plumbline",
  });
  let held: Row[] = [];
  const writeGroup = async () => {
    if (held.length === 0) return;
    const columnData = columns.map(({ name }) => ({ name, data: held.map((row) => row[name] ?? null) }));
    const rowGroupSize = held.length;
    held = [];
    await writer.write({ columnData, rowGroupSize });
  };
  return {
    async add(rows) {
      for (const row of rows) {
        held.push(row);
        if (held.length >= groupRows) await writeGroup();
      }
    },
    async finish() {
      await writeGroup();
      await writer.finish();
    },
    [Symbol.asyncDispose]() {
      file.close();
      return Promise.resolve();
    },
  };
}
