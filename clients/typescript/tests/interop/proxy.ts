/** A way to the fleet that can be cut, and that can swallow what comes back. */

import { createServer, connect, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

export class Proxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** While it is set, replies go nowhere: the connection looks alive, and is not. */
  swallowsReplies = false;
  /** Connections that were made through it. */
  connections = 0;

  private constructor(target: string) {
    const [host = "", port] = target.split(":");
    this.#server = createServer((near) => {
      this.#join(near, connect(Number(port), host));
    });
  }

  static async to(target: string): Promise<Proxy> {
    const proxy = new Proxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resets every connection; new ones are taken. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #join(near: Socket, far: Socket): void {
    this.connections += 1;
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.on("data", (bytes) => {
        if (from === near || !this.swallowsReplies) to.write(bytes);
      });
    }
  }
}
