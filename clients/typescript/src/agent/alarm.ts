/** One timer that can be set again and again. */

/** Longer waits than this are no use to anybody, and more than Node can. */
const SECONDS_MAX = 3600;

export class Alarm {
  readonly #ring: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** Rings once, after so long, instead of what was set before. A little early or late: whoever hears it looks at the clock. */
  set(seconds: number): void {
    this.clear();
    this.#timer = setTimeout(this.#ring, Math.ceil(Math.min(SECONDS_MAX, Math.max(0, seconds)) * 1000));
  }

  /** Rings no more. */
  clear(): void {
    clearTimeout(this.#timer);
  }
}
