// The demo page: a person whose password was accepted adds a second factor.
//
// Every step is a <section> of the page and exactly one of them is shown. All
// state lives in `state`; a reload starts over. The page talks to two servers:
// the demo issuer, which stands for a login service, and Countersign.

const client = "demo";
const mfaAudience = `${location.origin}/mfa/`;
const grant = (name) => `http://auth0.com/oauth/grant-type/${name}`;
const issuer = demoIssuer();

/** What a person calls each factor, and what the page says about it. */
const factors = {
  otp: { name: "authenticator app" },
  sms: {
    name: "text message",
    title: "Which number gets the text?",
    lead: "We send a code there, to see that the phone is yours.",
    sent: (to) => `We sent a text to ${to}.`,
    link: "See what the phone shows",
  },
  voice: {
    name: "phone call",
    title: "Which number shall we call?",
    lead: "A voice reads out a code, to see that the phone is yours.",
    sent: (to) => `We are calling ${to}.`,
    link: "Hear what the voice says",
  },
  email: {
    name: "e-mail",
    title: "Which address?",
    lead: "We send a code there, to see that the mailbox is yours.",
    sent: (to) => `We sent a mail to ${to}.`,
    link: "See what the mailbox shows",
  },
};

const freshState = () => ({
  name: "",
  /** What proves who is here: the issuer's mfa_token, after the first factor the access token. */
  bearer: "",
  factor: "",
  /** The answer that began what is being confirmed: of associate, or of challenge for a factor from before. */
  started: null,
  /** Sends the code again. */
  send: null,
  /** Where "Back" leads from the code. */
  before: "",
  /** The names of what was confirmed, in order. */
  confirmed: [],
});
let state = freshState();

const element = (id) => document.getElementById(id);
const sections = [...document.querySelectorAll("#step > section")];
const stages = { "sign-in": "sign-in", choose: "choose", enrolled: "choose", done: "done" };

wire();

// Steps ---------------------------------------------------------------------

async function signIn(form) {
  const name = form.elements.name.value.trim();
  if (!name) throw new Problem("Type a name first. Any will do.");
  // The token at the end is to be for Countersign itself, so that it can add an e-mail address.
  const answer = await call(`${issuer}/sign-in`, json({ name, audience: mfaAudience, scope: "openid enroll" }));
  state = { ...freshState(), name, bearer: answer.mfa_token };
  sign("first", name, "demo issuer");
  const known = await authenticators();
  if (known.some(isIndependent)) showKnown(known);
  else show("choose");
}

async function choose(factor) {
  state.factor = factor;
  if (factor !== "otp") return showContact();
  try {
    await associate({ authenticator_types: ["otp"], qr_svg: true });
  } catch (problem) {
    return refuseOrThrow(problem);
  }
  const { secret, barcode_uri: uri, qr_svg: picture } = state.started;
  // As an image a picture cannot run anything, whatever is in it.
  element("qr").src = `data:image/svg+xml,${encodeURIComponent(picture)}`;
  element("open-app").href = uri.startsWith("otpauth://totp/") ? uri : "#step";
  group(element("secret"), secret);
  show("app");
}

async function sendCode(form) {
  const byMail = state.factor === "email";
  const to = (byMail ? form.elements.email : form.elements.phone).value.trim();
  if (!to) throw new Problem(byMail ? "Type an e-mail address first." : "Type a phone number first.");
  const address = byMail ? { email: to } : { phone_number: to };
  state.send = () => associate({ authenticator_types: ["oob"], oob_channels: [state.factor], ...address });
  try {
    await state.send();
  } catch (problem) {
    return refuseOrThrow(problem);
  }
  askForMessage(to, "contact");
}

/** A code to a phone that was confirmed before. */
async function sendToKnown({ id, oob_channel: channel, name }) {
  state.factor = channel;
  state.send = () => challenge(id);
  await state.send();
  askForMessage(name, "enrolled");
}

function askForMessage(to, before) {
  const factor = factors[state.factor];
  state.before = before;
  element("message-lead").textContent = factor.sent(to);
  element("phone-link-text").textContent = factor.link;
  element("sent-again").hidden = true;
  show("message");
}

