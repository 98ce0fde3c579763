/** Everybody's password. */
export const PASSWORD = "a password that is long enough";
/** What stands in for its hash: it is compared, not hashed, for a hash would take most of the request. */
export const HASH = "not hashed: hashing is what is not measured here";
