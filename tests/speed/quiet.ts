/** Timings count only on a quiet machine. */
import { cpus } from "node:os";
import process from "node:process";

/** Seconds of processor time that the whole machine and this process have used. */
function busy(): { readonly all: number; readonly own: number } {
  const all = cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
  const { user, system } = process.cpuUsage();
  return { all: all / 1000, own: (user + system) / 1e6 };
}

/** Share of one core that other processes used since an earlier reading. */
export function watchOthers(): () => number {
  const before = busy(), start = performance.now();
  return () => {
    const after = busy(), seconds = (performance.now() - start) / 1000;
    return (after.all - before.all - (after.own - before.own)) / seconds;
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
