/** What a page owes to people who read, type or listen differently, checked in the browser that shows it. */
import { expect } from "vitest";

/** Everything below, for the step that the page shows now. */
export async function expectAccessible(page, where) {
  expect(await structure(page), `structure of ${where}`).toEqual([]);
  expect(await nameless(page), `controls without a name at ${where}`).toEqual([]);
  expect(await faint(page), `contrast at ${where}`).toEqual([]);
  expect(await overflowing(page), `wider than the window at ${where}`).toEqual([]);
}

/** One visible heading of first rank, fields with labels, references that lead somewhere, targets that can be hit. */
function structure(page) {
  return page.evaluate(() => {
    const wrong = [];
    const visible = (element) => element.checkVisibility({ visibilityProperty: true });
    const all = (selector) => [...document.querySelectorAll(selector)];
    if (!document.documentElement.lang) wrong.push("the document names no language");
    if (!document.title) wrong.push("the document has no title");
    const first = all("h1").filter(visible);
    if (first.length !== 1) wrong.push(`${first.length} headings of first rank`);
    for (const field of all("input").filter(visible)) {
      if (field.labels.length !== 1 || !field.labels[0].textContent.trim()) wrong.push(`#${field.id} has no label`);
      if (!field.autocomplete) wrong.push(`#${field.id} does not say what it is for`);
    }
    for (const image of all("img").filter(visible)) if (!image.alt) wrong.push(`${image.id || "an image"} has no text`);
    const ids = all("[id]").map(({ id }) => id);
    for (const id of ids.filter((each, index) => ids.indexOf(each) !== index)) wrong.push(`#${id} occurs twice`);
    for (const name of ["aria-describedby", "aria-labelledby", "for"]) {
      for (const element of all(`[${name}]`)) {
        for (const id of element.getAttribute(name).split(" ")) {
          if (!document.getElementById(id)) wrong.push(`${name} leads to #${id}, which does not exist`);
        }
      }
    }
    // WCAG 2.5.8: 24 by 24 pixels; links within a line are exempt.
    for (const element of all("button, input, summary").filter(visible)) {
      const { width, height } = element.getBoundingClientRect();
      if (Math.min(width, height) < 24) wrong.push(`“${element.textContent.trim()}” is ${width} by ${height} pixels`);
    }
    return wrong;
  });
}

/** The roles of controls that the browser's own accessibility tree knows no name for. */
async function nameless(page) {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  await session.detach();
  const controls = ["button", "link", "textbox", "DisclosureTriangle", "image", "heading"];
  return nodes
    .filter(({ ignored, role, name }) => !ignored && controls.includes(role?.value) && !name?.value?.trim())
    .map(({ role }) => role.value);
}

/** Text below the contrast that WCAG AA asks for, and fields whose edge is below 3:1, as words. */
function faint(page) {
  return page.evaluate(() => {
    const channels = (color) => {
      const [r, g, b, alpha = 1] = color.match(/[\d.]+/g).map(Number);
      return { r, g, b, alpha };
    };
    const over = (top, below) => {
      const mix = (name) => top[name] * top.alpha + below[name] * (1 - top.alpha);
      return { r: mix("r"), g: mix("g"), b: mix("b"), alpha: 1 };
    };
    const luminance = ({ r, g, b }) => {
      const [R, G, B] = [r, g, b].map((value) => {
        const part = value / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * R + 0.7152 * G + 0.0722 * B;
    };
    const contrast = (one, other) => {
      const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
      return (light + 0.05) / (dark + 0.05);
    };
    const ground = (element) => {
      if (!element) return { r: 255, g: 255, b: 255, alpha: 1 };
      const own = channels(getComputedStyle(element).backgroundColor);
      return own.alpha === 1 ? own : over(own, ground(element.parentElement));
    };
    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const { parentElement: element, textContent } = texts.currentNode;
      const text = textContent.trim();
      if (!text || !element.checkVisibility({ visibilityProperty: true }) || element.closest(".unseen, script, style")) continue;
      const style = getComputedStyle(element);
      const below = ground(element);
      const ratio = contrast(over(channels(style.color), below), below);
      const size = Number.parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio < (large ? 3 : 4.5)) found.push(`${ratio.toFixed(2)} for “${text.slice(0, 40)}”`);
    }
    for (const field of document.querySelectorAll("input")) {
      if (!field.checkVisibility()) continue;
      const ratio = contrast(channels(getComputedStyle(field).borderTopColor), ground(field.parentElement));
      if (ratio < 3) found.push(`${ratio.toFixed(2)} for the edge of #${field.id}`);
    }
    return found;
  });
}

/** What sticks out of the window sideways, even where a clipped edge hides it. */
function overflowing(page) {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const page = document.documentElement.scrollWidth > width ? ["the whole page"] : [];
    const parts = [...document.querySelectorAll("body *")]
      .filter((element) => element.checkVisibility() && !element.closest(".unseen"))
      .filter((element) => element.getBoundingClientRect().right > width + 0.5)
      .map((element) => `${element.localName}${element.id && `#${element.id}`}`);
    return [...page, ...parts];
  });
}
