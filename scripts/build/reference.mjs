// The page at /docs: openapi.yaml as a person reads it. Plain HTML with its style inside: no script, nothing from elsewhere.

/**
 * Makes the page.
 *
 * @param {object} description the parsed openapi.yaml
 * @param {string} style the demo page's style sheet, which names the colours and fonts of both
 */
export function reference(description, style) {
  const { info, tags, components } = description;
  const page = new Page(description);
  const operations = page.operations();
  const body = html`
<a class="skip" href="#start">Skip to the content</a>
<header class="masthead">
  <p class="wordmark"><svg viewBox="0 0 32 32" aria-hidden="true"><path class="rules" d="M5 12h22M5 23h22"/><path class="tick" d="m10 20 4.5 4.5L25 10"/></svg>${info.title}</p>
  <p class="badge">API ${info.version}</p>
  <nav aria-label="Machine-readable"><a href="/openapi.json">openapi.json</a></nav>
</header>
<main id="start">
  <section class="sheet">
    <h1>The API</h1>
    ${prose(info.description)}
    <nav aria-label="Operations">
      ${tags.map(
        (tag) => html`<h2 class="group">${tag.name}</h2><p class="soft">${tag.description}</p>
      <ul class="index">${operations
        .filter(({ operation }) => operation.tags.includes(tag.name))
        .map(
          ({ anchor, verb, path, operation }) =>
            html`<li><a href="#${anchor}">${signature(verb, path)}</a> <span>${operation.summary}</span></li>`,
        )}</ul>`,
      )}
    </nav>
  </section>
  <section class="sheet" id="authentication">
    <h2>Authentication</h2>
    <dl class="schemes">${Object.entries(components.securitySchemes).map(
      ([name, scheme]) =>
        html`<div id="scheme-${name}"><dt><code>${SCHEMES[scheme.scheme]}</code> ${LABELS[name]}</dt><dd>${prose(scheme.description)}</dd></div>`,
    )}</dl>
  </section>
  ${operations.map((each) => page.section(each))}
</main>
<footer class="masthead soft"><p>${info.license.name}</p></footer>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src 'self'">
<title>${escaped(info.title)} – API</title>
<link rel="icon" href="/favicon.svg">
<style>${colours(style)}${STYLE}</style>
</head>
<body>${body.text}
</body>
</html>
`;
}

const SCHEMES = { bearer: "Authorization: Bearer", dpop: "Authorization: DPoP", basic: "Authorization: Basic" };
const LABELS = {
  mfaToken: "with an mfa_token",
  accessToken: "with an access token",
  dpopAccessToken: "with an access token that is bound to a key",
  clientBasic: "with the client's id and secret",
};

// What browsers ask by themselves is said once, in the introduction.
const SHOWN = ["get", "post", "delete"];

class Page {
  constructor(description) {
    this.description = description;
  }

  operations() {
    return Object.entries(this.description.paths).flatMap(([path, item]) =>
      SHOWN.filter((verb) => item[verb]).map((verb) => ({
        anchor: item[verb].operationId,
        verb: verb.toUpperCase(),
        path,
        operation: item[verb],
      })),
    );
  }

  resolved(value) {
    if (!value?.$ref) return value;
    const { $ref: pointer, ...beside } = value;
    const target = pointer
      .slice(2)
      .split("/")
      .reduce((node, name) => node[name], this.description);
    return { ...this.resolved(target), ...beside };
  }

  section({ anchor, verb, path, operation }) {
    return html`
  <section class="sheet" id="${anchor}">
    <h2><a href="#${anchor}">${signature(verb, path)}</a></h2>
    <p class="summary">${operation.summary}</p>
    ${prose(operation.description)}
    ${this.#security(operation.security)}
    ${this.#parameters(operation.parameters ?? [])}
    ${this.#body(operation.requestBody)}
    <h3>Answers</h3>
    ${Object.entries(operation.responses).map(([status, response]) => this.#response(status, response))}
  </section>`;
  }

