/** The agent: holds a stream to a coordinator, runs the leases that come, and reports. */
package dev.missioncontrol.agent;
