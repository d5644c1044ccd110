/** Texts within the contract's bounds, which count bytes. */

/** The text, cut to so many bytes of UTF-8, at the border of a character. */
export function clip(text: string, bytesMax: number): string {
  const bytes = new TextEncoder().encode(text);
  // A decoder that is told of more to come keeps the piece of a character at the end to itself.
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(0, bytesMax), { stream: true });
}
