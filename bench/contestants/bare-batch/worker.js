// What everything is measured by: one round trip to D1, which reads a row and adds two.
export default {
  async fetch(_request, { DB }) {
    const id = crypto.randomUUID();
    const [{ results }] = await DB.batch([
      DB.prepare("SELECT id, name FROM clients WHERE id = ?1").bind("client"),
      DB.prepare("INSERT INTO first (id, client_id, created_at) VALUES (?1, ?2, ?3)").bind(id, "client", Date.now()),
      DB.prepare("INSERT INTO second (id, client_id, created_at) VALUES (?1, ?2, ?3)").bind(id, "client", Date.now()),
    ]);
    return Response.json({ id, client: results[0].name });
  },
};
