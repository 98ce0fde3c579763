//! Sealing and keyed hashing of what is stored, with the operator's master keys (`ENCRYPTION_KEYS`).
//!
//! Sealed text and hashes begin with the id of their key, so that keys can change: a new key is first made known
//! everywhere, then used; an old one stays known until nothing needs it any more.
//!
//! ```text
//! seal key  ─HKDF-SHA-256(purpose, row)─►  key of one row   ─AES-256-GCM(purpose, row, user)─►  s1.{nonce, text, tag}
//! seal key  ─HKDF-SHA-256(purpose)──────►  key of a purpose ─AES-256-GCM(purpose)────────────►  s1.{nonce, text, tag}
//! hash key  ─HKDF-SHA-256───────────────►  key for hashes   ─HMAC-SHA-256(purpose, parts)────►  h1.{mac}
//! ```

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead, Payload};
use base64ct::{Base64UrlUnpadded, Encoding};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::base64url;
use crate::json::{self, Json};
use crate::platform::StorageError;

/// Length of a master key, and of every key derived from one.
const KEY_BYTES: usize = 32;

/// Length of an AES-GCM nonce (NIST SP 800-38D, section 8.2).
const NONCE_BYTES: usize = 12;

/// SHA-256's block, to which HMAC fills a shorter key with zeros (RFC 2104, section 2).
const BLOCK_BYTES: usize = 64;

/// Few places take more, and most need not be moved while they are written.
const USUAL_PLACE_BYTES: usize = 128;

/// Longest key id.
const MAXIMUM_ID: usize = 16;

// What a derived key is for (HKDF's info begins with it), so that no derivation ever gives another one's key.
const SEAL_ROW: &[u8] = b"countersign seal v1";
const SEAL_TOKEN: &[u8] = b"countersign token v1";
const HASH: &[u8] = b"countersign hash v1";

/// The master keys. Debug prints nothing of them.
pub struct Keyring {
    seal: Ring<SealKey>,
    /// HMAC under the key derived for hashes, ready to take a message.
    hash: Ring<Hmac<Sha256>>,
}

/// What a sealed text belongs to. It opens only at the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// What the text is, such as `"factor"`.
    pub purpose: &'static str,
    /// The row's id.
    pub row: &'a str,
    /// The user whose row it is.
    pub user: &'a str,
}

/// The text is too long to be sealed (64 GiB, NIST SP 800-38D, section 5.2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealError;

/// Why a sealed text does not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// It names a key that the keyring does not have.
    UnknownKey(String),
    /// It does not have the form of a sealed text.
    Malformed,
    /// It was not sealed with this key for this place, or was changed since.
    Forged,
}

/// Why a stored hash cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashError {
    /// It names a key that the keyring does not have.
    UnknownKey(String),
    /// It does not have the form of a hash.
    Malformed,
}

/// How the names of the variables of further keys begin. What follows names their keys: `ENCRYPTION_KEYS_2` has `s2` and
/// `h2`.
pub const VARIABLE_PREFIX: &str = "ENCRYPTION_KEYS_";

/// The variable of the first keys, and the one that says which are used.
const FIRST: &str = "ENCRYPTION_KEYS";
const ACTIVE: &str = "ACTIVE_ENCRYPTION_KEYS";

impl OpenError {
    /// As the error of a column that holds `stored`. Names the key that `stored` names, and nothing else of it.
    #[must_use]
    pub fn of(self, column: &'static str, stored: &str) -> StorageError {
        unreadable(column, self.word(), stored)
    }

    /// As the log says it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::UnknownKey(_) => "unknown_key",
            Self::Malformed => "malformed",
            Self::Forged => "forged",
        }
    }
}

impl HashError {
    /// As the error of a column that holds `stored`, as with [`OpenError::of`].
    #[must_use]
    pub fn of(self, column: &'static str, stored: &str) -> StorageError {
        let what = match self {
            Self::UnknownKey(_) => "unknown_key",
            Self::Malformed => "malformed",
        };
        unreadable(column, what, stored)
    }
}

fn unreadable(column: &'static str, what: &str, stored: &str) -> StorageError {
    StorageError::Unreadable(column, format!("{what} {}", key_id(stored).unwrap_or_default()))
}

/// The id of the key that a stored text names, if it is one.
#[must_use]
pub fn key_id(stored: &str) -> Option<&str> {
    stored.split_once('.').map(|(id, _)| id).filter(|id| is_key_id(id))
}

