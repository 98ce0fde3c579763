//! Signatures by WebCrypto, twenty times faster than wasm can make them. An imported key may serve later requests of
//! the isolate; the promises made with it may not, and never leave the request that made them.

use js_sys::{Array, JSON, Object, Reflect, Uint8Array};
use wasm_bindgen_futures::JsFuture;
use web_sys::{CryptoKey, SubtleCrypto};
use worker::wasm_bindgen::{JsCast, JsValue};

use crate::platform::KeyError;
use crate::trust::algorithm::Algorithm;

/// Imports a JWK for one algorithm and one use. The key cannot be exported again.
pub(super) async fn import(algorithm: Algorithm, jwk: &str, usage: &str) -> Result<CryptoKey, KeyError> {
    let jwk = JSON::parse(jwk).map_err(key_error)?.unchecked_into::<Object>();
    let usages = Array::of1(&JsValue::from_str(usage));
    let promise = subtle()?
        .import_key_with_object("jwk", &jwk, &import_parameters(algorithm)?, false, &usages)
        .map_err(key_error)?;
    JsFuture::from(promise).await.map(JsCast::unchecked_into).map_err(key_error)
}

/// Whether the signature is valid.
pub(super) async fn verify(
    algorithm: Algorithm,
    key: &CryptoKey,
    signature: &[u8],
    message: &[u8],
) -> Result<bool, KeyError> {
    let promise = subtle()?
        .verify_with_object_and_buffer_source_and_buffer_source(
            &use_parameters(algorithm)?,
            key,
            &Uint8Array::from(signature),
            &Uint8Array::from(message),
        )
        .map_err(key_error)?;
    Ok(JsFuture::from(promise).await.map_err(key_error)?.is_truthy())
}

/// A signature over `message`.
pub(super) async fn sign(algorithm: Algorithm, key: &CryptoKey, message: &[u8]) -> Result<Vec<u8>, KeyError> {
    let promise = subtle()?
        .sign_with_object_and_buffer_source(&use_parameters(algorithm)?, key, &Uint8Array::from(message))
        .map_err(key_error)?;
    let signature = JsFuture::from(promise).await.map_err(key_error)?;
    Ok(Uint8Array::new(&signature).to_vec())
}

/// `globalThis.crypto.subtle`; `worker` has no wrapper for it.
fn subtle() -> Result<SubtleCrypto, KeyError> {
    let crypto = Reflect::get(&js_sys::global(), &JsValue::from_str("crypto")).map_err(key_error)?;
    Reflect::get(&crypto, &JsValue::from_str("subtle")).map(JsCast::unchecked_into).map_err(key_error)
}

/// The algorithm as `importKey` wants it (Web Cryptography API, section 18.4).
fn import_parameters(algorithm: Algorithm) -> Result<Object, KeyError> {
    let parameters = named(match algorithm {
        Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => "RSASSA-PKCS1-v1_5",
        Algorithm::PS256 | Algorithm::PS384 | Algorithm::PS512 => "RSA-PSS",
        Algorithm::ES256 => "ECDSA",
        Algorithm::EdDSA => "Ed25519",
    })?;
    match algorithm {
        Algorithm::ES256 => set(&parameters, "namedCurve", &"P-256".into())?,
        Algorithm::EdDSA => {}
        _ => set(&parameters, "hash", &hash(algorithm).into())?,
    }
    Ok(parameters)
}

/// The algorithm as `sign` and `verify` want it.
fn use_parameters(algorithm: Algorithm) -> Result<Object, KeyError> {
    match algorithm {
        Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => named("RSASSA-PKCS1-v1_5"),
        Algorithm::PS256 | Algorithm::PS384 | Algorithm::PS512 => {
            let parameters = named("RSA-PSS")?;
            // RFC 7518, section 3.5: the salt is as long as the hash.
            let salt_length = match algorithm {
                Algorithm::PS256 => 32,
                Algorithm::PS384 => 48,
                _ => 64,
            };
            set(&parameters, "saltLength", &salt_length.into())?;
            Ok(parameters)
        }
        Algorithm::ES256 => {
            let parameters = named("ECDSA")?;
            set(&parameters, "hash", &hash(algorithm).into())?;
            Ok(parameters)
        }
        Algorithm::EdDSA => named("Ed25519"),
    }
}

const fn hash(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RS384 | Algorithm::PS384 => "SHA-384",
        Algorithm::RS512 | Algorithm::PS512 => "SHA-512",
        _ => "SHA-256",
    }
}

fn named(name: &str) -> Result<Object, KeyError> {
    let parameters = Object::new();
    set(&parameters, "name", &name.into())?;
    Ok(parameters)
}

fn set(object: &Object, member: &str, value: &JsValue) -> Result<(), KeyError> {
    Reflect::set(object, &JsValue::from_str(member), value).map(|_| ()).map_err(key_error)
}

/// WebCrypto's errors say which step failed, and nothing of the key.
fn key_error(error: JsValue) -> KeyError {
    let message = Reflect::get(&error, &JsValue::from_str("message")).ok().and_then(|text| text.as_string());
    KeyError(message.unwrap_or_else(|| "WebCrypto refused".to_owned()))
}
