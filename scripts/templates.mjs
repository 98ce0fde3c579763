// `npm run templates`: the operator's own words for codes and notices.
import { execute } from "./database.mjs";
import { byWhom } from "./operator-acts.mjs";
import { readArguments, USAGE } from "./templates/arguments.mjs";
import { preview } from "./templates/preview.mjs";
import { listTemplates, removeTemplate, setTemplate, showTemplate } from "./templates/statements.mjs";
import { Failure, runMain } from "./terminal/failure.mjs";

const commands = { set, check, list, show, remove, help: () => console.log(USAGE) };

await runMain(async () => {
  const { command, ...rest } = readArguments(process.argv.slice(2));
  return await commands[command](rest);
});

async function set({ template, where }) {
  const code = await check({ template });
  if (code !== 0) return code;
  await execute(setTemplate(template, byWhom()), where);
  console.log(`\n${named(template)} is set.`);
}

async function check({ template }) {
  const { right, said } = await preview(template);
  console.log(said);
  return right ? 0 : 1;
}

async function list({ where }) {
  const templates = await execute(listTemplates(), where);
  if (templates.length === 0) console.log("No templates yet: the words that come with Countersign are used.");
  for (const template of templates) console.log(named(template));
}

async function show({ template, where }) {
  const [stored] = await execute(showTemplate(template), where);
  if (!stored) throw unknown(template);
  console.log(JSON.stringify(stored, null, 2));
}

async function remove({ template, where }) {
  const removed = await execute(removeTemplate(template, byWhom()), where);
  if (removed.length === 0) throw unknown(template);
  console.log(`${named(template)} is removed.`);
}

function named({ message, channel, language }) {
  return `The ${channel} template of ${message} in ${language}`;
}

function unknown(template) {
  return new Failure(`${named(template)} is not there: \`npm run templates -- list\` shows all of them.`);
}
