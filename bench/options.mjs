// What can be said on the command line.
import { parseArgs } from "node:util";
import { Failure } from "../scripts/terminal/failure.mjs";
import { BASE, CONTESTANTS } from "./contestants.mjs";

const WORKLOADS = ["otp", "sms"];

const OPTIONS = {
  rounds: { type: "string", default: "7" },
  requests: { type: "string", default: "2000" },
  // After fewer, much of the wasm is not compiled for speed yet (docs/performance.md).
  warmup: { type: "string", default: "5000" },
  "in-flight": { type: "string", default: "8" },
  only: { type: "string", multiple: true, default: [] },
  workload: { type: "string" },
  consumer: { type: "boolean", default: false },
  logs: { type: "boolean", default: false },
  dry: { type: "boolean", default: false },
  profile: { type: "boolean", default: false },
};

/**
 * @param {string[]} args
 * @returns {{ rounds: number, requests: number, warmup: number, inFlight: number, only: string[], workloads: string[],
 *   consumer: boolean, logs: boolean, dry: boolean, profile: boolean, whole: boolean }} `whole`: nothing is left out, and the
 *   variants are measured, too
 */
export function options(args) {
  const values = parsed(args);
  const named = values.only.flatMap((names) => names.split(","));
  const unknown = named.find((name) => !Object.hasOwn(CONTESTANTS, name));
  if (unknown !== undefined) {
    throw new Failure(`There is no contestant "${unknown}": they are ${Object.keys(CONTESTANTS).join(", ")}.`);
  }
  const { workload, consumer, logs, dry, profile } = values;
  if (workload !== undefined && !WORKLOADS.includes(workload)) throw new Failure("--workload is otp or sms.");
  const only = Object.keys(CONTESTANTS).filter((name) => chosen(name, named, profile));
  return {
    rounds: wholeNumber(values, "rounds", 1),
    requests: wholeNumber(values, "requests", 1),
    warmup: wholeNumber(values, "warmup", 1),
    inFlight: wholeNumber(values, "in-flight", 1),
    only,
    workloads: workload === undefined ? WORKLOADS : [workload],
    consumer,
    logs,
    dry,
    profile,
    whole: named.length === 0 && workload === undefined && !consumer && !logs,
  };
}

function chosen(name, named, profile) {
  if (profile) return named.length === 0 ? name === "countersign" : named.includes(name);
  // The ratios need the base, whoever else is measured.
  return named.length === 0 || name === BASE || named.includes(name);
}

function parsed(args) {
  try {
    return parseArgs({ args, options: OPTIONS }).values;
  } catch (error) {
    throw new Failure(
      `${error.message} The options are ${Object.keys(OPTIONS)
        .map((name) => `--${name}`)
        .join(", ")}.`,
    );
  }
}

function wholeNumber(values, name, least) {
  const number = Number(values[name]);
  if (!Number.isInteger(number) || number < least) throw new Failure(`--${name} is a whole number from ${least}.`);
  return number;
}
