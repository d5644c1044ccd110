/** One signal for several reasons to stop. Unlike AbortSignal.any it leaves nothing behind on signals that live longer. */

export class LinkedSignal {
  readonly #controller = new AbortController();
  readonly #sources: readonly AbortSignal[];
  readonly #abort = () => {
    this.abort(this.#sources.find((source) => source.aborted)?.reason);
  };

  constructor(...sources: readonly (AbortSignal | undefined)[]) {
    this.#sources = sources.filter((source) => source !== undefined);
    for (const source of this.#sources) source.addEventListener("abort", this.#abort);
    if (this.#sources.some((source) => source.aborted)) this.#abort();
  }

  /** Aborted when the first of the sources is, with its reason. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Aborts this signal alone. */
  abort(reason?: unknown): void {
    this.#controller.abort(reason);
  }

  /** Leaves the sources. */
  release(): void {
    for (const source of this.#sources) source.removeEventListener("abort", this.#abort);
  }
}
