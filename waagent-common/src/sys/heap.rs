//! The C library's heap: given back to the kernel when a burst of work is over.

/// Big blocks are the kernel's own and go back to it at once, whatever was freed before: left to itself the C library
/// takes freed blocks of up to 32 MiB for its heap, and keeps them.
pub fn return_big_blocks() {
    // SAFETY: mallopt(3) takes two integers and changes the allocator's own parameters.
    #[cfg(target_env = "gnu")]
    let _refused = unsafe {
        [libc::mallopt(libc::M_MMAP_THRESHOLD, 128 << 10), libc::mallopt(libc::M_TRIM_THRESHOLD, 1 << 20)]
    };
}

/// Keeps all threads on one heap. Each further one would keep its freed pages to itself.
///
/// Called before the first thread starts.
pub fn one_arena() {
    // SAFETY: mallopt(3) takes two integers and changes the allocator's own parameters.
    #[cfg(target_env = "gnu")]
    let _refused = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

/// Gives freed memory back to the kernel.
pub fn trim() {
    // SAFETY: malloc_trim(3) takes an integer and releases only what the allocator itself holds free.
    #[cfg(target_env = "gnu")]
    let _was_there_any = unsafe { libc::malloc_trim(0) };
}
