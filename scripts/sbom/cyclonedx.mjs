// CycloneDX 1.6 (ECMA-424), as JSON. The same materials give the same bytes: there is no time in it, and its serial number
// is made of its content.
import { createHash } from "node:crypto";
import { reference } from "./materials.mjs";

/**
 * @param {import("./materials.mjs").Materials} materials
 * @returns {object} the document
 */
export function cyclonedx({ name, version, license, dependsOn, components }) {
  const root = `${name}@${version}`;
  const document = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: { type: "application", "bom-ref": root, name, version, licenses: licenses(license) },
    },
    components: components.map(component),
    dependencies: [{ ref: root, dependsOn }, ...components.map((each) => ({ ref: reference(each), dependsOn: each.dependsOn }))],
  };
  return { ...document, serialNumber: `urn:uuid:${uuid(JSON.stringify(document))}` };
}

function component(each) {
  return {
    type: "library",
    "bom-ref": reference(each),
    name: each.name,
    version: each.version,
    // "excluded" is what CycloneDX calls what is no part of the delivery.
    scope: each.shipped ? "required" : "excluded",
    ...(each.hash && { hashes: [{ alg: each.hash.algorithm, content: each.hash.hex }] }),
    ...(each.license && { licenses: licenses(each.license) }),
    purl: reference(each),
  };
}

const licenses = (expression) => [{ expression }];

// A UUID of version 8 (RFC 9562, section 5.8): its bits are a hash.
function uuid(text) {
  const hex = createHash("sha256").update(text).digest("hex");
  const variant = ((Number.parseInt(hex[16], 16) & 3) | 8).toString(16);
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, variant + hex.slice(17, 20), hex.slice(20, 32)].join("-");
}
