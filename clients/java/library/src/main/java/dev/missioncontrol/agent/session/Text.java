package dev.missioncontrol.agent.session;

import static java.nio.charset.StandardCharsets.UTF_8;

/** Texts within the contract's bounds, which count bytes. */
public final class Text {
  private static final int NOTE_BYTES_MAX = 1024;

  private Text() {}

  /** A note for people, cut to what the contract takes. */
  public static String note(String text) {
    return clip(text, NOTE_BYTES_MAX);
  }

  /** The text as UTF-8 can say it, cut to so many bytes, at the border of a character. */
  public static String clip(String text, int bytesMax) {
    byte[] bytes = text.getBytes(UTF_8);
    int end = Math.min(bytes.length, bytesMax);
    while (end > 0 && end < bytes.length && (bytes[end] & 0xC0) == 0x80) {
      end--;
    }
    return new String(bytes, 0, end, UTF_8);
  }
}
