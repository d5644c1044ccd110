/** The environment of the two example programs, as clients/README.md names it. */

/** The kind of task that the examples submit and run. */
export const KIND = "example.digest";

/** A variable's value, or the default where it is unset or empty. */
export function text(name: string, otherwise: string): string {
  const value = process.env[name];
  return value === undefined || value === "" ? otherwise : value;
}

/** The parts of a variable that are separated by commas. */
export function list(name: string): string[] {
  return text(name, "")
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/** A number of at least so much. */
export function number(name: string, otherwise: number, least: number): number {
  const value = Number(text(name, `${otherwise}`));
  if (!(value >= least && value < 1e9)) throw new RangeError(`${name} must be a number from ${least} up`);
  return value;
}

/** Where the coordinators are. */
export const addresses = (): string => text("MISSIONCONTROL_ADDRESS", "127.0.0.1:7070");

/** The namespace of all that the program does. */
export const namespace = (): string => text("MISSIONCONTROL_NAMESPACE", "default");
