/** `npm run templates`: what may be set, the SQL it becomes, and the command itself on a local database. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { migrate } from "../../scripts/database.mjs";
import { MESSAGES, readArguments, USAGE } from "../../scripts/templates/arguments.mjs";
import { listTemplates, removeTemplate, setTemplate, showTemplate } from "../../scripts/templates/statements.mjs";
import { migrationStatements } from "../support/migrations.mjs";

const WHICH = ["--message", "code", "--channel", "sms", "--language", "it"];

describe("a command line", () => {
  test("names a template and its words", () => {
    expect(readArguments(["set", ...WHICH, "--text", "{{code}}", "--remote"])).toEqual({
      command: "set",
      template: { message: "code", channel: "sms", language: "it", subject: null, text: "{{code}}", html: null },
      where: { remote: true, persistTo: undefined },
    });
  });

  test.each([
    [["set", ...WHICH], "Give either --text or --text-file."],
    [["set", ...WHICH, "--text", "a", "--text-file", "b"], "Give either --text or --text-file."],
    [["check", ...WHICH, "--text-file", "/nowhere/at/all"], "/nowhere/at/all cannot be read (ENOENT)."],
    [["show", "--channel", "sms", "--language", "it"], /^--message is missing: code, /],
    [["show", "--message", "hello", "--channel", "sms", "--language", "it"], /^--message must be one of code, /],
    [["show", "--message", "code", "--channel", "fax", "--language", "it"], "--channel must be one of sms, voice, email."],
    [["remove", "--message", "guesses_locked", "--channel", "voice", "--language", "it"], "Notices go by sms and email."],
    [["show", "--message", "code", "--channel", "sms"], "--language must be a language's tag, such as it or pt-BR."],
    [["show", "--message", "code", "--channel", "sms", "--language", "it IT"], /^--language must be/],
    [["list", "it"], 'list takes no "it".'],
    [["list", "--text", "x"], /^Unknown option '--text'/],
    [["list", "--remote", "--persist-to", "x"], /^--persist-to is about the local database/],
    [["paint"], /^There is no command "paint"/],
    [[], /^What people read and hear/],
  ])("%j is refused in one sentence", (args, sentence) => {
    expect(() => readArguments(args)).toThrow(sentence);
  });
});

describe("the SQL", () => {
  let database;
  beforeAll(async () => {
    database = new DatabaseSync(":memory:");
    for (const statement of await migrationStatements()) database.exec(statement);
  });
  afterAll(() => database.close());

  const run = (statements) => statements.split(";\n").flatMap((sql) => database.prepare(sql).all());
  const by = (at) => ({ at, operator: "O'Hara@host" });
  const own = { message: "code", channel: "email", language: "it", subject: "L'oggetto", text: "{{code}};", html: null };

  test("sets a template in the place of the one before, whatever case its language is written in", () => {
    database.exec(setTemplate({ ...own, language: "IT", text: "older {{code}}" }, by(1)));
    database.exec(setTemplate(own, by(2)));
    expect(database.prepare(showTemplate(own)).all()).toEqual([own]);
    expect(database.prepare(listTemplates()).all()).toEqual([
      { message: "code", channel: "email", language: "it", updated_at: 2 },
    ]);
  });

  test("removes the named template alone", () => {
    database.exec(setTemplate({ ...own, language: "nl" }, by(2)));
    expect(run(removeTemplate(own, by(3)))).toHaveLength(1);
    expect(run(removeTemplate(own, by(3)))).toEqual([]);
    expect(database.prepare(listTemplates()).all()).toMatchObject([{ language: "nl" }]);
    const acts = database
      .prepare("SELECT at, command, operator, user_id, client_id, detail FROM operator_acts ORDER BY id")
      .all();
    const act = (at, command, detail) => ({ ...by(at), command: `templates ${command}`, user_id: null, client_id: null, detail });
    expect(acts).toEqual([
      act(1, "set", "code email IT"),
      act(2, "set", "code email it"),
      act(2, "set", "code email nl"),
      act(3, "remove", "code email it"),
    ]);
  });
});

describe("the command", () => {
  const folder = mkdtempSync(join(tmpdir(), "countersign-templates-"));
  const script = fileURLToPath(new URL("../../scripts/run.mjs", import.meta.url));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function templates(...args) {
    const child = spawn(process.execPath, [script, "templates", ...args, "--persist-to", folder], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = new Promise((resolve) => child.on("close", resolve));
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { code: await ended, out, err };
  }

  test("explains itself", async () => {
    for (const args of [["--help"], ["-h"], ["help"], ["set", "--help"]])
      expect(readArguments(args)).toEqual({ command: "help" });
    expect(await templates("--help")).toEqual({ code: 0, out: `${USAGE}\n`, err: "" });
  });

  test("shows what people would get, says what it costs, and stores it", async () => {
    await migrate({ persistTo: folder });
    const it = await templates("set", ...WHICH, "--text", "{{code}} è il tuo codice per {{tenant}}.");
    expect(it).toMatchObject({ code: 0, err: "" });
    expect(it.out).toBe(
      "123456 è il tuo codice per Example.\n\n@login.example.com #123456\n\nIt is sent in one part.\n\n" +
        "The sms template of code in it is set.\n",
    );
    expect((await templates("list")).out).toBe("The sms template of code in it\n");
    expect(JSON.parse((await templates("show", ...WHICH)).out)).toMatchObject({ subject: null, html: null });
    expect(await templates("remove", ...WHICH)).toMatchObject({ code: 0 });
    expect(await templates("show", ...WHICH)).toMatchObject({
      code: 1,
      err: "The sms template of code in it is not there: `npm run templates -- list` shows all of them.\n",
    });
  }, 300_000);

  test("says how many parts a text takes, and shows mail and calls as they go out", async () => {
    const greek = await templates(
      "check",
      ...WHICH.with(5, "el"),
      "--text",
      `Ο κωδικός σου: {{code}}. ${"Μην τον δώσεις. ".repeat(5)}`,
    );
    expect(greek.out).toMatch(/It is sent in 2 parts, each of which is paid for\.\n$/);
    const call = await templates("check", ...WHICH.with(3, "voice"), "--text", "Il codice: {{code}}.");
    expect(call.out).toBe("Il codice: 1, 2, 3, 4, 5, 6.\nIl codice: 1, 2, 3, 4, 5, 6.\n\nIt is read out in it.\n");
    const file = join(folder, "mail.html");
    writeFileSync(file, "<p>{{tenant}}</p>\r\n<p>{{code}}</p>\n");
    const mail = ["--text", "{{code}}", "--subject", "Da {{tenant}}", "--html-file", file];
    expect((await templates("check", ...WHICH.with(3, "email"), ...mail)).out).toBe(
      "Subject: Da Example\n\n123456\n\n<p>Example</p>\n<p>123456</p>\n",
    );
  }, 300_000);

  test("knows every message that the Worker knows by the same name", async () => {
    for (const message of MESSAGES) {
      const text = message === "code" ? "{{code}}" : "{{tenant}}";
      const which = ["--message", message, "--channel", "sms", "--language", "it"];
      expect({ message, ...(await templates("check", ...which, "--text", text)) }).toMatchObject({ code: 0, err: "" });
    }
  }, 300_000);

  test("stores nothing that could not be sent", async () => {
    const refused = await templates("set", ...WHICH, "--text", "Ciao {{name}}");
    expect(refused).toMatchObject({
      code: 1,
      out: "The template has the place {{name}} in its text, which it cannot fill.\n",
    });
    expect((await templates("list")).out).toMatch(/^No templates yet/);
  }, 300_000);
});
