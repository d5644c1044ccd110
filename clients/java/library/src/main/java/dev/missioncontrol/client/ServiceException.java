package dev.missioncontrol.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What a service, or the way to it, refused: the status of a call with its details read. */
public final class ServiceException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final Status.Code code;
  private final transient com.google.rpc.Status status;

  private ServiceException(com.google.rpc.Status status, Throwable cause) {
    super(text(status), cause);
    this.code = Status.fromCodeValue(status.getCode()).getCode();
    this.status = status;
  }

  /** Reads what a generated stub threw, or what a status says. */
  public static ServiceException of(Throwable error) {
    if (error instanceof ServiceException known) {
      return known;
    }
    // The details are in the trailer "grpc-status-details-bin", which this helper reads.
    com.google.rpc.Status status = StatusProto.fromThrowable(error);
    return new ServiceException(status == null ? plain(error) : status, error);
  }

  /** Reads a status inside an answer, such as the result of one item of a batch. */
  public static ServiceException of(com.google.rpc.Status status) {
    return new ServiceException(status, null);
  }

  private static com.google.rpc.Status plain(Throwable error) {
    Status status = Status.fromThrowable(error);
    String message = status.getDescription() == null ? "" : status.getDescription();
    return com.google.rpc.Status.newBuilder()
        .setCode(status.getCode().value())
        .setMessage(message)
        .build();
  }

  /** The gRPC status code. */
  public Status.Code code() {
    return code;
  }

  /** Stable and for programs, such as "NOT_FOUND"; empty if no service said why. */
  public String reason() {
    return detail(status, ErrorInfo.class).map(ErrorInfo::getReason).orElse("");
  }

  /** Who defined the reason: "missioncontrol". */
  public String domain() {
    return detail(status, ErrorInfo.class).map(ErrorInfo::getDomain).orElse("");
  }

  /** Further facts by name. */
  public Map<String, String> metadata() {
    return detail(status, ErrorInfo.class).map(ErrorInfo::getMetadataMap).orElse(Map.of());
  }

  /** The fields of the request that are wrong. */
  public List<FieldViolation> fields() {
    return detail(status, BadRequest.class).stream()
        .flatMap(each -> each.getFieldViolationsList().stream())
        .map(each -> new FieldViolation(each.getField(), each.getDescription()))
        .toList();
  }

  /** For people, without the code, the reason and the fields. */
  public String explanation() {
    return status == null ? "" : status.getMessage();
  }

  /** How long to wait before trying again, if the service names a time. */
  public Optional<Duration> retryDelay() {
    return detail(status, RetryInfo.class)
        .map(RetryInfo::getRetryDelay)
        .map(delay -> Duration.ofSeconds(delay.getSeconds(), delay.getNanos()));
  }

  private static <M extends com.google.protobuf.Message> Optional<M> detail(
      com.google.rpc.Status status, Class<M> type) {
    if (status == null) { // It does not survive Java's serialization.
      return Optional.empty();
    }
    return status.getDetailsList().stream()
        .filter(each -> each.is(type))
        .findFirst()
        .flatMap(each -> unpacked(each, type));
  }

  private static <M extends com.google.protobuf.Message> Optional<M> unpacked(
      Any detail, Class<M> type) {
    try {
      return Optional.of(detail.unpack(type));
    } catch (InvalidProtocolBufferException unreadable) {
      return Optional.empty(); // The code and the message stand without it.
    }
  }

  /** One line: "INVALID_ARGUMENT, REASON: message". The message names the fields already. */
  private static String text(com.google.rpc.Status status) {
    StringBuilder text = new StringBuilder();
    text.append(Status.fromCodeValue(status.getCode()).getCode());
    detail(status, ErrorInfo.class).ifPresent(each -> text.append(", ").append(each.getReason()));
    text.append(": ").append(status.getMessage());
    return text.toString();
  }
}
