/** The two example programs, as clients/README.md describes them. */
package dev.missioncontrol.examples;
