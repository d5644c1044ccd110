package dev.missioncontrol.examples;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.ByteString;
import dev.missioncontrol.client.FieldViolation;
import dev.missioncontrol.client.MissionControl;
import dev.missioncontrol.client.ServiceException;
import dev.missioncontrol.v1.CreateTaskRequest;
import dev.missioncontrol.v1.Payload;
import dev.missioncontrol.v1.Requirements;
import dev.missioncontrol.v1.Task;
import dev.missioncontrol.v1.TaskSpec;
import dev.missioncontrol.v1.TaskState;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Submits a task for each argument, waits for their ends, and prints a line of JSON for each. */
public final class SubmitProgram {
  private static final int NOT_SUCCEEDED = 1;
  private static final int REFUSED = 2;

  private static final Gson GSON =
      new GsonBuilder().serializeNulls().disableHtmlEscaping().create();

  private SubmitProgram() {}

  /** Ends the process with the exit code. */
  public static void main(String[] inputs) {
    System.exit(run(List.of(inputs)));
  }

  private static int run(List<String> inputs) {
    try (MissionControl client =
        MissionControl.connect(Settings.addresses(), Settings.namespace())) {
      return submitAndWait(client, inputs) ? 0 : NOT_SUCCEEDED;
    } catch (ServiceException refusal) {
      tell(refusal);
      return REFUSED;
    } catch (IllegalArgumentException unreadable) {
      System.err.println(unreadable.getMessage());
      return REFUSED;
    }
  }

  /** Submits all before it waits for the first. */
  private static boolean submitAndWait(MissionControl client, List<String> inputs) {
    List<String> ids = new ArrayList<>();
    for (String input : inputs) {
      ids.add(client.submit(request(input)).getId());
    }
    // JSON is UTF-8, whatever the terminal takes.
    PrintStream output = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    boolean succeeded = true;
    for (String id : ids) {
      Task task = client.await(id);
      output.println(line(task));
      succeeded &= task.getState() == TaskState.TASK_STATE_SUCCEEDED;
    }
    return succeeded;
  }

  private static CreateTaskRequest request(String input) {
    TaskSpec spec =
        TaskSpec.newBuilder()
            .setKind(Settings.KIND)
            .setQueue(Settings.text("MISSIONCONTROL_QUEUE", "default"))
            .setRequirements(
                Requirements.newBuilder()
                    .addAllCapabilities(Settings.list("MISSIONCONTROL_CAPABILITIES")))
            .setPayload(
                Payload.newBuilder()
                    .setData(ByteString.copyFromUtf8(input))
                    .setContentType("application/json"))
            .build();
    return CreateTaskRequest.newBuilder().setSpec(spec).build();
  }

  private static String line(Task task) {
    JsonObject line = new JsonObject();
    line.addProperty("task_id", task.getId());
    line.addProperty("state", task.getState().name().substring("TASK_STATE_".length()));
    line.addProperty("agent_id", task.getAgentId());
    String output = task.getOutput().getData().toStringUtf8();
    line.add("output", output.isEmpty() ? JsonNull.INSTANCE : JsonParser.parseString(output));
    return GSON.toJson(line);
  }

  private static void tell(ServiceException refusal) {
    System.err.printf("%s: %s: %s%n", refusal.code(), refusal.reason(), refusal.explanation());
    for (FieldViolation field : refusal.fields()) {
      System.err.printf("  %s: %s%n", field.field(), field.description());
    }
  }
}
