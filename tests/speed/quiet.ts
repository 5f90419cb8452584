/** Timings count only on a quiet machine. */

/** Jiffies spent busy by the whole machine and by this process. */
function busy(): { readonly all: number; readonly own: number } {
  const fields = Deno.readTextFileSync("/proc/stat").split("\n")[0]!.split(/\s+/).slice(1).map(Number);
  const idle = fields[3]! + fields[4]!;
  const own = Deno.readTextFileSync("/proc/self/stat").replace(/^.*\) /, "").split(" ");
  return {
    all: fields.slice(0, 8).reduce((a, b) => a + b, 0) - idle,
    own: Number(own[11]) + Number(own[12]),
  };
}

/** Share of one core that other processes used since an earlier reading. */
export function watchOthers(): () => number {
  const before = busy(), start = performance.now();
  return () => {
    const after = busy(), seconds = (performance.now() - start) / 1000;
    return (after.all - before.all - (after.own - before.own)) / 100 / seconds;
  };
}

/** What others may use of a core before a figure is refused. */
export const TOLERATED = 0.15;

/** @throws when other processes hold more of a core than is tolerated, during one second or since `watch` began. */
export async function refuseNoise(watch?: () => number): Promise<void> {
  const others = watch ?? watchOthers();
  if (!watch) await new Promise((done) => setTimeout(done, 1000));
  const share = others();
  if (share > TOLERATED) {
    throw new Error(
      `Cannot report speed: other processes use ${share.toFixed(2)} of a core, wanted at most ${TOLERATED}`,
    );
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b), middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
