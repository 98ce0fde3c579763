/** Where messages go at all, and that nothing is stored, sent or charged for the rest. */
import { describe, expect, test } from "vitest";
import { accepted, refused } from "../support/answers.mjs";
import { useStage } from "../support/stage.mjs";

const CLOSED = "Messages to this country are not enabled.";
const INVALID = "The phone number is invalid.";
const stage = useStage();
const sms = (phone_number, oob_channels = ["sms"]) => ({ authenticator_types: ["oob"], oob_channels, phone_number });
const nothing = async (person) => {
  const user = `idp|${person.sub}`;
  expect(await stage.world.rows("SELECT id FROM enrollments WHERE user_id = ?", user)).toEqual([]);
};

test.each(["+49 151 23456789", "+1 202 555 0123", "+44 7700 900123", "+33 6 12 34 56 78", "+82 10 1234 5678"])(
  "by default a message goes to %s",
  async (number) => {
    await accepted(await stage.person().associate(sms(number)));
  },
);

test.each([
  ["Azerbaijan", "+994 50 123 45 67"],
  ["Jamaica, though its code is +1", "+1 876 555 0123"],
  ["the Dominican Republic, though its code is +1", "+1 809 555 0123"],
  ["Kazakhstan", "+7 701 123 4567"],
  ["Indonesia", "+62 812 3456 7890"],
])("by default none goes to %s", async (_, number) => {
  const person = stage.person();
  await refused(await person.associate(sms(number)), 400, "invalid_request", CLOSED);
  await nothing(person);
});

test.each([
  ["satellites", "+881 6 1234 5678"],
  ["premium rate of the world", "+979 1 2345 6789"],
  ["premium rate of +1", "+1 900 555 0123"],
  ["toll-free of +1", "+1 800 555 0123"],
  ["area codes of +1 for services", "+1 700 555 0123"],
  ["personal numbers of the United Kingdom", "+44 70 1234 5678"],
  ["premium rate of the United Kingdom", "+44 909 879 0000"],
  ["shared cost of the United Kingdom", "+44 843 123 4567"],
  ["premium rate of Germany", "+49 900 1 234567"],
  ["premium rate of France", "+33 8 99 12 34 56"],
  ["premium rate of Ireland, which begins as Dublin does", "+353 1520 123 456"],
  ["codes of nobody", "+999 123 4567"],
])("none ever goes to %s", async (_, number) => {
  const person = stage.person();
  await refused(await person.associate(sms(number)), 400, "invalid_request", INVALID);
  await nothing(person);
});

describe("what the operator allows", () => {
  const own = useStage({
    vars: { FACTORS: '{"otp":{},"sms":{"calling_codes":["1876","49"]},"voice":{"calling_codes":"all"}}' },
  });

  test("counts for each channel, and the first that may is taken", async () => {
    await accepted(await own.person().associate(sms("+1 876 555 0123")));
    await refused(await own.person().associate(sms("+1 202 555 0123")), 400, "invalid_request", CLOSED);
    const both = await accepted(await own.person().associate(sms("+1 202 555 0123", ["sms", "voice"])));
    expect(both.oob_channel).toBe("voice");
  });

  test("and takes back later ends challenges, which cost nothing", async () => {
    const { world } = own;
    const person = own.person();
    await person.enrollOob("voice");
    const other = own.person();
    other.number = "+12025550123";
    await other.enrollOob("voice");
    await accepted(await person.challenge({ challenge_type: "oob" }));
    const before = (await world.rows("SELECT id FROM deliveries")).length;
    const [{ id }] = await accepted(await other.list());
    const asSms = { challenge_type: "oob", authenticator_id: id.replace("voice", "sms") };
    await refused(await other.challenge(asSms), 400, "invalid_request", CLOSED);
    expect(await world.rows("SELECT id FROM deliveries")).toHaveLength(before);
  });
});

test("a region's messages are counted by it", async () => {
  const person = stage.person();
  const { id } = await accepted(await person.associate(sms("+33 6 12 34 56 79")));
  const [{ region }] = await stage.world.rows("SELECT region FROM deliveries WHERE owner = ?", id);
  expect(region).toBe("33");
});
