// The SQL of `npm run templates`.
import { literal } from "../sql.mjs";

const isIt = ({ message, channel, language }) =>
  `message = ${literal(message)} AND channel = ${literal(channel)} AND language = ${literal(language)}`;

/** Stores a template in the place of the one before. */
export function setTemplate({ message, channel, language, subject, text, html }, now) {
  const values = [message, channel, language, subject, text, html, now].map(literal).join(", ");
  return `INSERT OR REPLACE INTO templates (message, channel, language, subject, text, html, updated_at) VALUES (${values})`;
}

export function listTemplates() {
  return "SELECT message, channel, language, updated_at FROM templates ORDER BY message, channel, language";
}

export function showTemplate(which) {
  return `SELECT message, channel, language, subject, text, html FROM templates WHERE ${isIt(which)}`;
}

export function removeTemplate(which) {
  return `DELETE FROM templates WHERE ${isIt(which)} RETURNING message`;
}
