/** The way to the coordinators for all clients that ConnectRPC makes: deadlines, retries, and going on to the next address. */

import { setMaxListeners } from "node:events";
import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import type { StreamResponse, Transport, UnaryResponse } from "@connectrpc/connect";
import { AddressRing } from "./address.js";
import { CallError, Code } from "./call_error.js";
import { Connection, type TlsOptions } from "./connection.js";
import { LinkedSignal } from "./linked_signal.js";
import { CALL_SECONDS, TRY_SECONDS_MAX } from "./limits.js";
import { backoffSeconds, pause } from "./pause.js";
import { withRequestId } from "./request_id.js";

type HeaderFields = ConstructorParameters<typeof Headers>[0];

/**
 * Unary calls have a deadline and are tried again while nobody answers: a write without a request id gets one, so that it happens once.
 * Streams are not retried here, since whoever reads one knows where to go on. What fails throws a CallError.
 */
export class FleetTransport implements Transport {
  readonly #ring: AddressRing;
  readonly #tls: TlsOptions | undefined;
  readonly #callSeconds: number;
  readonly #closed = new AbortController();
  readonly #connections = new Map<string, Connection>();

  constructor(addresses: string | readonly string[], tls?: TlsOptions, callSeconds = CALL_SECONDS) {
    this.#ring = new AddressRing(addresses, Math.random());
    this.#tls = tls;
    this.#callSeconds = callSeconds;
    // One for each call under way, however many there are.
    setMaxListeners(0, this.#closed.signal);
  }

  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeaderFields,
    input: MessageInitShape<I>,
  ): Promise<UnaryResponse<I, O>> {
    const request = withRequestId(create(method.input, input)) as MessageInitShape<I>;
    const link = new LinkedSignal(signal, this.#closed.signal);
    const deadline = performance.now() + (timeoutMs ?? this.#callSeconds * 1000);
    try {
      return await this.#retried(deadline, link.signal, (connection, tryMs) =>
        connection.transport.unary(method, link.signal, tryMs, header, request),
      );
    } catch (thrown) {
      throw this.#failed(thrown, signal);
    } finally {
      link.release();
    }
  }

  async #retried<T>(
    deadline: number,
    stop: AbortSignal,
    call: (connection: Connection, tryMs: number) => Promise<T>,
  ): Promise<T> {
    for (let failures = 0; ; failures++) {
      const connection = this.#connect();
      const tryMs = Math.min(TRY_SECONDS_MAX * 1000, deadline - performance.now());
      try {
        return await call(connection, Math.max(1, tryMs));
      } catch (thrown) {
        const error = CallError.from(thrown);
        const waitMs = backoffSeconds(failures) * 1000;
        if (stop.aborted || !isRetried(error) || performance.now() + waitMs >= deadline) throw error;
        this.#leave(connection, error);
        await pause(waitMs / 1000, stop);
      }
    }
  }

  async stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeaderFields,
    input: AsyncIterable<MessageInitShape<I>>,
  ): Promise<StreamResponse<I, O>> {
    const connection = this.#connect();
    try {
      const response = await connection.transport.stream(method, signal, timeoutMs, header, input);
      return { ...response, message: this.#watched(response.message, connection, signal) };
    } catch (thrown) {
      throw this.#broken(thrown, connection, signal);
    }
  }

  /** Ends all connections, with the calls on them. */
  close(): void {
    this.#closed.abort();
    for (const connection of this.#connections.values()) connection.close();
  }

  async *#watched<T>(
    messages: AsyncIterable<T>,
    connection: Connection,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<T, void> {
    try {
      yield* messages;
    } catch (thrown) {
      throw this.#broken(thrown, connection, signal);
    }
  }

  #broken(thrown: unknown, connection: Connection, signal: AbortSignal | undefined): CallError {
    const error = this.#failed(thrown, signal);
    if (error.code === Code.Unavailable) this.#leave(connection, error);
    return error;
  }

  /** What this side ended by itself is no fault of the way. */
  #failed(thrown: unknown, signal: AbortSignal | undefined): CallError {
    if (this.#closed.signal.aborted) return closed();
    if (signal?.aborted !== true) return CallError.from(thrown);
    if (signal.reason instanceof CallError) return signal.reason;
    return new CallError(Code.Canceled, "the caller ended it", [], { cause: signal.reason });
  }

  #connect(): Connection {
    if (this.#closed.signal.aborted) throw closed();
    const address = this.#ring.current;
    const connection = this.#connections.get(address) ?? new Connection(address, this.#tls);
    this.#connections.set(address, connection);
    return connection;
  }

  /** Goes on to the next address, if none of the other calls was faster. */
  #leave(connection: Connection, error: CallError): void {
    // It swallows what it is sent: a connection that only looks alive. One that is broken is made anew by itself.
    if (error.code === Code.DeadlineExceeded) connection.close();
    if (this.#ring.current === connection.address) this.#ring.advance();
  }
}

/** Final, so that nothing waits for a better answer. */
function closed(): CallError {
  return new CallError(Code.FailedPrecondition, "the client was closed");
}

/** Nobody answered, or not in the time of one try: the next one may. */
function isRetried(error: CallError): boolean {
  return error.code === Code.Unavailable || error.code === Code.DeadlineExceeded;
}