impl Keyring {
    /// Reads the variables: `first` is `ENCRYPTION_KEYS` (see [`Keyring::parse`]), `further` are (name, value) of each
    /// `ENCRYPTION_KEYS_…`, `{"seal":"<32 bytes in base64url>","hash":"<the same>"}`, and `active` is
    /// `ACTIVE_ENCRYPTION_KEYS`, the name of one of these or what follows the prefix in it: its keys are used for what is
    /// new. Without it, those are that `ENCRYPTION_KEYS` says. Each variable can be added and taken away without
    /// reading the others, since nobody can read a deployed secret.
    ///
    /// # Errors
    /// Every problem as the variable's name and what is wrong with it, never with a key.
    pub fn parse_all(
        first: Option<&str>,
        further: &[(String, String)],
        active: Option<&str>,
    ) -> Result<Self, Vec<(String, String)>> {
        if further.is_empty() && active.is_none() {
            let first = first.ok_or_else(|| vec![(FIRST.to_owned(), "is missing.".to_owned())])?;
            return Self::parse(first).map_err(|problem| vec![(FIRST.to_owned(), problem)]);
        }
        let mut problems = Vec::new();
        let mut all = match first {
            Some(first) => KeyTexts::read(first)
                .and_then(|texts| texts.ready().map(|_| texts))
                .unwrap_or_else(|problem| {
                    problems.push((FIRST.to_owned(), problem));
                    KeyTexts::default()
                }),
            None => KeyTexts::default(),
        };
        for (variable, value) in further {
            if let Err(problem) = all.add(variable, value) {
                problems.push((variable.clone(), problem));
            }
        }
        if let Some(active) = active {
            let name = active.strip_prefix(VARIABLE_PREFIX).unwrap_or(active);
            if further.iter().any(|(variable, _)| variable.strip_prefix(VARIABLE_PREFIX) == Some(name)) {
                all.present = (format!("s{name}"), format!("h{name}"));
            } else {
                let problem =
                    format!("must be what follows {VARIABLE_PREFIX} in the name of one of these variables.");
                problems.push((ACTIVE.to_owned(), problem));
            }
        } else if first.is_none() {
            let problem =
                format!("is missing; without it {ACTIVE} must say which {VARIABLE_PREFIX}… is used.");
            problems.push((FIRST.to_owned(), problem));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        all.ready().map_err(|problem| vec![(ACTIVE.to_owned(), problem)])
    }

    /// Reads `ENCRYPTION_KEYS`:
    /// `{"seal":{"use":"s1","keys":{"s1":"<32 bytes in base64url>"}},"hash":{"use":"h1","keys":{"h1":"<the same>"}}}`.
    ///
    /// # Errors
    /// What is wrong and what would be right, as a sentence whose subject is the variable. Never shows anything of a
    /// key, nor an id that could be a misplaced one.
    pub fn parse(json: &str) -> Result<Self, String> {
        KeyTexts::read(json)?.ready()
    }

    /// Seals `plaintext` for `place` with the present key, as `{key id}.{base64url(nonce, ciphertext, tag)}`.
    ///
    /// `nonce` is random for every call. As each row has a key of its own, the number of texts under one key stays far
    /// below what a random nonce allows (2^32, NIST SP 800-38D, section 8.3). Contacts share one: as many notices would
    /// have to name an address before the key is replaced.
    ///
    /// # Errors
    /// [`SealError`] for an absurdly long text.
    pub fn seal(&self, place: &Place<'_>, plaintext: &[u8], nonce: [u8; 12]) -> Result<String, SealError> {
        let present = &self.seal.present;
        let cipher = present.key.row_cipher(place).ok_or(SealError)?;
        sealed(&present.id, &cipher, nonce, Payload { msg: plaintext, aad: &place.associated_data() })
    }

    /// Opens what [`Keyring::seal`] gave for the same place, with whichever known key it names.
    ///
    /// # Errors
    /// [`OpenError`] says what does not fit.
    pub fn open(&self, place: &Place<'_>, sealed: &str) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (key, bytes) = self.seal.find(sealed)?;
        let cipher = key.row_cipher(place).ok_or(OpenError::Forged)?;
        opened(&cipher, &bytes, &place.associated_data())
    }

    /// Whether `sealed` is under the present key. If not, its reader seals it anew.
    #[must_use]
    pub fn is_current(&self, sealed: &str) -> bool {
        sealed.split_once('.').is_some_and(|(id, _)| id == self.seal.present.id)
    }

    /// Seals what a client carries for us: no row, so it opens wherever its purpose is expected. The result has
    /// characters of `[A-Za-z0-9_.-]` only.
    ///
    /// `nonce` is random for every call. All tokens of one purpose share a key, so a seal key is due for replacement
    /// before four thousand million tokens (2^32, NIST SP 800-38D, section 8.3).
    ///
    /// # Errors
    /// [`SealError`] for an absurdly long text.
    pub fn seal_token(
        &self,
        purpose: &'static str,
        plaintext: &[u8],
        nonce: [u8; 12],
    ) -> Result<String, SealError> {
        let present = &self.seal.present;
        let cipher = present.key.token_cipher(purpose).ok_or(SealError)?;
        sealed(&present.id, &cipher, nonce, Payload { msg: plaintext, aad: purpose.as_bytes() })
    }

    /// Opens what [`Keyring::seal_token`] gave for the same purpose.
    ///
    /// # Errors
    /// [`OpenError`] says what does not fit.
    pub fn open_token(&self, purpose: &'static str, token: &str) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (key, bytes) = self.seal.find(token)?;
        let cipher = key.token_cipher(purpose).ok_or(OpenError::Forged)?;
        opened(&cipher, &bytes, purpose.as_bytes())
    }

    /// The keyed hash of `parts` under the present key, as `{key id}.{base64url(mac)}`.
    ///
    /// Deterministic, so that it can be looked up. Neither another purpose nor other boundaries between the parts
    /// give the same hash.
    #[must_use]
    pub fn hash(&self, purpose: &'static str, parts: &[&str]) -> String {
        written_hash(&self.hash.present, purpose, parts)
    }

    /// Whether `stored` is the hash of `parts`, under whichever known key it names. Compares in constant time.
    ///
    /// # Errors
    /// [`HashError`] when `stored` is nothing to compare with.
    pub fn hash_matches(
        &self,
        purpose: &'static str,
        parts: &[&str],
        stored: &str,
    ) -> Result<bool, HashError> {
        let (key, stored_mac) = self.hash.find(stored)?;
        if stored_mac.len() != KEY_BYTES {
            return Err(HashError::Malformed);
        }
        Ok(mac(key, purpose, parts).verify_slice(&stored_mac).is_ok())
    }

    /// The hash of `parts` under every known key, the present one's first: what to look for in a column where older
    /// rows have older keys' hashes.
    #[must_use]
    pub fn hashes(&self, purpose: &'static str, parts: &[&str]) -> Vec<String> {
        self.hash.all().map(|named| written_hash(named, purpose, parts)).collect()
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Keyring(…)")
    }
}

impl Place<'_> {
    fn associated_data(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(USUAL_PLACE_BYTES);
        for text in [self.purpose, self.row, self.user] {
            data.extend_from_slice(&length_prefix(text));
            data.extend_from_slice(text.as_bytes());
        }
        data
    }
}

impl From<FindError> for OpenError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::UnknownKey(id) => Self::UnknownKey(id),
            FindError::Malformed => Self::Malformed,
        }
    }
}

impl From<FindError> for HashError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::UnknownKey(id) => Self::UnknownKey(id),
            FindError::Malformed => Self::Malformed,
        }
    }
}

/// `ENCRYPTION_KEYS` as it is shown to an operator who got it wrong.
const FORM: &str = r#"{"seal":{"use":"s1","keys":{"s1":"<key>"}},"hash":{"use":"h1","keys":{"h1":"<key>"}}}"#;

