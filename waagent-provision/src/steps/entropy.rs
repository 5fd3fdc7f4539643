//! Step `entropy`: the hypervisor's random bytes, before keys are made.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::Path;

use anyhow::Result;
use waagent_common::durable;
use waagent_common::fault::Exit;

use crate::pass::{Pass, StepOutcome};

/// Hyper-V's random bytes, fresh at each start of the VM: a table with the signature OEM0.
const TABLE: &str = "/sys/firmware/acpi/tables/OEM0";
/// Header of an ACPI table (ACPI 6.5, 5.2.6), and what Linux 6.10 takes after it at most (ms_hyperv_late_init).
const HEADER: usize = 36;
const MAX: u64 = 36 + 4096;

/// Mixes the hypervisor's random bytes into the kernel's pool, which needs no trust in them; crediting nothing.
pub(crate) fn mix(pass: &mut Pass<'_>) -> Result<StepOutcome> {
    if !pass.root.is_live() {
        return Ok(StepOutcome::Skipped("a scratch root".to_owned()));
    }
    let came = match durable::open_regular(Path::new(TABLE)) {
        Ok(file) => {
            let mut table = Vec::new();
            file.take(MAX).read_to_end(&mut table)?;
            mix_in(&mut table)?
        }
        Err(fault) if fault.exit == Exit::NoInput => StepOutcome::Skipped("no table OEM0".to_owned()),
        Err(fault) => {
            pass.warn(format!("{fault}, ignoring"));
            StepOutcome::Skipped("table OEM0 unreadable".to_owned())
        }
    };
    Ok(came)
}

fn mix_in(table: &mut [u8]) -> Result<StepOutcome> {
    let Some((_, payload)) = table.split_at_mut_checked(HEADER) else {
        return Ok(StepOutcome::Skipped("table OEM0 is too short".to_owned()));
    };
    if payload.iter().all(|byte| *byte == 0) {
        return Ok(StepOutcome::Skipped("the kernel has used table OEM0".to_owned()));
    }
    OpenOptions::new().write(true).open("/dev/urandom")?.write_all(payload)?;
    let text = format!("mixed {} bytes of table OEM0", payload.len());
    payload.fill(0);
    Ok(StepOutcome::Done(text))
}
