// What the scripts share: clients of the sandbox's kubeconfig, and the printing of what they saw.

import { pathToFileURL } from "node:url";

const modules = pathToFileURL(`${process.env.WITNESS_MODULES}/`);
export const k8s = await import(new URL("@kubernetes/client-node/dist/index.js", modules));
export const NS = process.env.NS;
export const config = new k8s.KubeConfig();
config.loadFromDefault();
export const core = config.makeApiClient(k8s.CoreV1Api);
export const apps = config.makeApiClient(k8s.AppsV1Api);

export function step(title) {
  console.log(`== ${title}`);
}

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value instanceof Date) return value.toISOString();
  if (value === null || typeof value !== "object") return value;
  const plain = typeof value.toJSON === "function" ? value.toJSON() : value;
  return Object.fromEntries(Object.keys(plain).sort().map((key) => [key, sorted(plain[key])]));
}

export function show(value) {
  console.log(typeof value === "string" ? value : JSON.stringify(sorted(value), null, 1));
}

// Makes a call and prints what came of it: the answer, or code and body of the refusal.
export async function attempt(title, call, look = (answer) => answer) {
  step(title);
  let answer;
  try {
    answer = await call();
  } catch (error) {
    if (error.code === undefined || error.body === undefined) {
      console.log("failed:", error.name, String(error.message).split("\n")[0]);
      return undefined;
    }
    console.log("refused:", error.code);
    let body = error.body;
    try {
      body = JSON.parse(body);
    } catch {
      // Not every body is an object.
    }
    show(body);
    return undefined;
  }
  show(look(answer) ?? "nothing");
  return answer;
}

export const configMap = (name, data, labels) => ({ metadata: { name, labels }, data });