/// One of the further variables, in the same way.
const FURTHER_FORM: &str = r#"{"seal":"<key>","hash":"<key>"}"#;

/// What the variables say, as texts: (id, key) of each key, and the ids of those that are used.
#[derive(Default)]
struct KeyTexts {
    seal: WrittenKeys,
    hash: WrittenKeys,
    present: (String, String),
}

type WrittenKeys = Vec<(String, Zeroizing<String>)>;

impl KeyTexts {
    /// Reads `ENCRYPTION_KEYS`.
    fn read(json: &str) -> Result<Self, String> {
        let written = parsed(json, FORM)?;
        let ring = |name| written_ring(written.member(name)?);
        let (Some((seal_id, seal)), Some((hash_id, hash)), true) =
            (ring("seal"), ring("hash"), has_only(&written, &["seal", "hash"]))
        else {
            return Err(format!("does not have the form {FORM}."));
        };
        Ok(Self { seal, hash, present: (seal_id, hash_id) })
    }

    /// Adds the keys of an `ENCRYPTION_KEYS_…`.
    fn add(&mut self, variable: &str, json: &str) -> Result<(), String> {
        let name = variable.strip_prefix(VARIABLE_PREFIX).unwrap_or_default();
        let (seal_id, hash_id) = (format!("s{name}"), format!("h{name}"));
        if name.is_empty() || !is_key_id(&seal_id) {
            return Err(format!(
                "must have a name that ends in 1 to {} lower-case letters and digits, which name its keys.",
                MAXIMUM_ID.saturating_sub(1)
            ));
        }
        let written = parsed(json, FURTHER_FORM)?;
        let (Some(seal), Some(hash), true) =
            (written.text("seal"), written.text("hash"), has_only(&written, &["seal", "hash"]))
        else {
            return Err(format!("does not have the form {FURTHER_FORM}."));
        };
        for (member, keys, id, key) in
            [("seal", &self.seal, &seal_id, seal), ("hash", &self.hash, &hash_id, hash)]
        {
            if key_bytes(key).is_none() {
                return Err(format!("has a key {member} {KEY_LENGTH}"));
            }
            if keys.iter().any(|(other, _)| other == id) {
                return Err(format!("has the key {id}, which {FIRST} has already; choose another name."));
            }
            if let Some((other, _)) = keys.iter().find(|(_, other)| other.as_str() == key) {
                return Err(format!("has the same key {member} as the key {other}; use a new one."));
            }
        }
        self.seal.push((seal_id, Zeroizing::new(seal.to_owned())));
        self.hash.push((hash_id, Zeroizing::new(hash.to_owned())));
        Ok(())
    }

    /// The keyring that they make.
    fn ready(&self) -> Result<Keyring, String> {
        let (seal_id, hash_id) = &self.present;
        Ok(Keyring {
            seal: Ring::read("seal", seal_id, &self.seal, |key| Some(SealKey::new(key)))?,
            hash: Ring::read("hash", hash_id, &self.hash, |key| {
                let hash_key = derived(&Hkdf::new(None, key), &[HASH])?;
                Some(keyed_hmac(&hash_key))
            })?,
        })
    }
}

fn parsed<'a>(json: &'a str, form: &str) -> Result<Zeroizing<Json<'a>>, String> {
    json::parse(json.as_bytes()).map(Zeroizing::new).map_err(|malformed| {
        format!("does not have the form {form} (line {}, column {}).", malformed.line, malformed.column)
    })
}

/// One half of `ENCRYPTION_KEYS`: the id of the key that is used, and all keys.
fn written_ring(written: &Json<'_>) -> Option<(String, WrittenKeys)> {
    let present = written.text("use")?;
    let keys = written.member("keys")?;
    if !has_only(written, &["use", "keys"]) || keys.repeated().is_some() {
        return None;
    }
    let pairs = keys
        .as_object()?
        .iter()
        .map(|(id, key)| Some(((**id).to_owned(), Zeroizing::new(key.as_text()?.to_owned()))));
    Some((present.to_owned(), pairs.collect::<Option<_>>()?))
}

/// What a key must be, as the end of a sentence.
const KEY_LENGTH: &str = "that is not 32 bytes in base64url without padding, which are 43 characters.";

fn key_bytes(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = Zeroizing::new(Base64UrlUnpadded::decode_vec(text).ok()?);
    (bytes.len() == KEY_BYTES).then_some(bytes)
}

/// Whether the object has no other members than these, and none twice.
fn has_only(object: &Json<'_>, names: &[&str]) -> bool {
    object.unknown(names).is_none() && object.repeated().is_none()
}

/// The known keys of one sort.
struct Ring<K> {
    /// The one that is used for what is new.
    present: Named<K>,
    /// The ones that are known besides: older ones, and one about to be used.
    others: Vec<Named<K>>,
}

struct Named<K> {
    id: String,
    key: K,
}

/// Why no key was found for a stored text.
enum FindError {
    UnknownKey(String),
    Malformed,
}

impl<K> Ring<K> {
    /// Checks the keys written under `name` and makes each ready with `prepare`.
    fn read(
        name: &str,
        present_id: &str,
        written: &WrittenKeys,
        prepare: impl Fn(&[u8]) -> Option<K>,
    ) -> Result<Self, String> {
        let mut present = None;
        let mut others = Vec::new();
        let mut known: Vec<(&str, Zeroizing<Vec<u8>>)> = Vec::new();
        for (id, key) in written {
            if !is_key_id(id) {
                return Err(format!(
                    "has a key id in {name}.keys that is not 1 to {MAXIMUM_ID} lower-case letters and digits."
                ));
            }
            let key = key_bytes(key).ok_or_else(|| format!("has a key {name}.keys.{id} {KEY_LENGTH}"))?;
            if let Some((other, _)) = known.iter().find(|(_, bytes)| *bytes == key) {
                return Err(format!(
                    "has the same key as {name}.keys.{other} and {name}.keys.{id}; use a new one."
                ));
            }
            let prepared = prepare(&key).ok_or_else(|| format!("has an unusable key {name}.keys.{id}."))?;
            known.push((id, key));
            let named = Named { id: id.clone(), key: prepared };
            if named.id == present_id {
                present = Some(named);
            } else {
                others.push(named);
            }
        }
        let present = present
            .ok_or_else(|| format!("has no key in {name}.keys under the id that {name}.use names."))?;
        Ok(Self { present, others })
    }

