//! What is special about 64-bit ARM, which has none of the calls that newer ones took the place of.

/// Calls that libc doesn't name for this processor. Numbers: include/uapi/asm-generic/unistd.h of Linux.
pub const ONLY: &[(&str, i64)] = &[("fchmodat2", 452)];

/// Calls that don't exist here, and the one by which the C library does their work.
#[rustfmt::skip]
pub const INSTEAD: &[(&str, &str)] = &[
    ("access", "faccessat"),
    ("alarm", "setitimer"),
    ("chmod", "fchmodat"),
    ("chown", "fchownat"),
    ("creat", "openat"),
    ("dup2", "dup3"),
    ("epoll_create", "epoll_create1"),
    ("epoll_wait", "epoll_pwait"),
    ("eventfd", "eventfd2"),
    ("fork", "clone"),
    ("futimesat", "utimensat"),
    ("getdents", "getdents64"),
    ("getpgrp", "getpgid"),
    ("inotify_init", "inotify_init1"),
    ("lchown", "fchownat"),
    ("link", "linkat"),
    ("lstat", "newfstatat"),
    ("mkdir", "mkdirat"),
    ("mknod", "mknodat"),
    ("open", "openat"),
    ("pause", "ppoll"),
    ("pipe", "pipe2"),
    ("poll", "ppoll"),
    ("readlink", "readlinkat"),
    ("rename", "renameat"),
    ("rmdir", "unlinkat"),
    ("select", "pselect6"),
    ("signalfd", "signalfd4"),
    ("stat", "newfstatat"),
    ("symlink", "symlinkat"),
    ("time", "clock_gettime"),
    ("unlink", "unlinkat"),
    ("utime", "utimensat"),
    ("utimes", "utimensat"),
    ("vfork", "clone"),
];

/// Calls that don't exist here and that nothing takes the place of: the thread's own register and I/O ports are x86's.
pub const NEEDLESS: &[(&str, ())] = &[("arch_prctl", ()), ("ioperm", ()), ("iopl", ())];
