//! The program against the platform's half of the exchange: real CMS, real PFX, its real sandbox.

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod scratch;
#[cfg(test)]
mod transport;
#[cfg(test)]
mod unseal;