async function sendAgain() {
  await state.send();
  element("sent-again").hidden = false;
  say("A new code is on its way. The one before no longer works.");
  element("binding-code").value = "";
  element("binding-code").focus();
}

async function confirmApp(form) {
  const tokens = await redeem("mfa-otp", { otp: digits(form.elements.code) });
  finish(tokens, state.started);
}

async function confirmMessage(form) {
  const tokens = await redeem("mfa-oob", {
    oob_code: state.started.oob_code,
    binding_code: digits(form.elements.code),
  });
  finish(tokens, state.started);
}

async function verifyApp(form) {
  state.factor = "otp";
  finish(await redeem("mfa-otp", { otp: digits(form.elements.code) }));
}

async function verifyRecovery(form) {
  const code = form.elements.recovery.value.replaceAll(/[\s-]/g, "").toUpperCase();
  if (!code) throw new Problem("Type the recovery code first.");
  const tokens = await redeem("mfa-recovery-code", { recovery_code: code });
  state.factor = "";
  finish(tokens, { recovery_codes: [tokens.recovery_code] });
}

/** Shows what a confirmed factor brings: the recovery code, once, and the token. */
function finish(tokens, started = {}) {
  const byMail = state.factor === "email";
  const how = factors[state.factor]?.name ?? "recovery code";
  state.confirmed.push(how);
  state.bearer = tokens.access_token;
  state.started = null;

  sign("second", state.name, state.confirmed.join(" and "));
  element("done-title").textContent = byMail ? "E-mail address added" : "Countersigned";
  element("done-lead").textContent = byMail
    ? "From now on a code by mail can help out. The recovery code you saved stays the same."
    : `Two factors stand behind this now: the sign-in as ${state.name} and the ${how}.`;
  const code = started.recovery_codes?.[0] ?? "";
  element("keep").hidden = !code;
  element("keep-why").textContent = state.factor
    ? "It gets you in once when the phone is lost, and it is not shown again."
    : "The one you just used is spent. This one takes its place, and it is not shown again.";
  group(element("recovery-code"), code);
  element("next").hidden = byMail;
  showToken(tokens.access_token);
  show("done");
}

/** A name that has a factor already goes to the step that asks for it. */
async function refuseOrThrow(problem) {
  if (problem.error !== "access_denied" || problem.status !== 403) throw problem;
  showKnown(await authenticators());
}

/** E-mail stands beside a second factor, and is none. */
const isIndependent = ({ type, oob_channel: channel }) => type === "otp" || ["sms", "voice"].includes(channel);

function showKnown(known) {
  const phones = known.filter(({ oob_channel: channel }) => ["sms", "voice"].includes(channel));
  element("enrolled-title").textContent = `${state.name} is protected already`;
  element("verify-otp").hidden = !known.some(({ type }) => type === "otp");
  element("known-phones").replaceChildren(...phones.map(phoneButton));
  show("enrolled");
}

function phoneButton(authenticator) {
  const { oob_channel: channel, name } = authenticator;
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "secondary";
  button.textContent = channel === "sms" ? `Text a code to ${name}` : `Call ${name}`;
  onClick(button, element("enrolled-problem"), () => sendToKnown(authenticator));
  item.append(button);
  return item;
}

// The API -------------------------------------------------------------------

const bearer = () => ({ Authorization: `Bearer ${state.bearer}` });

async function associate(request) {
  state.started = await call("/mfa/associate", json(request, bearer()));
}

async function challenge(authenticator) {
  const request = {
    client_id: client,
    mfa_token: state.bearer,
    challenge_type: "oob",
    authenticator_id: authenticator,
  };
  state.started = await call("/mfa/challenge", json(request));
}

/** What this person has confirmed before. */
async function authenticators() {
  const all = await call("/mfa/authenticators", { headers: bearer() });
  return all.filter(({ active }) => active);
}

