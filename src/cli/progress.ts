import { SingleBar } from 'cli-progress';
import type { LoadProgress } from '../store/load.ts';

/** A progress bar while tables load. It is shown only on a terminal. */
export class LoadBar {
  readonly #bar: SingleBar | undefined;
  #started = false;

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#bar = stream.isTTY
      ? new SingleBar({
          stream,
          format: 'loading {bar} {percentage}% | {value}/{total} MiB | {table}',
          clearOnComplete: true,
        })
      : undefined;
  }

  readonly update = ({ table, bytesDone, bytesTotal }: LoadProgress): void => {
    const [done, total] = [bytesDone, bytesTotal].map((bytes) => Math.round(bytes / 2 ** 20));
    if (!this.#started) this.#bar?.start(total, 0, { table });
    this.#started = true;
    this.#bar?.update(done, { table });
  };

  stop(): void {
    this.#bar?.stop();
  }
}