    /// The present key, then the others.
    fn all(&self) -> impl Iterator<Item = &Named<K>> {
        std::iter::once(&self.present).chain(&self.others)
    }

    /// Takes `{key id}.{base64url}` apart: the key it names, and the bytes.
    fn find(&self, stored: &str) -> Result<(&K, Vec<u8>), FindError> {
        // What is no key id is not repeated in an error: it may be anything a client sent.
        let (id, encoded) =
            stored.split_once('.').filter(|(id, _)| is_key_id(id)).ok_or(FindError::Malformed)?;
        let bytes = base64url::decode(encoded).ok_or(FindError::Malformed)?;
        let named =
            self.all().find(|named| named.id == id).ok_or_else(|| FindError::UnknownKey(id.to_owned()))?;
        Ok((&named.key, bytes))
    }
}

fn is_key_id(id: &str) -> bool {
    (1..=MAXIMUM_ID).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// A master key, and what has been derived from it.
struct SealKey {
    /// The master key after HKDF's extraction (RFC 5869, section 2.2).
    master: Hkdf<Sha256>,
    /// By purposes of tokens, of which there are few: each once it has been used.
    token_ciphers: RefCell<Vec<(&'static str, Rc<Aes256Gcm>)>>,
}

impl SealKey {
    fn new(key: &[u8]) -> Self {
        Self { master: Hkdf::new(None, key), token_ciphers: RefCell::default() }
    }

    /// AES-256-GCM under the key of one row.
    fn row_cipher(&self, place: &Place<'_>) -> Option<Aes256Gcm> {
        let Place { purpose, row, .. } = place;
        let info =
            [SEAL_ROW, &length_prefix(purpose), purpose.as_bytes(), &length_prefix(row), row.as_bytes()];
        derived(&self.master, &info).map(|key| Aes256Gcm::new((&*key).into()))
    }

    /// AES-256-GCM under the key of all tokens of a purpose.
    fn token_cipher(&self, purpose: &'static str) -> Option<Rc<Aes256Gcm>> {
        let known = self
            .token_ciphers
            .borrow()
            .iter()
            .find(|(own, _)| *own == purpose)
            .map(|(_, cipher)| Rc::clone(cipher));
        if known.is_some() {
            return known;
        }
        let key = derived(&self.master, &[SEAL_TOKEN, &length_prefix(purpose), purpose.as_bytes()])?;
        let cipher = Rc::new(Aes256Gcm::new((&*key).into()));
        self.token_ciphers.borrow_mut().push((purpose, Rc::clone(&cipher)));
        Some(cipher)
    }
}

/// HKDF's expansion (RFC 5869, section 2.3) to one key. Always `Some`: it fails beyond 255 blocks of output only.
fn derived(master: &Hkdf<Sha256>, info: &[&[u8]]) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let mut key = Zeroizing::new([0_u8; KEY_BYTES]);
    master.expand_multi_info(info, key.as_mut_slice()).ok()?;
    Some(key)
}

fn sealed(
    id: &str,
    cipher: &Aes256Gcm,
    nonce: [u8; NONCE_BYTES],
    payload: Payload<'_, '_>,
) -> Result<String, SealError> {
    let ciphertext = cipher.encrypt((&nonce).into(), payload).map_err(|_| SealError)?;
    let bytes = [nonce.as_slice(), &ciphertext].concat();
    Ok([id, ".", &base64url::encode(&bytes)].concat())
}

fn opened(cipher: &Aes256Gcm, bytes: &[u8], associated_data: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError::Malformed)?;
    let payload = Payload { msg: ciphertext, aad: associated_data };
    cipher.decrypt(nonce.into(), payload).map(Zeroizing::new).map_err(|_| OpenError::Forged)
}

fn written_hash(named: &Named<Hmac<Sha256>>, purpose: &str, parts: &[&str]) -> String {
    let output = mac(&named.key, purpose, parts).finalize().into_bytes();
    [&named.id, ".", &base64url::encode(&output)].concat()
}

/// HMAC over the purpose and the parts, each with its length before it.
fn mac(key: &Hmac<Sha256>, purpose: &str, parts: &[&str]) -> Hmac<Sha256> {
    let mut mac = key.clone();
    for part in [purpose].iter().chain(parts) {
        mac.update(&length_prefix(part));
        mac.update(part.as_bytes());
    }
    mac
}

fn keyed_hmac(key: &[u8; KEY_BYTES]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0_u8; BLOCK_BYTES]);
    for (target, byte) in block.iter_mut().zip(key) {
        *target = *byte;
    }
    Hmac::new((&*block).into())
}