  #security(requirements = []) {
    if (requirements.length === 0) return "";
    const items = requirements.map((each) => {
      const [[name, scopes] = []] = Object.entries(each);
      if (!name) return html`<li>Without, or with the client's credentials in the body</li>`;
      const link = html`<a href="#scheme-${name}">${SCHEMES[this.description.components.securitySchemes[name].scheme]}</a>`;
      const scope = scopes.length > 0 ? html`, scope <code>${scopes.join(" ")}</code>` : "";
      return html`<li>${link} ${LABELS[name]}${scope}</li>`;
    });
    return html`<h3>Authentication</h3><p class="soft">One of these:</p><ul>${items}</ul>`;
  }

  #parameters(parameters) {
    if (parameters.length === 0) return "";
    const rows = parameters.map((parameter) => ({
      name: parameter.name,
      note: parameter.in,
      schema: parameter.schema,
      required: parameter.required,
      description: parameter.description,
    }));
    return html`<h3>Headers and path</h3>${this.#rows(rows)}`;
  }

  #body(body) {
    if (!body) return "";
    const types = Object.keys(body.content);
    const [{ schema, examples }] = Object.values(body.content);
    return html`<h3>Body</h3>
    <p>${joined(types.map((type) => html`<code>${type}</code>`))}</p>
    ${this.#variants(schema)}
    ${this.#examples(examples, types[0])}`;
  }

  #response(status, response) {
    const { description, content } = this.resolved(response);
    const [media] = Object.values(content ?? {});
    const good = status.startsWith("2");
    const described = good && media?.schema ? this.#variants(media.schema) : "";
    const examples = good ? this.#examples(media?.examples) : this.#errors(media?.examples);
    return html`
    <div class="answer"><h4><span class="status ${good ? "good" : "bad"}">${status}</span> ${inline(description)}</h4>${described}${examples}</div>`;
  }

  // An error says all that it has to say in one line.
  #errors(examples = {}) {
    const rows = Object.values(examples).map((example) => {
      const { error, error_description: text, ...more } = this.resolved(example).value;
      const rest = Object.keys(more).length > 0 ? html`<pre>${JSON.stringify(more, null, 2)}</pre>` : "";
      return html`<li><code>${error}</code> <q>${text}</q>${rest}</li>`;
    });
    return html`<ul class="errors">${rows}</ul>`;
  }

  #examples(examples = {}, type = "application/json") {
    return Object.values(examples).map((example) => {
      const { summary, value } = this.resolved(example);
      const form = type === "application/x-www-form-urlencoded";
      const text = form ? new URLSearchParams(value).toString().replaceAll("&", "\n&") : JSON.stringify(value, null, 2);
      return html`<details><summary>${summary ?? "Example"}</summary><pre>${text}</pre></details>`;
    });
  }

  // Alternatives stand one after the other, each under what it is for.
  #variants(schema) {
    const whole = this.resolved(schema);
    if (whole.oneOf) {
      return whole.oneOf.map((each) => {
        const { description } = this.resolved(each);
        return html`<h4 class="variant">${inline(description ?? "Otherwise")}</h4>${this.#variants(each)}`;
      });
    }
    if (whole.type === "array") return html`<p>An array of</p>${this.#variants(whole.items)}`;
    const rows = this.#members(whole);
    return rows.length > 0 ? this.#rows(rows) : "";
  }

  #members(schema, prefix = "") {
    const whole = this.resolved(schema);
    const own = Object.entries(whole.properties ?? {}).flatMap(([name, member]) => {
      const value = this.resolved(member);
      const row = {
        name: prefix + name,
        schema: value,
        required: whole.required?.includes(name),
        description: value.description,
      };
      const inner = value.type === "array" ? [this.resolved(value.items), "[]."] : [value, "."];
      return [row, ...this.#members(inner[0], `${prefix}${name}${inner[1]}`)];
    });
    const alternatives = (whole.oneOf ?? []).flatMap((each) => this.#members(each, prefix));
    return [...own, ...(whole.allOf ?? []).flatMap((each) => this.#members(each, prefix)), ...alternatives];
  }

  #rows(rows) {
    const items = rows.map(
      ({ name, note, schema, required, description }) => html`
      <div><dt><code>${name}</code>${required ? html` <strong>required</strong>` : ""}${note ? html` <small>${note}</small>` : ""}</dt>
      <dd><span class="type">${this.#type(schema)}</span>${description ? html` ${inline(description)}` : ""}</dd></div>`,
    );
    return html`<dl class="members">${items}</dl>`;
  }

  #type(schema) {
    const whole = this.resolved(schema);
    if (whole.const !== undefined) return html`<code>${whole.const}</code>`;
    if (whole.enum) return joined(whole.enum.map((value) => html`<code>${value}</code>`));
    if (whole.oneOf)
      return joined(
        whole.oneOf.map((each) => this.#type(each)),
        ", or ",
      );
    if (whole.type === "array") return html`array of ${this.#type(whole.items)}`;
    const longest = whole.maxLength ? `, at most ${whole.maxLength} characters` : "";
    return `${whole.type ?? "object"}${longest}`;
  }
}

const signature = (verb, path) =>
  html`<span class="verb">${verb}</span> <code>${joined(
    path.split(/(?=[/])/).map((part) => html`${part}`),
    new Html("<wbr>"),
  )}</code>`;

function joined(parts, separator = " or ") {
  return parts.flatMap((part, index) => (index === 0 ? [part] : [separator, part]));
}

// Paragraphs, code and strong words: all the Markdown that the descriptions use.
function prose(text = "") {
  return text
    .trim()
    .split(/\n\s*\n/)
    .filter(Boolean)
    .map((paragraph) => html`<p>${inline(paragraph)}</p>`);
}

function inline(text) {
  const marked = escaped(text)
    .replaceAll(/`([^`]+)`/g, "<code>$1</code>")
    .replaceAll(/\*\*([^*]+)\*\*/g, "<strong>$1</strong>");
  return new Html(marked);
}

/** Text that is HTML already. */
class Html {
  constructor(text) {
    this.text = text;
  }
}

/** A template whose values are escaped unless they are HTML already. */
function html(strings, ...values) {
  return new Html(strings.reduce((text, string, index) => text + written(values[index - 1]) + string));
}

function written(value) {
  if (Array.isArray(value)) return value.map(written).join("");
  return value instanceof Html ? value.text : escaped(value);
}

function escaped(value) {
  const entities = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return String(value).replaceAll(/[&<>"]/g, (character) => entities[character]);
}

/** The custom properties at the head of the demo's style sheet, for light and for dark. */
function colours(style) {
  return style.slice(style.indexOf(":root"), style.indexOf("* {"));
}

const STYLE = `
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 1rem/1.55 var(--sans); -webkit-text-size-adjust: 100%; }
p, ul, dl, dd, h1, h2, h3, h4, pre { margin: 0; padding: 0; }
h1, h2, h3, h4 { font-family: var(--serif); font-weight: 600; line-height: 1.25; text-wrap: balance; }
h1 { font-size: clamp(1.6rem, 1.2rem + 2vw, 2.1rem); letter-spacing: -0.01em; }
h2 { font-size: 1.25rem; }
h3 { margin-top: 1.6rem; font-size: 1.1rem; }
h4 { font: 600 1rem/1.4 var(--sans); }
a { color: var(--accent); text-underline-offset: 0.18em; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
code, pre, .verb, .status { font-family: var(--mono); font-size: 0.9em; }
code { overflow-wrap: anywhere; }
q { quotes: "“" "”"; }
pre { margin-top: 0.5rem; padding: 0.75rem 1rem; overflow-x: auto; border-radius: 8px; background: var(--well); line-height: 1.45; }
.skip { position: absolute; left: 1rem; top: -4rem; z-index: 1; padding: 0.5rem 1rem; border-radius: 0 0 8px 8px; background: var(--accent); color: var(--on-accent); }
.skip:focus { top: 0; }
.soft { color: var(--soft); }
.masthead, main { width: min(100% - 2rem, 53rem); margin-inline: auto; }
.masthead { display: flex; flex-wrap: wrap; align-items: center; gap: 0.5rem 1rem; padding-block: 1rem; }
.masthead nav { margin-left: auto; }
.wordmark { display: flex; align-items: center; gap: 0.5rem; font: 600 1.2rem var(--serif); }
.wordmark svg { width: 1.9rem; height: 1.9rem; fill: none; stroke-linecap: round; stroke-linejoin: round; }
.wordmark .rules { stroke: var(--band); stroke-width: 2; }
.wordmark .tick { stroke: var(--accent); stroke-width: 3.2; }
.badge { padding: 0.05rem 0.6rem; border: 1px solid var(--edge); border-radius: 999px; color: var(--soft); font-size: 0.85rem; }
.sheet { margin-bottom: 1.25rem; padding: clamp(1.1rem, 4vw, 2rem); border-radius: 14px; border-top: 6px solid var(--band); background: var(--sheet); box-shadow: var(--shadow); }
.sheet > p, .sheet > ul { margin-top: 0.75rem; }
.sheet ul { padding-left: 1.2rem; }
.group { margin-top: 1.6rem; }
.sheet .index { padding: 0; list-style: none; }
.index li { display: grid; grid-template-columns: 21rem 1fr; gap: 0 1rem; padding-block: 0.4rem; border-bottom: 1px solid var(--rule); }
.index a, h2 a { text-decoration: none; }
.index a:hover, h2 a:hover { text-decoration: underline; }
h2 a { color: inherit; }
.verb { font-weight: 700; color: var(--accent); }
.summary { font-family: var(--serif); font-size: 1.1rem; }
.schemes > div { margin-top: 1rem; }
dt { font-weight: 600; }
.members { margin-top: 0.5rem; }
.members > div { display: grid; grid-template-columns: 15rem 1fr; gap: 0 1rem; padding-block: 0.45rem; border-bottom: 1px solid var(--rule); }
.members dt strong { color: var(--accent); font-size: 0.8rem; }
.members small, .type { color: var(--soft); }
.type::after { content: "."; }
.variant { margin-top: 1rem; }
.answer { margin-top: 1rem; padding-top: 0.75rem; border-top: 1px solid var(--rule); }
.status { display: inline-block; margin-right: 0.35rem; padding: 0 0.45rem; border-radius: 6px; font-weight: 700; }
.good { background: var(--well); color: var(--good); }
.bad { background: var(--bad-well); color: var(--bad); }
.sheet .errors { margin-top: 0.35rem; padding: 0; list-style: none; }
.errors li { padding-block: 0.15rem; }
.errors code { font-weight: 600; }
details { margin-top: 0.5rem; }
summary { width: fit-content; color: var(--accent); cursor: pointer; }
@media (max-width: 40rem) {
  .index li, .members > div { grid-template-columns: 1fr; }
}
@media print { .sheet { box-shadow: none; } }
`;
