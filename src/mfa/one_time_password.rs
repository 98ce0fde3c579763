//! Time-based one-time passwords: RFC 6238 over the HOTP of RFC 4226, with SHA-1, six digits and steps of 30 seconds,
//! which is what every authenticator app understands.

use std::fmt;

use base32ct::{Base32UpperUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::types::UnixSeconds;

/// Length of a time step (RFC 6238, section 4.1).
pub const STEP_SECONDS: i64 = 30;

/// Length of a code.
const DIGITS: usize = 6;

/// Length of a secret: that of an SHA-1 output, as RFC 4226, section 4, R6 recommends.
const SECRET_BYTES: usize = 20;

/// SHA-1's block, to which HMAC fills a shorter key with zeros (RFC 2104, section 2).
const BLOCK_BYTES: usize = 64;

/// The time step at which `code` is right: the present one or the one before, which a person who types slowly needs
/// (RFC 6238, section 5.2).
///
/// A step up to `last_step`, the last one that was accepted, never counts again. Codes are compared in constant time.
/// `None` when the code is wrong, spent, or not six ASCII digits.
#[must_use]
pub fn matching_step(secret: &TotpSecret, code: &str, now: UnixSeconds, last_step: i64) -> Option<i64> {
    let presented: [u8; DIGITS] = code.as_bytes().try_into().ok()?;
    if !presented.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let present = now.0.div_euclid(STEP_SECONDS);
    let mut matching = None;
    // The later step last: should both have the same code, accepting it spends both.
    for step in [present.saturating_sub(1), present] {
        // A clock before 1970 has no steps.
        let Ok(counter) = u64::try_from(step) else { continue };
        let equal = hotp::<DIGITS>(secret, counter).ct_eq(&presented);
        if bool::from(equal) && step > last_step {
            matching = Some(step);
        }
    }
    matching
}

/// A secret shared with an authenticator app. Wiped when dropped; Debug prints nothing of it.
#[derive(Clone)]
pub struct TotpSecret(Zeroizing<[u8; SECRET_BYTES]>);

impl TotpSecret {
    /// The secret with these 20 bytes, fresh from the random source.
    #[must_use]
    pub fn from_bytes(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The secret as it was stored; `None` when there are not exactly 20 bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_bytes)
    }

    /// The bytes, to be sealed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    /// As apps take it: 32 characters of base32 (RFC 4648, section 6), which need no padding.
    #[must_use]
    pub fn to_base32(&self) -> String {
        Base32UpperUnpadded::encode_string(self.0.as_slice())
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TotpSecret(…)")
    }
}

/// The HOTP value at `counter` as ASCII digits (RFC 4226, section 5.3).
fn hotp<const LENGTH: usize>(secret: &TotpSecret, counter: u64) -> [u8; LENGTH] {
    let mut number = truncated(secret, counter);
    let mut digits = [b'0'; LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = match number % 10 {
            0 => b'0',
            1 => b'1',
            2 => b'2',
            3 => b'3',
            4 => b'4',
            5 => b'5',
            6 => b'6',
            7 => b'7',
            8 => b'8',
            _ => b'9',
        };
        number /= 10;
    }
    digits
}

/// Dynamic truncation: 31 bits of the HMAC, at the place that its last four bits say (RFC 4226, section 5.3).
fn truncated(secret: &TotpSecret, counter: u64) -> u32 {
    let mut block = Zeroizing::new([0_u8; BLOCK_BYTES]);
    for (target, byte) in block.iter_mut().zip(secret.as_bytes()) {
        *target = *byte;
    }
    let mut mac = Hmac::<Sha1>::new((&*block).into());
    mac.update(&counter.to_be_bytes());
    let output = mac.finalize().into_bytes();
    let offset = output.last().map_or(0, |last| usize::from(last & 0x0f));
    output.iter().skip(offset).take(4).fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) & 0x7fff_ffff
}

