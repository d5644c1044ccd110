/** What is sent on one stream: a first message, then whatever there is whenever the connection takes more. */

export class Outbox<T> {
  readonly #first: T;
  readonly #next: () => T | undefined;
  readonly #isLast: (message: T) => boolean;
  readonly #ended: AbortSignal;
  #wake: (() => void) | undefined;

  /** `next` is asked for a message when the one before was written, so a peer that does not read stops the asking. */
  constructor(first: T, next: () => T | undefined, isLast: (message: T) => boolean, ended: AbortSignal) {
    this.#first = first;
    this.#next = next;
    this.#isLast = isLast;
    this.#ended = ended;
    ended.addEventListener("abort", () => {
      this.wake();
    });
  }

  /** Whether everything was written, and a message could go at once. */
  get waiting(): boolean {
    return this.#wake !== undefined;
  }

  /** There may be something to send. */
  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  /** The messages, for the stream; the end of them is its half-close. */
  async *messages(): AsyncGenerator<T, void> {
    yield this.#first;
    while (!this.#ended.aborted) {
      const message = this.#next();
      if (message === undefined) await this.#woken();
      else {
        yield message;
        if (this.#isLast(message)) return;
      }
    }
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
