//! What happens when the filter stops a system call: its name is said, and the process ends with 77.

use std::sync::OnceLock;

use anyhow::{Result, ensure};
use waagent_declaration::syscall_name;

use crate::fault::Exit;

static PROGRAM: OnceLock<&'static str> = OnceLock::new();

/// Offset of `si_syscall` in `siginfo_t` on 64-bit Linux: three integers, padding, then `si_call_addr`
/// (include/uapi/asm-generic/siginfo.h).
const SI_SYSCALL: usize = 24;

/// Sets the handler of SIGSYS. Programs that are executed get the default again: they are killed by it.
pub fn name_blocked_calls(program: &'static str) -> Result<()> {
    PROGRAM.get_or_init(|| program);
    // SAFETY: a zeroed sigaction is valid; the fields that matter are set below.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    #[expect(clippy::as_conversions, reason = "a handler's address is an integer in sigaction(2)")]
    {
        action.sa_sigaction = blocked as *const () as usize;
    }
    action.sa_flags = libc::SA_SIGINFO;
    // SAFETY: `action` is initialised, its handler has the signature that SA_SIGINFO asks for and is
    // async-signal-safe: it writes static texts and exits.
    let set = unsafe { libc::sigaction(libc::SIGSYS, &raw const action, std::ptr::null_mut()) };
    ensure!(set == 0, "sigaction: {}", std::io::Error::last_os_error());
    Ok(())
}

extern "C" fn blocked(_signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the kernel passes a siginfo of SIGSYS, 128 bytes, with si_syscall at this offset.
    let number = unsafe { info.cast::<u8>().add(SI_SYSCALL).cast::<i32>().read_unaligned() };
    let name = syscall_name(i64::from(number)).unwrap_or("without a name here");
    let program = PROGRAM.get().copied().unwrap_or("waagent");
    for text in ["<3>", program, ": the sandbox stopped system call '", name, "'; report this as a bug\n"] {
        // SAFETY: writes a static text to standard error; nothing can be done if that fails.
        let _unwritten = unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
    }
    // SAFETY: ends the process without running destructors, which may be in any state.
    unsafe { libc::_exit(i32::from(Exit::NotPermitted.code())) }
}
