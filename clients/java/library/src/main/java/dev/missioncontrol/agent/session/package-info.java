/**
 * The agent's half of the conversation that agent_service.proto specifies, as a pure state machine:
 * no network, no clock, no thread, nothing by chance. Times are seconds of a clock that never
 * jumps, which the caller brings; infinity is "never".
 */
package dev.missioncontrol.agent.session;