/// The code that an app shows at `step`, for tests of the paths that take one.
#[cfg(test)]
pub(crate) fn code_at(secret: &TotpSecret, step: i64) -> String {
    let digits = hotp::<DIGITS>(secret, step.try_into().expect("steps in tests are after 1970"));
    String::from_utf8(digits.to_vec()).expect("digits are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of both RFCs' test vectors: `12345678901234567890` in ASCII.
    fn rfc_secret() -> TotpSecret {
        TotpSecret::from_bytes(*b"12345678901234567890")
    }

    fn at(step: i64) -> UnixSeconds {
        UnixSeconds(0).plus(step.saturating_mul(STEP_SECONDS))
    }

    #[test]
    fn hotp_gives_the_values_of_rfc_4226_appendix_d() {
        let truncated_values: [u32; 10] = [
            0x4c93_cf18,
            0x4139_7eea,
            0x082f_ef30,
            0x66ef_7655,
            0x61c5_938a,
            0x33c0_83d4,
            0x7256_c032,
            0x04e5_b397,
            0x2823_443f,
            0x2679_dc69,
        ];
        let codes = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871",
            "520489",
        ];
        for (counter, (value, code)) in (0..).zip(truncated_values.into_iter().zip(codes)) {
            assert_eq!(truncated(&rfc_secret(), counter), value, "counter {counter}");
            assert_eq!(&hotp::<6>(&rfc_secret(), counter), code.as_bytes(), "counter {counter}");
        }
    }

    #[test]
    fn totp_gives_the_sha_1_values_of_rfc_6238_appendix_b() {
        for (time, eight) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let step = time / STEP_SECONDS;
            assert_eq!(&hotp::<8>(&rfc_secret(), step as u64), eight.as_bytes(), "time {time}");
            // Six digits are the last six of the eight: both are remainders of the same number.
            let six = eight.get(2..).expect("eight digits");
            assert_eq!(matching_step(&rfc_secret(), six, UnixSeconds(time), 0), Some(step));
        }
    }

    #[test]
    fn a_code_is_accepted_in_its_own_step_and_the_next_and_at_no_other_second() {
        let secret = rfc_secret();
        let step = 50_000_000;
        let code = code_at(&secret, step);
        for seconds in -120..180 {
            let now = at(step).plus(seconds);
            let expected = (0..60).contains(&seconds).then_some(step);
            assert_eq!(matching_step(&secret, &code, now, 0), expected, "{seconds} s after the step began");
        }
    }

    #[test]
    fn only_steps_after_the_last_accepted_one_count() {
        let secret = rfc_secret();
        let step = 50_000_000;
        let (previous, present) = (code_at(&secret, step - 1), code_at(&secret, step));
        for (last_step, previous_counts, present_counts) in
            [(step - 2, true, true), (step - 1, false, true), (step, false, false), (step + 1, false, false)]
        {
            let matched = |code| matching_step(&secret, code, at(step), last_step);
            assert_eq!(matched(&previous), previous_counts.then_some(step - 1));
            assert_eq!(matched(&present), present_counts.then_some(step));
        }
    }

    #[test]
    fn a_code_shared_by_both_steps_spends_the_later_one() {
        let secret = rfc_secret();
        // The first two neighbouring steps of this secret that have one code.
        let later = 910_738;
        let code = code_at(&secret, later);
        assert_eq!(code, code_at(&secret, later - 1));
        assert_eq!(matching_step(&secret, &code, at(later), later - 2), Some(later));
        assert_eq!(matching_step(&secret, &code, at(later), later - 1), Some(later));
        assert_eq!(matching_step(&secret, &code, at(later), later), None);
    }

    #[test]
    fn no_other_code_is_right() {
        let secret = rfc_secret();
        let step = 50_000_000;
        let right = [code_at(&secret, step - 1), code_at(&secret, step)];
        let near = right.iter().flat_map(|code| {
            (0..6).flat_map(move |place| {
                ('0'..='9').map(move |digit| {
                    code.chars().enumerate().map(|(at, own)| if at == place { digit } else { own }).collect()
                })
            })
        });
        let spread = (0..1_000_000).step_by(997).map(|number| format!("{number:06}"));
        for code in near.chain(spread) {
            let matched: bool = matching_step(&secret, &code, at(step), 0).is_some();
            assert_eq!(matched, right.contains(&code), "{code}");
        }
    }

    #[test]
    fn anything_but_six_ascii_digits_is_refused() {
        let secret = rfc_secret();
        let now = UnixSeconds(59);
        assert_eq!(matching_step(&secret, "287082", now, 0), Some(1));
        for code in [
            "",
            "2",
            "28708",
            "2870820",
            "0287082",
            "94287082",
            " 287082",
            "287082 ",
            "287 82",
            "28708x",
            "+87082",
            "-87082",
            "2870８2",
            "２８７０８２",
            "٢٨",
            "287082\0",
            "\n287082",
            "0x4612",
        ] {
            assert_eq!(matching_step(&secret, code, now, 0), None, "{code:?}");
        }
    }

    #[test]
    fn another_secret_does_not_match() {
        let other = TotpSecret::from_bytes([7; 20]);
        let code = code_at(&other, 50_000_000);
        assert_eq!(matching_step(&rfc_secret(), &code, at(50_000_000), 0), None);
    }

    #[test]
    fn no_clock_makes_it_fail() {
        let secret = rfc_secret();
        for now in [i64::MIN, -31, -30, -1, i64::MAX] {
            assert_eq!(matching_step(&secret, "000000", UnixSeconds(now), i64::MAX), None);
        }
        // In the very first step there is no previous one.
        assert_eq!(matching_step(&secret, "755224", UnixSeconds(29), -1), Some(0));
    }

    #[test]
    fn a_secret_is_shown_as_32_base32_characters_without_padding() {
        assert_eq!(rfc_secret().to_base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(TotpSecret::from_bytes([0; 20]).to_base32(), "A".repeat(32));
        assert_eq!(TotpSecret::from_bytes([255; 20]).to_base32(), "7".repeat(32));
    }

    #[test]
    fn a_stored_secret_has_exactly_20_bytes() {
        for length in 0..64 {
            let bytes = vec![9; length];
            assert_eq!(
                TotpSecret::from_slice(&bytes).map(|s| s.as_bytes().to_vec()),
                (length == 20).then_some(bytes)
            );
        }
    }

    #[test]
    fn debug_prints_nothing_of_the_secret() {
        assert_eq!(format!("{:?}", rfc_secret()), "TotpSecret(…)");
    }
}
