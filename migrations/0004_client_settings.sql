-- What a client may. An empty list allows what is switched on; no policy means the deployment's.
ALTER TABLE clients ADD COLUMN grants TEXT NOT NULL DEFAULT '[]';
ALTER TABLE clients ADD COLUMN factors TEXT NOT NULL DEFAULT '[]';
ALTER TABLE clients ADD COLUMN policy TEXT;
