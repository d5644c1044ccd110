/** The client: submits tasks, waits for them, and follows the activity feed. */
package dev.missioncontrol.client;
