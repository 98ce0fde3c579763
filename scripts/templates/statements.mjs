// The SQL of `npm run templates`.
import { recorded } from "../operator-acts.mjs";
import { literal } from "../sql.mjs";

const isIt = ({ message, channel, language }) =>
  `message = ${literal(message)} AND channel = ${literal(channel)} AND language = ${literal(language)}`;

const act = (what, { message, channel, language }) => ({
  command: `templates ${what}`,
  detail: `${message} ${channel} ${language}`,
});

/** Stores a template in the place of the one before. */
export function setTemplate(template, by) {
  const { message, channel, language, subject, text, html } = template;
  const values = [message, channel, language, subject, text, html, by.at].map(literal).join(", ");
  return recorded(act("set", template), by, [
    `INSERT OR REPLACE INTO templates (message, channel, language, subject, text, html, updated_at) VALUES (${values})`,
  ]);
}

export function listTemplates() {
  return "SELECT message, channel, language, updated_at FROM templates ORDER BY message, channel, language";
}

export function showTemplate(which) {
  return `SELECT message, channel, language, subject, text, html FROM templates WHERE ${isIt(which)}`;
}

export function removeTemplate(which, by) {
  const from = `FROM templates WHERE ${isIt(which)}`;
  return recorded(act("remove", which), by, [`DELETE ${from} RETURNING message`], [`SELECT 1 ${from}`]);
}
