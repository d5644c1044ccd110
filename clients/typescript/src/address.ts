/** Where the coordinators are: parsing, and trying one after another. Nothing here opens a connection. */

import { isIPv6 } from "node:net";
import { ADDRESSES_MAX } from "./limits.js";

export const DEFAULT_ADDRESS = "127.0.0.1:7070";
const DEFAULT_PORT = 7070;

/**
 * The single addresses of "host:port", or several separated by commas: in order, each once, each with a port. Throws a RangeError for
 * what is no address.
 */
export function parseAddresses(addresses: string | readonly string[]): string[] {
  const parts = [addresses].flat().flatMap((each) => each.split(","));
  const parsed = parts.map((part) => part.trim()).filter((part) => part !== "");
  if (parsed.length === 0) {
    throw new RangeError(
      `no address in ${JSON.stringify(addresses)}; give "host:port", or several separated by commas`,
    );
  }
  return [...new Set(parsed.map(withPort))];
}

function withPort(address: string): string {
  if (isIPv6(address)) return `[${address}]:${DEFAULT_PORT}`;
  const found = /^(?<host>\[[0-9a-fA-F:.]+\]|[^\s:/?#@[\]]+)(?::(?<port>\d{1,5}))?$/.exec(address);
  const port = Number(found?.groups?.port ?? DEFAULT_PORT);
  if (found?.groups?.host === undefined || port < 1 || port > 65535) {
    throw new RangeError(`"${address}" is no address; give "host:port" with a port from 1 to 65535`);
  }
  return `${found.groups.host}:${port}`;
}

/** Addresses in a ring. The first one used is chosen by chance where `start`, from 0 to 1, is random: so a fleet spreads out. */
export class AddressRing {
  readonly #given: readonly string[];
  #ring: readonly string[];
  #index: number;

  constructor(addresses: string | readonly string[], start = 0) {
    this.#given = this.#ring = parseAddresses(addresses);
    this.#index = Math.floor(start * this.#ring.length) % this.#ring.length;
  }

  /** The address to use now. */
  get current(): string {
    return this.#ring[this.#index] ?? DEFAULT_ADDRESS;
  }

  /** All addresses, in the order in which they are tried. */
  get all(): readonly string[] {
    return this.#ring;
  }

  /** Goes on to the next address, after the last to the first. */
  advance(): void {
    this.#index = (this.#index + 1) % this.#ring.length;
  }

  /** Puts the live coordinators behind the given addresses, in place of those learned before. The current one stays. */
  learn(live: readonly string[]): void {
    if (live.length === 0) return;
    const current = this.current;
    this.#ring = [...new Set([...this.#given, ...parseAddresses(live), current])].slice(0, ADDRESSES_MAX);
    this.#index = Math.max(0, this.#ring.indexOf(current));
  }
}
