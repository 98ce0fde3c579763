// The demo's outbox: what a person's phone or mailbox would show. It asks for
// messages once a second while somebody looks at it, and adds the new ones.

const list = document.getElementById("messages");
const empty = document.getElementById("empty");
const problem = document.getElementById("problem");
const status = document.getElementById("status");
const kinds = { sms: "Text to", voice: "Call to", email: "Mail to" };
const seen = new Set();
let first = true;
let timer;

document.addEventListener("visibilitychange", refresh);
refresh();

async function refresh() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    const response = await fetch("/dev/outbox?format=json", { signal: AbortSignal.timeout(5000) });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const { messages } = await response.json();
    show(messages);
    problem.hidden = true;
  } catch {
    problem.hidden = false;
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, 1000);
}

/** Adds what is new on top and leaves the rest alone, so that a selection or the focus survives. */
function show(messages) {
  empty.hidden = messages.length > 0;
  const fresh = messages.filter(({ id }) => !seen.has(id));
  for (const message of fresh.toReversed()) {
    seen.add(message.id);
    list.prepend(entry(message));
  }
  for (const time of list.querySelectorAll("time")) {
    const text = when(new Date(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
  if (fresh.length > 0 && !first) status.textContent = `New: ${fresh[0].text}`;
  first = false;
}

function entry({ channel, to, code, text, sent_at: sentAt }) {
  const item = document.createElement("li");
  const head = document.createElement("p");
  const time = document.createElement("time");
  const body = document.createElement("p");
  const foot = document.createElement("p");
  const number = document.createElement("code");
  const copy = document.createElement("button");
  head.className = "to";
  time.dateTime = new Date(sentAt * 1000).toISOString();
  head.append(`${kinds[channel] ?? "Message to"} ${to}`, time);
  body.className = "text";
  body.textContent = text;
  foot.className = "copyable";
  number.className = "big";
  number.textContent = code;
  copy.type = "button";
  copy.className = "quiet";
  copy.textContent = "Copy";
  copy.setAttribute("aria-label", `Copy the code ${code}`);
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code);
    } catch {
      getSelection().selectAllChildren(number);
      return;
    }
    copy.textContent = "Copied";
    status.textContent = "Copied.";
    setTimeout(() => (copy.textContent = "Copy"), 2000);
  });
  foot.append(number, copy);
  item.append(head, body);
  // A notice brings none.
  if (code) item.append(foot);
  return item;
}

function when(date) {
  const seconds = Math.round((Date.now() - date) / 1000);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return date.toLocaleTimeString(undefined, { timeStyle: "short" });
}