function redeem(type, proof) {
  const body = new URLSearchParams({
    grant_type: grant(type),
    client_id: client,
    mfa_token: state.bearer,
    ...proof,
  });
  return call("/oauth/token", { method: "POST", body });
}

function json(body, headers = {}) {
  return {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
  };
}

/** Fetches JSON; whatever goes wrong becomes a Problem with words for a person. */
async function call(url, options) {
  let response;
  try {
    response = await fetch(url, { ...options, credentials: "omit", signal: AbortSignal.timeout(20_000) });
  } catch {
    const who = url.startsWith("/") ? "Countersign" : `The demo issuer at ${issuer}`;
    throw new Problem(`${who} does not answer. Is “npm start” still running?`);
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw Problem.of(response, body);
  return body;
}

/** The demo issuer listens on the next port of the same host. */
function demoIssuer() {
  const url = new URL(location.origin);
  url.port = String(Number(location.port || 80) + 1);
  return url.origin;
}

// Problems ------------------------------------------------------------------

class Problem extends Error {
  /** The problem an answer of the API stands for. */
  static of(response, { error = "", error_description: text = "" }) {
    const over = signInOver[text];
    const problem = new Problem(over ?? inWords(response, error, text));
    problem.over = Boolean(over);
    problem.status = response.status;
    problem.error = error;
    problem.wire = [response.status, error, text && `“${text}”`].filter(Boolean).join(" ");
    return problem;
  }
}

/** After these nothing but a new sign-in helps. */
const signInOver = {
  "mfa_token is expired": "This sign-in is more than ten minutes old.",
  "mfa_token has already been used": "This sign-in has been used already.",
  "Malformed mfa_token": "This sign-in is not valid any more.",
  "The mfa_token provided is invalid. Try getting a new token.": "This sign-in is not valid any more.",
};

const words = {
  "Invalid otp_code.": "That is not the code. Wait for the next one in the app and try that; each works only once.",
  "Invalid binding_code.": "That is not the code we sent. Look again, or ask for a new one.",
  "oob_code is expired": "This code is more than five minutes old. Ask for a new one.",
  "Malformed oob_code": "This code has been replaced. Ask for a new one.",
  "MFA Authorization rejected.": "That is not the recovery code.",
  "The phone number is invalid.": "That does not look like a phone number. Start with + and the country code.",
  "The email address is invalid.": "That does not look like an e-mail address.",
};

function inWords(response, error, text) {
  if (words[text]) return words[text];
  if (text.endsWith(" is not enabled.")) return "This way is switched off here. Choose another one.";
  if (error === "too_many_requests") return `Too many tries. ${wait(response)}`;
  if (error === "temporarily_unavailable") {
    // Only what somebody has to mend comes without a time.
    return response.headers.has("Retry-After")
      ? "Countersign cannot reach its database or the issuer. Try again in a moment."
      : "Countersign is not set up right. The terminal says what is missing.";
  }
  return "That did not work.";
}

function wait(response) {
  const seconds = Number(response.headers.get("Retry-After"));
  if (!(seconds > 0)) return "Wait a few minutes, then try again.";
  const [amount, unit] = seconds < 90 ? [seconds, "second"] : [Math.ceil(seconds / 60), "minute"];
  return `Try again in ${amount} ${unit}${amount === 1 ? "" : "s"}.`;
}

function report(box, problem) {
  const message = document.createElement("p");
  message.textContent = problem.message;
  box.replaceChildren(message);
  if (problem.wire) {
    const wire = document.createElement("p");
    wire.className = "wire";
    wire.textContent = `The API says: ${problem.wire}`;
    box.append(wire);
  }
  if (problem.over) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet";
    button.textContent = "Start over";
    button.addEventListener("click", startOver);
    box.append(button);
  }
  box.hidden = false;
}

/** Empty as well as hidden: a field is described by its box even while that is hidden. */
function clear(box) {
  box.hidden = true;
  box.replaceChildren();
}

// What is shown -------------------------------------------------------------

