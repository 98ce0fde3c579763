// The SQL of `npm run templates`.
import { recordAct } from "../operator-acts.mjs";
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
  return [
    recordAct(act("set", template), by),
    `INSERT OR REPLACE INTO templates (message, channel, language, subject, text, html, updated_at) VALUES (${values})`,
  ].join(";\n");
}

export function listTemplates() {
  return "SELECT message, channel, language, updated_at FROM templates ORDER BY message, channel, language";
}

export function showTemplate(which) {
  return `SELECT message, channel, language, subject, text, html FROM templates WHERE ${isIt(which)}`;
}

export function removeTemplate(which, by) {
  return [
    recordAct(act("remove", which), by, [`SELECT 1 FROM templates WHERE ${isIt(which)}`]),
    `DELETE FROM templates WHERE ${isIt(which)} RETURNING message`,
  ].join(";\n");
}
