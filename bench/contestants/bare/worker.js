// What a request costs that does nothing.
export default {
  fetch: () => Response.json({ ok: true }),
};