/// The length of `text`, which goes before it, so that no two lists of texts run together to the same bytes.
fn length_prefix(text: &str) -> [u8; 8] {
    (text.len() as u64).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;

    /// 32 bytes that count up from 0, and from 32.
    const S1: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    const H1: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8";
    /// `S1` without its first and last characters.
    const S1_PART: &str = "AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh";
    /// Two others.
    const S2: &str = "__________________________________________8";
    const H2: &str = "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8";

    const NONCE: [u8; 12] = [0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab];
    const PLACE: Place<'_> = Place { purpose: "totp secret", row: "totp|dev_1", user: "idp|ann" };

    fn written(seal: (&str, &[(&str, &str)]), hash: (&str, &[(&str, &str)])) -> String {
        let ring = |(present, keys): (&str, &[(&str, &str)])| {
            let keys: BTreeMap<_, _> = keys.iter().copied().collect();
            serde_json::json!({"use": present, "keys": keys})
        };
        serde_json::json!({"seal": ring(seal), "hash": ring(hash)}).to_string()
    }

    fn keyring(seal: (&str, &[(&str, &str)]), hash: (&str, &[(&str, &str)])) -> Keyring {
        Keyring::parse(&written(seal, hash)).expect("a valid keyring")
    }

    fn first() -> Keyring {
        keyring(("s1", &[("s1", S1)]), ("h1", &[("h1", H1)]))
    }

    /// Both keys known, the first still used: the first step of a rotation.
    fn second_known() -> Keyring {
        keyring(("s1", &[("s1", S1), ("s2", S2)]), ("h1", &[("h1", H1), ("h2", H2)]))
    }

    /// Both keys known, the second used: the second step.
    fn second_used() -> Keyring {
        keyring(("s2", &[("s1", S1), ("s2", S2)]), ("h2", &[("h1", H1), ("h2", H2)]))
    }

    /// The first key gone: the end of a rotation.
    fn second() -> Keyring {
        keyring(("s2", &[("s2", S2)]), ("h2", &[("h2", H2)]))
    }

    /// Sealed texts and hashes that another implementation (node:crypto) computed from the scheme's description, so
    /// that a change of the scheme, which would make every stored row unreadable, does not go unnoticed.
    #[test]
    fn known_inputs_give_known_outputs() {
        let sealed = "s1.oKGio6SlpqeoqaqrugSpzxlS6Tl0phfVeMY5vg2t8RvoyK-9EQ";
        assert_eq!(first().seal(&PLACE, b"plaintext", NONCE).as_deref(), Ok(sealed));
        let token = "s1.oKGio6Slpqeoqaqr-MTW_uWXKW8cqiTzgGFPwnZUZk6CWrVxrQ";
        let keyring = first();
        // Also behind a token for something else, and when the cipher is there already.
        assert_ne!(keyring.seal_token("oob_code", b"plaintext", NONCE).as_deref(), Ok(token));
        for _ in 0..2 {
            assert_eq!(keyring.seal_token("mfa_token", b"plaintext", NONCE).as_deref(), Ok(token));
        }
        assert_eq!(
            first().hash("binding code", &["totp|dev_1", "123456"]),
            "h1.IKK1y0hh4jZE1joKhBGfNswPJbA2aW67QtVQbB9Pqu0"
        );
    }

    /// RFC 5869, appendix A.1, as far as one key reaches: the keys are HKDF's, not some other derivation's.
    #[test]
    fn derived_keys_are_those_of_rfc_5869() {
        let salt: Vec<u8> = (0..=0x0c).collect();
        let master = Hkdf::<Sha256>::new(Some(&salt), &[0x0b; 22]);
        let key = derived(&master, &[&[0xf0, 0xf1, 0xf2, 0xf3], &[0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9]])
            .expect("a key");
        assert_eq!(
            *key,
            [
                0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a, 0x90, 0x43, 0x4f, 0x64, 0xd0, 0x36, 0x2f,
                0x2a, 0x2d, 0x2d, 0x0a, 0x90, 0xcf, 0x1a, 0x5a, 0x4c, 0x5d, 0xb0, 0x2d, 0x56, 0xec, 0xc4,
                0xc5, 0xbf,
            ]
        );
    }

    /// RFC 4231, test case 2: filling the key up is what HMAC does with it anyway.
    #[test]
    fn hashes_are_hmac_sha_256() {
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let mut mac = keyed_hmac(&key);
        mac.update(b"what do ya want for nothing?");
        assert_eq!(
            mac.finalize().into_bytes()[..],
            [
                0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75,
                0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec,
                0x38, 0x43
            ]
        );
    }

    #[test]
    fn a_sealed_text_opens_at_its_place() {
        for length in [0, 1, 15, 16, 17, 20, 1000] {
            let plaintext = vec![0x5a; length];
            let sealed = first().seal(&PLACE, &plaintext, NONCE).expect("short");
            assert_eq!(first().open(&PLACE, &sealed).expect("own place").as_slice(), plaintext);
            let token = first().seal_token("mfa_token", &plaintext, NONCE).expect("short");
            assert_eq!(first().open_token("mfa_token", &token).expect("own purpose").as_slice(), plaintext);
        }
    }

    #[test]
    fn a_sealed_text_opens_at_no_other_place() {
        let keyring = first();
        let sealed = keyring.seal(&PLACE, b"secret", NONCE).expect("short");
        for place in [
            Place { purpose: "address", ..PLACE },
            Place { purpose: "", ..PLACE },
            Place { row: "totp|dev_2", ..PLACE },
            Place { row: "", ..PLACE },
            Place { user: "idp|bob", ..PLACE },
            Place { user: "other|ann", ..PLACE },
            Place { user: "", ..PLACE },
            Place { row: PLACE.user, user: PLACE.row, ..PLACE },
            // The same characters, cut elsewhere.
            Place { purpose: "totp secrett", row: "otp|dev_1", ..PLACE },
            Place { row: "totp|dev_1i", user: "dp|ann", ..PLACE },
        ] {
            assert_eq!(keyring.open(&place, &sealed), Err(OpenError::Forged), "{place:?}");
        }
    }

    #[test]
    fn rows_and_tokens_do_not_open_as_each_other() {
        let keyring = first();
        let row = keyring.seal(&PLACE, b"secret", NONCE).expect("short");
        assert_eq!(keyring.open_token(PLACE.purpose, &row), Err(OpenError::Forged));
        let token = keyring.seal_token("mfa_token", b"secret", NONCE).expect("short");
        assert_eq!(keyring.open_token("oob_code", &token), Err(OpenError::Forged));
        assert_eq!(keyring.open(&Place { purpose: "mfa_token", ..PLACE }, &token), Err(OpenError::Forged));
        let bare = Place { purpose: "mfa_token", row: "", user: "" };
        assert_eq!(keyring.open(&bare, &token), Err(OpenError::Forged));
    }

    #[test]
    fn another_key_under_the_same_id_opens_nothing() {
        let other = keyring(("s1", &[("s1", S2)]), ("h1", &[("h1", H2)]));
        let sealed = first().seal(&PLACE, b"secret", NONCE).expect("short");
        assert_eq!(other.open(&PLACE, &sealed), Err(OpenError::Forged));
        let token = first().seal_token("mfa_token", b"secret", NONCE).expect("short");
        assert_eq!(other.open_token("mfa_token", &token), Err(OpenError::Forged));
        let hash = first().hash("code", &["1"]);
        assert_eq!(other.hash_matches("code", &["1"], &hash), Ok(false));
    }

    /// `text` with each of its bits flipped, as far as that is text.
    fn with_a_bit_flipped(text: &str) -> impl Iterator<Item = String> {
        (0..text.len().saturating_mul(8)).filter_map(|bit| {
            let mut bytes = text.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            String::from_utf8(bytes).ok()
        })
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let keyring = first();
        let sealed = keyring.seal(&PLACE, b"secret", NONCE).expect("short");
        let token = keyring.seal_token("mfa_token", b"secret", NONCE).expect("short");
        let hash = keyring.hash("code", &["123456"]);
        let mut changes = 0;
        for changed in with_a_bit_flipped(&sealed) {
            assert!(keyring.open(&PLACE, &changed).is_err(), "{changed}");
            changes += 1;
        }
        for changed in with_a_bit_flipped(&token) {
            assert!(keyring.open_token("mfa_token", &changed).is_err(), "{changed}");
            changes += 1;
        }
        for changed in with_a_bit_flipped(&hash) {
            assert_ne!(keyring.hash_matches("code", &["123456"], &changed), Ok(true), "{changed}");
            changes += 1;
        }
        // Seven bits of each character; the eighth makes it no text.
        assert_eq!(changes, (sealed.len() + token.len() + hash.len()) * 7);
    }

    #[test]
    fn every_flipped_bit_of_nonce_text_and_tag_is_a_forgery() {
        let keyring = first();
        let sealed = keyring.seal(&PLACE, b"secret", NONCE).expect("short");
        let bytes = Base64UrlUnpadded::decode_vec(sealed.trim_start_matches("s1.")).expect("base64url");
        assert_eq!(bytes.len(), 12 + 6 + 16);
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let changed = format!("s1.{}", Base64UrlUnpadded::encode_string(&changed));
            assert_eq!(keyring.open(&PLACE, &changed), Err(OpenError::Forged), "bit {bit}");
        }
    }

    #[test]
    fn every_shorter_or_longer_text_is_refused() {
        let keyring = first();
        let sealed = keyring.seal(&PLACE, b"secret", NONCE).expect("short");
        for (length, _) in sealed.char_indices() {
            let shorter: String = sealed.chars().take(length).collect();
            assert!(keyring.open(&PLACE, &shorter).is_err(), "{length}");
        }
        for addition in ["A", "AA", "AAA", "AAAA", "=", "==", ".", " ", "\n"] {
            assert!(keyring.open(&PLACE, &format!("{sealed}{addition}")).is_err(), "{addition:?}");
        }
    }

    #[test]
    fn equal_texts_look_different_sealed_and_lengths_are_all_they_share() {
        let keyring = first();
        let mut seen = HashSet::new();
        for (row, user) in [("1", "a"), ("2", "a"), ("1", "b")] {
            let place = Place { purpose: "totp secret", row, user };
            for last in 0..4 {
                let mut nonce = NONCE;
                nonce[11] = last;
                assert!(seen.insert(keyring.seal(&place, b"same", nonce).expect("short")));
            }
        }
        // Even with one nonce, what follows it differs from row to row: each row has its own key.
        let text = |row| {
            let sealed = keyring.seal(&Place { row, ..PLACE }, b"same text, same nonce", NONCE);
            sealed.expect("short").into_bytes()
        };
        let (one, two) = (text("1"), text("2"));
        let nonce_end = "s1.".len() + 16;
        assert_eq!(one[..nonce_end], two[..nonce_end]);
        assert_ne!(one[nonce_end..nonce_end + 28], two[nonce_end..nonce_end + 28]);
    }

    #[test]
    fn malformed_texts_are_called_so() {
        let keyring = first();
        for text in [
            "",
            ".",
            "s1",
            "s1.",
            "s1.A",
            "s1.AAAA",
            "s1.oKGio6Slpqeoqaq",
            "s1.oKGio6Slpqeoqaqr=",
            "s1.oKGio6Slpqeoqaqr+/==",
            "s1.!",
            "s1..oKGio6Slpqeoqaqr",
            " s1.oKGio6Slpqeoqaqr",
            ".oKGio6Slpqeoqaqr",
            "S1.oKGio6Slpqeoqaqr",
            "s-1.oKGio6Slpqeoqaqr",
            "abcdefghijklmnopq.oKGio6Slpqeoqaqr",
            "\u{e9}.oKGio6Slpqeoqaqr",
            "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        ] {
            assert_eq!(keyring.open(&PLACE, text), Err(OpenError::Malformed), "{text:?}");
            assert_eq!(keyring.open_token("mfa_token", text), Err(OpenError::Malformed), "{text:?}");
            let hash = text.replace("s1.", "h1.");
            assert_eq!(keyring.hash_matches("code", &[], &hash), Err(HashError::Malformed), "{hash:?}");
        }
        // Long enough for a nonce, too short for a tag.
        assert_eq!(keyring.open(&PLACE, "s1.oKGio6Slpqeoqaqr"), Err(OpenError::Forged));
    }

    #[test]
    fn an_unknown_key_is_named() {
        let sealed = second().seal(&PLACE, b"secret", NONCE).expect("short");
        assert_eq!(first().open(&PLACE, &sealed), Err(OpenError::UnknownKey("s2".to_owned())));
        let token = second().seal_token("mfa_token", b"secret", NONCE).expect("short");
        assert_eq!(first().open_token("mfa_token", &token), Err(OpenError::UnknownKey("s2".to_owned())));
        let hash = second().hash("code", &["1"]);
        assert_eq!(first().hash_matches("code", &["1"], &hash), Err(HashError::UnknownKey("h2".to_owned())));
        // Seal keys are no hash keys, nor the reverse.
        let swapped = hash.replacen("h2", "s1", 1);
        assert_eq!(
            first().hash_matches("code", &["1"], &swapped),
            Err(HashError::UnknownKey("s1".to_owned()))
        );
    }

    #[test]
    fn a_seal_key_is_replaced_in_steps_without_losing_a_row() {
        let old = first().seal(&PLACE, b"old", NONCE).expect("short");
        let old_token = first().seal_token("mfa_token", b"old", NONCE).expect("short");
        for keyring in [first(), second_known(), second_used()] {
            assert_eq!(keyring.open(&PLACE, &old).expect("readable").as_slice(), b"old");
            assert_eq!(keyring.open_token("mfa_token", &old_token).expect("readable").as_slice(), b"old");
        }
        assert!(second_known().seal(&PLACE, b"", NONCE).expect("short").starts_with("s1."));
        let new = second_used().seal(&PLACE, b"new", NONCE).expect("short");
        assert!(new.starts_with("s2."));
        // An isolate that has not heard of the second step yet can read what others write already.
        assert_eq!(second_known().open(&PLACE, &new).expect("readable").as_slice(), b"new");
        assert_eq!(second().open(&PLACE, &new).expect("readable").as_slice(), b"new");
        assert_eq!(second().open(&PLACE, &old), Err(OpenError::UnknownKey("s1".to_owned())));
        assert_eq!([second_used().is_current(&old), second_used().is_current(&new)], [false, true]);
        assert_eq!([second_known().is_current(&old), second_known().is_current(&new)], [true, false]);
        assert!(!first().is_current("s1") && !first().is_current("") && !first().is_current("s11.AAAA"));
    }

    #[test]
    fn a_hash_key_is_replaced_in_steps_without_losing_a_row() {
        let old = first().hash("code", &["1"]);
        let new = second_used().hash("code", &["1"]);
        assert!(old.starts_with("h1.") && new.starts_with("h2."));
        for keyring in [second_known(), second_used()] {
            assert_eq!(keyring.hash_matches("code", &["1"], &old), Ok(true));
            assert_eq!(keyring.hash_matches("code", &["1"], &new), Ok(true));
            assert_eq!(keyring.hash_matches("code", &["2"], &old), Ok(false));
        }
        assert_eq!(second_known().hash("code", &["1"]), old);
        assert_eq!(second_known().hashes("code", &["1"]), [old.clone(), new.clone()]);
        assert_eq!(second_used().hashes("code", &["1"]), [new.clone(), old.clone()]);
        assert_eq!(first().hashes("code", &["1"]), [old]);
        assert_eq!(second().hashes("code", &["1"]), [new]);
    }

    #[test]
    fn no_other_purpose_parts_or_boundaries_give_the_same_hash() {
        let keyring = first();
        let inputs: [(&'static str, &[&str]); 13] = [
            ("code", &["ab", "c"]),
            ("code", &["a", "bc"]),
            ("code", &["abc"]),
            ("code", &["abc", ""]),
            ("code", &["", "abc"]),
            ("code", &["c", "ab"]),
            ("code", &[]),
            ("code", &[""]),
            ("code", &["", ""]),
            ("codea", &["b", "c"]),
            ("", &["code", "ab", "c"]),
            ("address", &["ab", "c"]),
            ("code", &["\0\0\0\0\0\0\0\u{1}a"]),
        ];
        let hashes: HashSet<_> = inputs.iter().map(|(purpose, parts)| keyring.hash(purpose, parts)).collect();
        assert_eq!(hashes.len(), inputs.len());
        for (purpose, parts) in inputs {
            let stored = keyring.hash(purpose, parts);
            assert_eq!(stored, keyring.hash(purpose, parts));
            for (other_purpose, other_parts) in inputs {
                let same = (purpose, parts) == (other_purpose, other_parts);
                assert_eq!(keyring.hash_matches(other_purpose, other_parts, &stored), Ok(same));
            }
        }
    }

    #[test]
    fn a_hash_of_another_length_is_malformed() {
        let stored = first().hash("code", &["1"]);
        let mac = Base64UrlUnpadded::decode_vec(stored.trim_start_matches("h1.")).expect("base64url");
        for length in (0..32).chain(33..64) {
            let bytes: Vec<u8> = mac.iter().copied().cycle().take(length).collect();
            let changed = format!("h1.{}", Base64UrlUnpadded::encode_string(&bytes));
            assert_eq!(first().hash_matches("code", &["1"], &changed), Err(HashError::Malformed), "{length}");
        }
    }

    #[test]
    fn tokens_are_safe_in_urls_and_headers() {
        for length in 0..64 {
            let token = second().seal_token("mfa_token", &vec![0xff; length], [0xff; 12]).expect("short");
            assert!(
                token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)),
                "{token}"
            );
        }
    }

    #[test]
    fn a_keyring_that_is_not_right_is_explained_without_showing_a_key() {
        let one =
            |present: &str, id: &str, key: &str| written((present, &[(id, key)]), ("h1", &[("h1", H1)]));
        let form = format!("does not have the form {FORM}");
        let id_rule = "has a key id in seal.keys that is not 1 to 16 lower-case letters and digits.";
        let length_rule = "has a key seal.keys.s1 that is not 32 bytes in base64url without padding, which are 43 characters.";
        for (json, problem) in [
            (String::new(), form.as_str()),
            ("[]".to_owned(), &form),
            ("{}".to_owned(), &form),
            (format!("\"{S1}\""), &form),
            (S1.to_owned(), &form),
            (format!(r#"{{"seal":"{S1}","hash":"{H1}"}}"#), &form),
            (format!(r#"{{"seal":{{"use":"s1","keys":["{S1}"]}}}}"#), &form),
            (format!(r#"{{"{S1}":1}}"#), &form),
            (one("s1", "s1", S1).replacen('{', r#"{"sign":{},"#, 1), &form),
            (one("s1", S1, "s1"), id_rule),
            (one("", "", S1), id_rule),
            (one("S1", "S1", S1), id_rule),
            (one("s.1", "s.1", S1), id_rule),
            (one("abcdefghijklmnopq", "abcdefghijklmnopq", S1), id_rule),
            (one("s1", "s1", ""), length_rule),
            (one("s1", "s1", S1_PART), length_rule),
            (one("s1", "s1", &format!("{S1}A")), length_rule),
            (one("s1", "s1", &format!("{S1}=")), length_rule),
            (one("s1", "s1", &S2.replace('_', "/")), length_rule),
            (one("s1", "s1", &format!(" {S1_PART}8")), length_rule),
            (one("s2", "s1", S1), "has no key in seal.keys under the id that seal.use names."),
            (one(S1, "s1", S1), "has no key in seal.keys under the id that seal.use names."),
            (
                written(("s1", &[("s1", S1)]), ("h1", &[])),
                "has no key in hash.keys under the id that hash.use names.",
            ),
            (
                written(("s1", &[("s1", S1)]), ("h1", &[("h1", "AAAA")])),
                "has a key hash.keys.h1 that is not 32 bytes in base64url without padding, which are 43 characters.",
            ),
            (
                written(("s1", &[("s1", S1), ("s2", S1)]), ("h1", &[("h1", H1)])),
                "has the same key as seal.keys.s1 and seal.keys.s2; use a new one.",
            ),
        ] {
            let error = Keyring::parse(&json).expect_err(&json);
            assert!(error.starts_with(problem) && error.ends_with('.'), "{json}: {error}");
            for key in [S1, S2, H1, S1_PART] {
                assert!(!error.contains(key), "{error}");
            }
        }
    }

    /// The keyring of `first()`'s variable and `ENCRYPTION_KEYS_{name}`s with these keys.
    fn with_further(
        further: &[(&str, &str, &str)],
        active: Option<&str>,
    ) -> Result<Keyring, Vec<(String, String)>> {
        let first = written(("s1", &[("s1", S1)]), ("h1", &[("h1", H1)]));
        Keyring::parse_all(Some(&first), &variables(further), active)
    }

    fn variables(further: &[(&str, &str, &str)]) -> Vec<(String, String)> {
        let variable = |(name, seal, hash): &(&str, &str, &str)| {
            (format!("ENCRYPTION_KEYS_{name}"), format!(r#"{{"seal":"{seal}","hash":"{hash}"}}"#))
        };
        further.iter().map(variable).collect()
    }

    #[test]
    fn a_further_variable_adds_keys_and_another_one_says_that_they_are_used() {
        let added = ("2", S2, H2);
        let known = with_further(&[added], None).expect("valid");
        let used = with_further(&[added], Some("2")).expect("valid");
        let same = with_further(&[added], Some("ENCRYPTION_KEYS_2")).expect("valid");
        let alone = Keyring::parse_all(None, &variables(&[added]), Some("2")).expect("valid");
        for (keyring, expected) in
            [(&known, second_known()), (&used, second_used()), (&same, second_used()), (&alone, second())]
        {
            assert_eq!(keyring.hashes("code", &["1"]), expected.hashes("code", &["1"]));
            let sealed = expected.seal(&PLACE, b"secret", NONCE).expect("short");
            assert_eq!(keyring.seal(&PLACE, b"secret", NONCE), Ok(sealed.clone()));
            assert_eq!(keyring.open(&PLACE, &sealed).expect("readable").as_slice(), b"secret");
        }
    }

    #[test]
    fn further_variables_that_are_not_right_are_named_and_show_no_key() {
        let length = "that is not 32 bytes in base64url without padding, which are 43 characters.";
        let active_rule = "must be what follows ENCRYPTION_KEYS_ in the name of one of these variables.";
        let name_rule =
            "must have a name that ends in 1 to 15 lower-case letters and digits, which name its keys.";
        for (further, active, variable, problem) in [
            (("2", S1_PART, H2), None, "ENCRYPTION_KEYS_2", format!("has a key seal {length}")),
            (("2", S2, ""), None, "ENCRYPTION_KEYS_2", format!("has a key hash {length}")),
            (
                ("2", S1, H2),
                None,
                "ENCRYPTION_KEYS_2",
                "has the same key seal as the key s1; use a new one.".to_owned(),
            ),
            (
                ("2", S2, H1),
                None,
                "ENCRYPTION_KEYS_2",
                "has the same key hash as the key h1; use a new one.".to_owned(),
            ),
            (
                ("1", S2, H2),
                None,
                "ENCRYPTION_KEYS_1",
                "has the key s1, which ENCRYPTION_KEYS has already; choose another name.".to_owned(),
            ),
            (("", S2, H2), None, "ENCRYPTION_KEYS_", name_rule.to_owned()),
            (("A", S2, H2), None, "ENCRYPTION_KEYS_A", name_rule.to_owned()),
            (("a234567890123456", S2, H2), None, "ENCRYPTION_KEYS_a234567890123456", name_rule.to_owned()),
            (("2", S2, H2), Some("1"), "ACTIVE_ENCRYPTION_KEYS", active_rule.to_owned()),
            (("2", S2, H2), Some("s2"), "ACTIVE_ENCRYPTION_KEYS", active_rule.to_owned()),
        ] {
            let problems = with_further(&[further], active).expect_err(variable);
            assert_eq!(problems, [(variable.to_owned(), problem)]);
            for key in [S1, S2, H1, H2, S1_PART] {
                assert!(!format!("{problems:?}").contains(key), "{problems:?}");
            }
        }
        let malformed =
            Keyring::parse_all(None, &[("ENCRYPTION_KEYS_2".to_owned(), S1.to_owned())], Some("2"));
        let malformed = malformed.expect_err("no JSON");
        assert!(malformed[0].1.starts_with("does not have the form {") && !malformed[0].1.contains(S1));
        assert_eq!(with_further(&[], Some("2")).expect_err("nothing to use")[0].0, "ACTIVE_ENCRYPTION_KEYS");
        let nobody = Keyring::parse_all(None, &variables(&[("2", S2, H2)]), None).expect_err("none is used");
        assert_eq!(nobody[0].0, "ENCRYPTION_KEYS");
        assert_eq!(
            Keyring::parse_all(None, &[], None).expect_err("none at all"),
            [("ENCRYPTION_KEYS".to_owned(), "is missing.".to_owned())]
        );
        // Both of two wrong ones are told, and a wrong first one as well.
        let both = Keyring::parse_all(Some("{}"), &variables(&[("2", "", ""), ("3", "", "")]), Some("2"));
        let names: Vec<_> = both.expect_err("all wrong").into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["ENCRYPTION_KEYS", "ENCRYPTION_KEYS_2", "ENCRYPTION_KEYS_3"]);
    }

    #[test]
    fn debug_prints_nothing_of_the_keys() {
        assert_eq!(format!("{:?}", second_known()), "Keyring(…)");
    }
}
