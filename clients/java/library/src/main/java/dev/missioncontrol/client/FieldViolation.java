package dev.missioncontrol.client;

/**
 * One wrong field of a request.
 *
 * @param field its path, such as "spec.queue"
 * @param description what is wrong with it
 */
public record FieldViolation(String field, String description) {}
