// What each client is made to do; the same as for those in Python.
import { z } from "zod";

export const MODEL = "deepseek-chat";
export const QUESTION = "How warm is it in Rome and in Oslo?";
export const WISH = "Who wrote the first program?";
export const Person = z.object({ name: z.string(), age: z.number() });
export const weather = ({ city }) => `21 degrees in ${city}`;

// Take the steps in the order in which the site answers them, and print what came of each.
export async function report(steps) {
  const results = {};
  for (const [name, step] of Object.entries(steps)) results[name] = await step();
  console.log(JSON.stringify(results));
}