/** Shows one step and moves the focus to its heading, so that it is read out. */
function show(id) {
  for (const section of sections) section.hidden = section.id !== id;
  for (const box of document.querySelectorAll(".problem[id]")) clear(box);
  for (const field of document.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  for (const field of document.querySelectorAll("#step input[name=code]")) field.value = "";
  for (const item of document.querySelectorAll(".progress li")) {
    if (item.dataset.stage === (stages[id] ?? "connect")) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  }
  element("start-over").hidden = id === "sign-in";
  const heading = element(`${id}-title`);
  document.title = `${heading.textContent} – Countersign demo`;
  say("");
  heading.focus({ preventScroll: true });
  const motion = matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth";
  scrollTo({ top: 0, behavior: motion });
}

function showContact() {
  const factor = factors[state.factor];
  const byMail = state.factor === "email";
  element("contact-title").textContent = factor.title;
  element("contact-lead").textContent = factor.lead;
  element("phone-field").hidden = byMail;
  element("email-field").hidden = !byMail;
  show("contact");
}

function startOver() {
  state = freshState();
  for (const form of document.forms) form.reset();
  for (const which of ["first", "second"]) unsign(which);
  element("qr").removeAttribute("src");
  for (const id of ["secret", "recovery-code", "claims", "claims-json", "token"]) element(id).replaceChildren();
  show("sign-in");
}

function sign(which, name, how) {
  const line = element(`${which}-signature`);
  line.classList.add("signed");
  line.querySelector("dd").textContent = name;
  line.querySelector(".how").textContent = `: ${how}`;
}

function unsign(which) {
  const line = element(`${which}-signature`);
  const empty = document.createElement("span");
  empty.className = "unseen";
  empty.textContent = "not yet";
  line.classList.remove("signed");
  line.querySelector("dd").replaceChildren(empty);
  line.querySelector(".how").textContent = "";
}

/** Text in groups of four; the gaps are drawn, so that copying by hand leaves them out. */
function group(target, text) {
  const groups = (text.match(/.{1,4}/g) ?? []).map((part) => {
    const span = document.createElement("span");
    span.textContent = part;
    return span;
  });
  target.replaceChildren(...groups);
}

const meanings = {
  iss: "issued by",
  sub: "who it is about",
  aud: "whom it is for",
  azp: "client",
  client_id: "client",
  scope: "what it allows",
  amr: "factors used",
  acr: "strength of the sign-in",
  auth_time: "second factor at",
  iat: "issued at",
  exp: "good until",
  nbf: "good from",
  jti: "its own number",
  idp_iss: "signed in at",
  idp_sub: "known there as",
};
const times = new Set(["auth_time", "iat", "exp", "nbf"]);

async function showToken(token) {
  const [header, claims] = token.split(".", 2).map((part) => JSON.parse(new TextDecoder().decode(bytes(part))));
  const order = Object.keys({ ...meanings, ...claims }).filter((claim) => claim in claims);
  element("claims").replaceChildren(...order.map((claim) => row(claim, claims[claim])));
  element("claims-json").textContent = JSON.stringify({ header, claims }, null, 2);
  element("token").textContent = token;
  const verdict = element("signature-check");
  verdict.textContent = "";
  const [good, words] = await checkSignature(token, header);
  verdict.classList.toggle("bad", !good);
  verdict.textContent = words;
}

function row(claim, value) {
  const tr = document.createElement("tr");
  const th = document.createElement("th");
  const td = document.createElement("td");
  const name = document.createElement("code");
  const meaning = document.createElement("span");
  th.scope = "row";
  name.textContent = claim;
  meaning.textContent = meanings[claim] ?? "";
  th.append(name, " ", meaning);
  if (times.has(claim)) {
    const time = document.createElement("time");
    const date = new Date(value * 1000);
    time.dateTime = date.toISOString();
    time.textContent = date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
    td.append(time);
  } else {
    const values = Array.isArray(value) ? value : [value];
    td.textContent = values.map((one) => (typeof one === "object" ? JSON.stringify(one) : String(one))).join(", ");
  }
  tr.append(th, td);
  return tr;
}

/** Checks the token as an API would, with the published key: whether it is good, and in words. */
async function checkSignature(token, { kid, alg }) {
  try {
    const { keys } = await call("/.well-known/jwks.json", {});
    const key = await crypto.subtle.importKey(
      "jwk",
      keys.find((one) => one.kid === kid),
      { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
      false,
      ["verify"],
    );
    const end = token.lastIndexOf(".");
    const signed = new TextEncoder().encode(token.slice(0, end));
    const good = await crypto.subtle.verify(key.algorithm, key, bytes(token.slice(end + 1)), signed);
    return good
      ? [true, `Signature checked: ${alg}, with the key from /.well-known/jwks.json.`]
      : [false, "The signature does not fit the published key."];
  } catch {
    return [false, "The signature could not be checked."];
  }
}

function bytes(base64url) {
  const text = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** For the screen reader's ear. */
function say(text) {
  element("status").textContent = text;
}

function digits(field) {
  const code = field.value.replaceAll(/[\s-]/g, "");
  if (!code) throw new Problem("Type the code first.");
  return code;
}

// Wiring --------------------------------------------------------------------

function wire() {
  onSubmit(element("sign-in").querySelector("form"), signIn, "Signing in…");
  onSubmit(element("contact").querySelector("form"), sendCode, "Sending…");
  onSubmit(element("app").querySelector("form"), confirmApp, "Checking…");
  onSubmit(element("message").querySelector("form"), confirmMessage, "Checking…");
  onSubmit(element("verify-otp"), verifyApp, "Checking…");
  onSubmit(element("verify-recovery"), verifyRecovery, "Checking…");

  const problems = { choose: element("choose-problem"), message: element("message-problem") };
  for (const button of document.querySelectorAll("[data-factor]")) {
    onClick(button, problems.choose, () => choose(button.dataset.factor));
  }
  onClick(element("send-again"), problems.message, sendAgain);
  element("add-email").addEventListener("click", () => {
    state.factor = "email";
    showContact();
  });
  for (const button of document.querySelectorAll("[data-back]")) button.addEventListener("click", back);
  for (const button of document.querySelectorAll("#start-over, [data-start-over]")) {
    button.addEventListener("click", startOver);
  }
  copies(element("copy-secret"), element("secret"));
  copies(element("copy-recovery"), element("recovery-code"));
  copies(element("copy-token"), element("token"));
}

function back() {
  const here = sections.find((section) => !section.hidden).id;
  if (here === "message" && state.before === "contact") showContact();
  else if (here === "message") show("enrolled");
  else show(state.confirmed.length ? "done" : "choose");
}

function onSubmit(form, step, doing) {
  const box = form.querySelector(".problem");
  const button = form.querySelector("[type=submit]");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(button, box, () => step(form), doing);
  });
}

function onClick(button, box, step) {
  button.addEventListener("click", () => attempt(button, box, step));
}

/** Whether a request is under way: a second press of any button waits for it. */
let busy = false;

async function attempt(button, box, step, doing = "One moment…") {
  if (busy) return;
  busy = true;
  const section = button.closest("section");
  const field = [...(button.form?.elements ?? [])].find((one) => one.matches("input") && one.offsetParent);
  section.setAttribute("aria-busy", "true");
  clear(box);
  field?.removeAttribute("aria-invalid");
  say(doing);
  try {
    await step();
  } catch (problem) {
    say("");
    report(box, problem instanceof Problem ? problem : new Problem("The page ran into a bug; the console has it."));
    if (!(problem instanceof Problem)) console.error(problem);
    field?.setAttribute("aria-invalid", "true");
    field?.focus();
    field?.select();
  } finally {
    section.removeAttribute("aria-busy");
    busy = false;
  }
}

function copies(button, source) {
  const idle = [...button.childNodes];
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      // Without the clipboard, at least select what is to be copied.
      getSelection().selectAllChildren(source);
      say("Selected. Copy it with your keyboard.");
      return;
    }
    button.textContent = "Copied";
    say("Copied.");
    setTimeout(() => button.replaceChildren(...idle), 2000);
  });
}
