import { OperationMisuse } from './failure.ts';

/** How far an attempt has come, on its way to the store. */
export interface Progress {
  /** @throws OperationMisuse for what isn't JSON, or is too large */
  report(value: unknown): void;
  /** What waits is dropped. */
  end(): void;
}

const EVERY_MS = 500;
const MAX_BYTES = 16_384;

/**
 * A handler may report as often as it likes: at most one write is on its way, at most one in half a second, and the last word
 * wins. Nobody waits for it, and a write that fails is followed by the next report, if there is one.
 */
export function createProgress(write: (json: string) => Promise<void>): Progress {
  let next: string | undefined;
  let writing = false;
  let writtenAt = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  let ended = false;

  function flush(): void {
    timer = undefined;
    if (next === undefined || writing || ended) return;
    const leftMs = writtenAt + EVERY_MS - performance.now();
    if (leftMs > 0) {
      timer = setTimeout(flush, leftMs);
      timer.unref();
      return;
    }
    const json = next;
    next = undefined;
    writing = true;
    writtenAt = performance.now();
    const written = (): void => {
      writing = false;
      flush();
    };
    write(json).then(written, written);
  }

  return {
    report(value) {
      const json = jsonOf(value);
      if (json === undefined) throw new OperationMisuse('operation.progress takes plain JSON');
      if (json.length * 3 > MAX_BYTES && Buffer.byteLength(json) > MAX_BYTES) {
        throw new OperationMisuse(`operation.progress takes at most ${MAX_BYTES} bytes of JSON`);
      }
      next = json;
      if (timer === undefined) flush();
    },
    end() {
      ended = true;
      clearTimeout(timer);
    },
  };
}

/** `undefined` for what isn't JSON: a bigint, a circle, a function. */
function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
