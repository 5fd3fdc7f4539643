//! How much work an algorithm asks for, looked at before any of it is done.

use super::Refusal;
use crate::der::{Der, tag};

/// Rounds that are left for one store: each algorithm may ask for a million, all together for four.
#[derive(Debug)]
pub(super) struct Budget(u64);

impl Budget {
    pub(super) const fn new() -> Self {
        Self(MOST_IN_ALL)
    }

    /// For a store's MAC, which is checked before anything else of it is believed.
    pub(super) const fn of_mac() -> Self {
        Self(MOST_FOR_MAC)
    }

    /// Takes the rounds that this AlgorithmIdentifier (DER) asks for.
    pub(super) fn spend_on(&mut self, algorithm: &[u8]) -> Result<(), Refusal> {
        self.spend(rounds(algorithm).ok_or(Refusal::Algorithm)?)
    }

    pub(super) fn spend(&mut self, rounds: u64) -> Result<(), Refusal> {
        if rounds > MOST_AT_ONCE {
            return Err(Refusal::Iterations);
        }
        self.0 = self.0.checked_sub(rounds).ok_or(Refusal::Iterations)?;
        Ok(())
    }
}

/// Rounds of a password-based algorithm; nothing where it is none that we know the cost of.
fn rounds(algorithm: &[u8]) -> Option<u64> {
    let mut identifier = Der::new(algorithm).open(tag::SEQUENCE)?;
    let name = identifier.take(tag::OBJECT)?;
    let mut parameters = identifier.open(tag::SEQUENCE)?;
    if name.strip_prefix(PKCS12_PBE).is_some_and(|last| matches!(last, [1..=6])) {
        parameters.take(tag::OCTETS)?;
        return parameters.number();
    }
    if name != PBES2 && name != PBMAC1 {
        return None;
    }
    let mut derivation = parameters.open(tag::SEQUENCE)?;
    if derivation.take(tag::OBJECT)? != PBKDF2 {
        return None;
    }
    let mut parameters = derivation.open(tag::SEQUENCE)?;
    parameters.take(tag::OCTETS)?;
    parameters.number()
}

/// Rounds of one algorithm; the platform's own stores have 2000.
const MOST_AT_ONCE: u64 = 1_000_000;
/// Some seconds of work: 64 bags of a million each would be minutes.
const MOST_IN_ALL: u64 = 4_000_000;
/// Ten times the platform's, and some 20 ms: a MAC that is wrong must not be told from none by its time.
const MOST_FOR_MAC: u64 = 20_000;
/// 1.2.840.113549.1.12.1 (RFC 7292 appendix C)
const PKCS12_PBE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01];
/// 1.2.840.113549.1.5.12 (RFC 8018)
const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c];
/// 1.2.840.113549.1.5.13 (RFC 8018)
const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d];
/// 1.2.840.113549.1.5.14 (RFC 9579)
const PBMAC1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0e];

#[cfg(test)]
mod tests {
    use super::*;

    /// pbeWithSHA1And3-KeyTripleDES-CBC with these rounds.
    fn pbe(rounds: u32) -> Vec<u8> {
        let mut parameters = vec![0x04, 1, 0, 0x02, 5, 0];
        parameters.extend(rounds.to_be_bytes());
        let mut body = vec![0x06, 10];
        body.extend_from_slice(PKCS12_PBE);
        body.push(3);
        body.extend([0x30, 10]);
        body.extend(parameters);
        [vec![0x30, u8::try_from(body.len()).unwrap()], body].concat()
    }

    #[test]
    fn takes_a_million_rounds_at_once_and_four_in_all() {
        let mut budget = Budget::new();
        for _ in 0..4 {
            budget.spend_on(&pbe(1_000_000)).unwrap();
        }
        assert_eq!(budget.spend_on(&pbe(1)), Err(Refusal::Iterations));
        assert_eq!(Budget::new().spend_on(&pbe(1_000_001)), Err(Refusal::Iterations));
        assert_eq!(Budget::of_mac().spend(20_000), Ok(()));
        assert_eq!(Budget::of_mac().spend(20_001), Err(Refusal::Iterations));
    }

    #[test]
    fn refuses_an_algorithm_whose_cost_it_does_not_know() {
        let scrypt = [0x30, 13, 0x06, 9, 0x2b, 6, 1, 4, 1, 0xda, 0x47, 4, 11, 0x30, 0];
        assert_eq!(Budget::new().spend_on(&scrypt), Err(Refusal::Algorithm));
        assert_eq!(Budget::new().spend_on(&[]), Err(Refusal::Algorithm));
    }
}
