/** One HTTP/2 connection to one address, kept alive by pings. */

import type { SecureClientSessionOptions } from "node:http2";
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { MESSAGE_BYTES_MAX, PING_SECONDS, PING_TIMEOUT_SECONDS } from "./limits.js";

/** What is needed for TLS, as node:tls takes it: `ca`, and `cert` and `key` where the coordinators ask for a certificate. */
export type TlsOptions = Pick<SecureClientSessionOptions, "ca" | "cert" | "key" | "servername">;

/** It connects when it is first used, and again after a break. */
export class Connection {
  readonly transport: Transport;
  readonly #manager: Http2SessionManager;

  constructor(
    readonly address: string,
    tls: TlsOptions | undefined,
  ) {
    const baseUrl = `${tls === undefined ? "http" : "https"}://${address}`;
    const pings = { pingIntervalMs: PING_SECONDS * 1000, pingTimeoutMs: PING_TIMEOUT_SECONDS * 1000 };
    this.#manager = new Http2SessionManager(baseUrl, pings, tls);
    this.transport = createGrpcTransport({
      baseUrl,
      sessionManager: this.#manager,
      acceptCompression: [],
      readMaxBytes: MESSAGE_BYTES_MAX,
      writeMaxBytes: MESSAGE_BYTES_MAX,
    });
  }

  /** Ends the connection and every call on it. */
  close(): void {
    this.#manager.abort();
  }
}
