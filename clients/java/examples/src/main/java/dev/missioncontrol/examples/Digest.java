package dev.missioncontrol.examples;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.protobuf.ByteString;
import dev.missioncontrol.agent.Work;
import dev.missioncontrol.agent.WorkException;
import dev.missioncontrol.v1.Failure;
import dev.missioncontrol.v1.FailureReason;
import dev.missioncontrol.v1.Payload;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** The work of the kind "example.digest". */
final class Digest {
  private static final int STEPS = 5;

  private record Input(String text, double seconds, String fail) {}

  private Digest() {}

  /** Works for as long as it is asked to, and digests the text. An interrupt ends it at once. */
  static Payload run(Work work) throws WorkException, InterruptedException {
    Input input = read(work.input().getData());
    for (int step = 1; step <= STEPS && input.seconds > 0; step++) {
      Thread.sleep((long) (input.seconds * 1000 / STEPS));
      work.progress((double) step / STEPS, "");
    }
    if (!input.fail.isEmpty()) {
      throw new WorkException("asked-for", input.fail);
    }
    return output(input.text.getBytes(StandardCharsets.UTF_8));
  }

  private static Input read(ByteString data) throws WorkException {
    try {
      JsonObject object = JsonParser.parseString(data.toStringUtf8()).getAsJsonObject();
      Input input =
          new Input(
              text(object, "text", null), seconds(object.get("seconds")), text(object, "fail", ""));
      if (input.text == null) {
        throw bad("there is no \"text\"");
      }
      return input;
    } catch (JsonParseException | IllegalStateException unreadable) {
      throw bad(String.valueOf(unreadable.getMessage()));
    }
  }

  private static String text(JsonObject object, String name, String otherwise)
      throws WorkException {
    JsonElement value = object.get(name);
    if (value == null || value.isJsonNull()) {
      return otherwise;
    }
    if (!value.isJsonPrimitive() || !value.getAsJsonPrimitive().isString()) {
      throw bad("\"" + name + "\" is no string");
    }
    return value.getAsString();
  }

  private static double seconds(JsonElement value) throws WorkException {
    if (value == null || value.isJsonNull()) {
      return 0;
    }
    if (!value.isJsonPrimitive() || !value.getAsJsonPrimitive().isNumber()) {
      throw bad("\"seconds\" is no number");
    }
    return value.getAsDouble();
  }

  /** Trying again is pointless. */
  private static WorkException bad(String message) {
    return new WorkException(
        Failure.newBuilder()
            .setReason(FailureReason.FAILURE_REASON_INVALID_INPUT)
            .setCode("bad-input")
            .setMessage(message)
            .setPermanent(true)
            .build());
  }

  private static Payload output(byte[] content) {
    JsonObject output = new JsonObject();
    output.addProperty("sha256", sha256(content));
    output.addProperty("length", content.length);
    output.addProperty("language", "java");
    return Payload.newBuilder()
        .setData(ByteString.copyFromUtf8(output.toString()))
        .setContentType("application/json")
        .build();
  }

  private static String sha256(byte[] content) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException("every Java has SHA-256", impossible);
    }
  }
}
